"""Delegations over HTTP: lending, listing, ending, and what a deputy then does."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from states.events import Event
from states.item import State
from states.roles import SYSTEM


def _in(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


async def _lend(api: Any, newsroom: Any, who: str, deputy: str, **given: Any) -> Any:
    body = {"deputy_id": str(newsroom.people[deputy].id), "ends_at": _in(days=7), **given}
    return await api("POST", "/v1/delegations", who, json=body)


async def test_deputy_signs_for_the_one_who_lends_until_it_is_revoked(api: Any, newsroom: Any) -> None:
    answer = await _lend(api, newsroom, "head", "operator", role="desk_head", note="出差")
    assert answer.status_code == 201, answer.text
    lent = answer.json()
    assert lent["state"] == "active"
    assert lent["principal"]["display_name"] == "名 head"
    assert (lent["note"], lent["revoked_at"], lent["granted_by"]["id"]) == (
        "出差",
        None,
        lent["principal"]["id"],
    )
    item = (await api.draft())["id"]
    await newsroom.send(UUID(item), Event.SUBMIT, "writer")
    await newsroom.send(UUID(item), Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(UUID(item), Event.CLAIM, "duty")
    await newsroom.send(UUID(item), Event.APPROVE, "duty")
    detail = (await api("GET", f"/v1/submissions/{item}", "operator")).json()
    assert "claim" in detail["allowed_events"]
    assert (await api.event(item, "claim", "operator")).status_code == 200
    revision = detail["revision_sha256"]
    answer = await api.event(item, "approve", "operator", revision_sha256=revision)
    assert answer.status_code == 200, answer.text
    history = (await api("GET", f"/v1/submissions/{item}/history", "head")).json()["events"]
    assert history[-1]["facts"]["on_behalf_of"] == lent["principal"]["id"]

    revoked = (await api("POST", f"/v1/delegations/{lent['id']}/revoke", "head")).json()
    assert (revoked["state"], revoked["revoked_by"]["id"]) == ("revoked", lent["principal"]["id"])
    second = await newsroom.in_state(State.FIRST_REVIEW)
    await newsroom.send(second, Event.APPROVE, "duty")
    assert (await api.event(second, "claim", "operator")).status_code == 403


async def test_correspondent_who_is_a_deputy_sees_what_was_sent_in_and_no_drafts(
    api: Any, newsroom: Any
) -> None:
    draft, sent = (await api.draft())["id"], await newsroom.received()
    assert (await api("GET", f"/v1/submissions/{sent}", "other_writer")).status_code == 404
    lent = (await _lend(api, newsroom, "duty", "other_writer", role="duty_editor")).json()
    assert (await api("GET", f"/v1/submissions/{sent}", "other_writer")).status_code == 200
    assert (await api("GET", f"/v1/submissions/{draft}", "other_writer")).status_code == 404
    listed = (await api("GET", "/v1/submissions?limit=100", "other_writer")).json()["items"]
    assert str(sent) in {each["id"] for each in listed}
    assert draft not in {each["id"] for each in listed}
    await api("POST", f"/v1/delegations/{lent['id']}/revoke", "other_writer")
    assert (await api("GET", f"/v1/submissions/{sent}", "other_writer")).status_code == 404


async def test_deputy_without_roles_of_their_own_reads_what_staff_reads_while_it_is_lent(
    api: Any, newsroom: Any
) -> None:
    sent = await newsroom.received()
    paths = ("/v1/preset-reasons", "/v1/workflows", f"/v1/submissions/{sent}/runs")

    async def answers() -> list[int]:
        return [(await api("GET", path, "other_writer")).status_code for path in paths]

    assert await answers() == [403, 403, 404]
    lent = (await _lend(api, newsroom, "duty", "other_writer", role="duty_editor")).json()
    assert await answers() == [200, 200, 200]
    await api("POST", f"/v1/delegations/{lent['id']}/revoke", "duty")
    assert await answers() == [403, 403, 404]


async def test_administrator_lends_for_somebody_else_and_others_cannot(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    principal = str(newsroom.people["chief"].id)
    given = {"role": "editor_in_chief", "principal_id": principal}
    is_problem(await _lend(api, newsroom, "head", "duty", **given), 409, "delegation-refused")
    lent = (await _lend(api, newsroom, "admin", "duty", **given, starts_at=_in(days=1))).json()
    assert (lent["state"], lent["principal"]["id"]) == ("planned", principal)
    assert lent["granted_by"]["id"] == str(newsroom.people["admin"].id)


async def test_list_goes_by_page_and_shows_strangers_nothing(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    made = [
        (await _lend(api, newsroom, "all_reviews", "duty", role="desk_head")).json()["id"] for _ in range(3)
    ]
    listed, cursor = [], ""
    while cursor is not None:
        page = (
            await api("GET", f"/v1/delegations?limit=2{cursor and '&cursor=' + cursor}", "all_reviews")
        ).json()
        listed += [each["id"] for each in page["items"]]
        cursor = page["next"]
    assert listed == made[::-1]
    assert not set(made) & {
        each["id"] for each in (await api("GET", "/v1/delegations?limit=100", "writer")).json()["items"]
    }
    is_problem(await api("POST", f"/v1/delegations/{made[0]}/revoke", "writer"), 404, "not-found")
    is_problem(await api("POST", f"/v1/delegations/{uuid4()}/revoke", "admin"), 404, "not-found")
    is_problem(await api("GET", "/v1/delegations?cursor=x", "writer"), 422, "invalid-request")


@pytest.mark.parametrize(
    ("given", "status", "slug"),
    [
        ({"role": "administrator"}, 409, "delegation-refused"),
        ({"role": "duty_editor"}, 409, "delegation-refused"),
        ({"ends_at": _in(days=-1)}, 409, "delegation-refused"),
        ({"ends_at": _in(days=91)}, 409, "delegation-refused"),
        ({"ends_at": "2026-12-01T08:00:00"}, 422, "invalid-request"),
        ({"ends_at": "2026-12-01"}, 422, "invalid-request"),
        ({"ends_at": "soon"}, 422, "invalid-request"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, 422, "invalid-request"),
        ({"starts_at": "0001-01-01T00:00:00+12:00"}, 422, "invalid-request"),
        ({"note": "长" * 201}, 422, "invalid-request"),
        ({"role": "emperor"}, 422, "invalid-request"),
        ({"deputy_id": str(uuid4())}, 404, "not-found"),
        ({"deputy_id": "me"}, 422, "invalid-request"),
    ],
)
async def test_delegation_that_cannot_be_is_refused_in_words(
    api: Any, newsroom: Any, is_problem: Any, given: Any, status: int, slug: str
) -> None:
    answer = await _lend(api, newsroom, "head", "duty", **{"role": "desk_head", **given})
    document = is_problem(answer, status, slug)
    if slug == "invalid-request":
        assert "无效（" not in document["detail_zh"]
