"""The retention rules over the API: read, changed as they were seen, never below the law."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow

RULES = "/v1/retention-rules"


async def test_rules_are_listed_with_the_law_and_its_source(api: Any) -> None:
    rules = {each["name"]: each for each in (await api("GET", RULES, "admin")).json()["items"]}
    assert set(rules) == {"drafts", "rejected", "logs", "published"}
    assert (rules["logs"]["keep_days"], rules["logs"]["minimum_days"], rules["logs"]["is_on"]) == (
        184,
        184,
        True,
    )
    assert "不少于六个月" in rules["logs"]["laws"][0]["says"]
    assert rules["logs"]["laws"][0]["certainty"] in "HML"
    assert (rules["published"]["keep_days"], rules["published"]["is_on"]) == (None, False)
    assert (rules["drafts"]["is_on"], rules["rejected"]["is_on"]) == (False, False)


async def test_rule_is_changed_only_as_it_was_seen(api: Any, is_problem: Any) -> None:
    path, order = f"{RULES}/drafts", {"keep_days": 400, "is_on": True}
    is_problem(await api("PUT", path, "admin", json=order), 428, "precondition-required")
    seen = (await api("GET", path, "admin")).headers["etag"]
    changed = await api("PUT", path, "admin", json=order, headers={"If-Match": seen})
    assert changed.status_code == 200
    assert (changed.json()["keep_days"], changed.json()["is_on"]) == (400, True)
    is_problem(await api("PUT", path, "admin", json=order, headers={"If-Match": seen}), 412, "stale-version")
    assert (await api("GET", path, "admin")).headers["etag"] == changed.headers["etag"]


@pytest.mark.parametrize(("name", "days"), [("logs", 183), ("drafts", 1), ("published", 100), ("drafts", 0)])
async def test_less_than_the_minimum_is_422_and_changes_nothing(
    api: Any, is_problem: Any, name: str, days: int
) -> None:
    before = await api("GET", f"{RULES}/{name}", "admin")
    order, headers = {"keep_days": days, "is_on": True}, {"If-Match": before.headers["etag"]}
    problem = is_problem(
        await api("PUT", f"{RULES}/{name}", "admin", json=order, headers=headers), 422, "invalid-request"
    )
    assert problem["errors"][0]["field"] == "keep_days"
    assert (await api("GET", f"{RULES}/{name}", "admin")).json() == before.json()


async def test_unknown_rule_is_404(api: Any, is_problem: Any) -> None:
    is_problem(await api("GET", f"{RULES}/everything", "admin"), 404, "not-found")
