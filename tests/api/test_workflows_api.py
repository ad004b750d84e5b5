"""Workflows over HTTP: staff read them, administrators publish them, and every fault is named."""

from copy import deepcopy
from typing import Any

import pytest

from api.schemas.workflows import WorkflowOrder
from storage.people import add_person
from storage.tables import Person

EXAMPLE: dict[str, Any] = WorkflowOrder.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index,call-overload,assignment]


def _order(column: str | None, **given: Any) -> dict[str, Any]:
    return deepcopy(EXAMPLE) | {"column": column} | given


@pytest.fixture(scope="module", autouse=True)
async def _second_duty_editor(newsroom: Any) -> None:
    """The example is signed twice at the first review, and takes two desk heads."""
    async with newsroom.db.transaction() as session:
        person = Person(username="duty2", display_name="二", password_hash="-", roles=["duty_editor"])
        await add_person(session, person)


async def test_published_workflow_is_in_force_for_its_column(api: Any) -> None:
    before = (await api("GET", "/v1/columns/要闻/workflow", "duty")).json()
    assert (before["column"], before["number"], before["created_by"]) == (None, 1, None)
    answer = await api("POST", "/v1/workflows", "admin", json=_order("要闻"))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["column"], made["number"], made["start"]) == ("要闻", 1, "first_review")
    assert [stage["key"] for stage in made["stages"]] == [
        "first_review",
        "second_review",
        "legal",
        "final_review",
    ]
    assert made["stages"][0]["signatures"] == 2
    assert made["created_by"]["display_name"] == "名 admin"
    for path in (answer.headers["location"], f"/v1/workflows/{made['id']}", "/v1/columns/要闻/workflow"):
        assert (await api("GET", path, "operator")).json() == made
    listed = (await api("GET", "/v1/workflows", "chief")).json()
    assert listed[0]["column"] is None
    assert made in listed


async def test_older_version_can_still_be_read(api: Any) -> None:
    first, second = [
        (await api("POST", "/v1/workflows", "admin", json=_order("旧栏目"))).json() for _ in range(2)
    ]
    assert second["number"] == 2
    assert (await api("GET", f"/v1/workflows/{first['id']}", "admin")).json() == first
    assert [each["id"] for each in (await api("GET", "/v1/workflows", "admin")).json()].count(
        first["id"]
    ) == 0


async def test_workflow_with_faults_is_refused_with_every_one_in_both_languages(
    api: Any, is_problem: Any
) -> None:
    stages = deepcopy(EXAMPLE["stages"])
    stages[0] |= {"signatures": 0, "next": "nowhere"}
    stages[2] |= {"role": "operator", "deadline": {"ordinary_min": 0, "fast_track_min": 1}}
    document = is_problem(
        await api("POST", "/v1/workflows", "admin", json=_order("坏栏目", stages=stages)),
        422,
        "workflow-invalid",
    )
    found = {(fault["code"], fault["stage"]) for fault in document["faults"]}
    assert found == {
        ("signatures-out-of-range", "first_review"),
        ("next-unknown", "first_review"),
        ("review-skipped", "second_review"),
        ("review-skipped", "final_review"),
        ("unreachable", "legal"),
        ("role-not-editor", "legal"),
        ("deadline-not-positive", "legal"),
    }
    for fault in document["faults"]:
        assert fault["zh"] in document["detail_zh"]
        assert fault["en"] in document["detail_en"]
    assert (await api("GET", "/v1/columns/坏栏目/workflow", "admin")).json()["column"] is None


@pytest.mark.parametrize("who", ["writer", "duty", "head", "chief", "operator"])
async def test_workflow_is_published_by_administrators_alone(api: Any, is_problem: Any, who: str) -> None:
    answer = await api("POST", "/v1/workflows", who, json=_order("要闻"))
    assert is_problem(answer, 403, "role-missing")["roles"] == ["administrator"]


async def test_workflows_are_for_staff(api: Any, is_problem: Any) -> None:
    for path in ("/v1/workflows", "/v1/workflows/1", "/v1/columns/要闻/workflow"):
        is_problem(await api("GET", path, "writer"), 403, "role-missing")
        is_problem(await api("GET", path), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/workflows/999999", 404),
        ("/v1/workflows/0", 404),
        ("/v1/workflows/x", 404),
        ("/v1/workflows/-1", 404),
    ],
)
async def test_unknown_workflow_is_not_found(api: Any, is_problem: Any, path: str, status: int) -> None:
    is_problem(await api("GET", path, "admin"), status, "not-found")


@pytest.mark.parametrize(
    "given",
    [
        {"stages": "all"},
        {"stages": [{}]},
        {"stages": [{**EXAMPLE["stages"][0], "state": "approved"}]},
        {"stages": [{**EXAMPLE["stages"][0], "role": "king"}]},
        {"stages": [{**EXAMPLE["stages"][0], "signatures": 10**30}]},
        {"stages": [{**EXAMPLE["stages"][0], "key": "\u0000"}]},
        {"stages": [{**EXAMPLE["stages"][0], "label": {"zh": "", "en": "x"}}]},
        {"stages": [EXAMPLE["stages"][0]] * 21},
        {"start": None},
        {"column": " "},
        {"more": 1},
    ],
)
async def test_body_that_is_no_workflow_is_an_invalid_request(api: Any, is_problem: Any, given: Any) -> None:
    is_problem(
        await api("POST", "/v1/workflows", "admin", json={**_order("要闻"), **given}), 422, "invalid-request"
    )


async def test_workflow_without_stages_names_what_is_missing(api: Any, is_problem: Any) -> None:
    answer = await api("POST", "/v1/workflows", "admin", json=_order("空", stages=[]))
    codes = [fault["code"] for fault in is_problem(answer, 422, "workflow-invalid")["faults"]]
    assert codes == ["start-unknown", "review-missing", "review-missing", "review-missing"]
