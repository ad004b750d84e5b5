"""Preset reasons: kept by administrators, read by staff, recorded in words with a decision."""

from typing import Any

import pytest

from states.item import State
from states.submission import MOVES

ONE = {"event": "reject", "zh": "与本地无关。", "en": "It has nothing to do with us."}


async def _list(api: Any, who: str = "duty", **wanted: Any) -> Any:
    answer = await api("GET", "/v1/preset-reasons", who, params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_seeded_reasons_are_listed_by_event_with_words_in_both_languages(api: Any) -> None:
    items = (await _list(api))["items"]
    assert len(items) >= 12
    assert [(each["event"], each["position"]) for each in items] == sorted(
        (each["event"], each["position"]) for each in items
    )
    assert all(each["zh"].strip() and each["en"].strip() for each in items)
    takes = {move.event.value for move in MOVES if "gives_reason" in move.guards}
    assert {each["event"] for each in items} <= takes
    assert {each["event"] for each in (await _list(api, event="hold"))["items"]} == {"hold"}


async def test_pages_of_reasons_have_neither_gap_nor_repeat(api: Any) -> None:
    everything = [each["id"] for each in (await _list(api))["items"]]
    seen, cursor = [], None
    while True:
        page = await _list(api, limit=5, **({"cursor": cursor} if cursor else {}))
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == everything


async def test_administrator_adds_changes_and_stops_a_reason(api: Any, is_problem: Any) -> None:
    added = await api("POST", "/v1/preset-reasons", "admin", json={"id": "far-away", **ONE, "position": 3})
    assert added.status_code == 201
    assert added.json() == {"id": "far-away", **ONE, "position": 3, "is_active": True}
    again = await api("POST", "/v1/preset-reasons", "admin", json={"id": "far-away", **ONE})
    is_problem(again, 409, "already-exists")
    path = "/v1/preset-reasons/far-away"
    new = {"zh": "改过。", "is_active": False}
    changed = await api("PATCH", path, "admin", json=new, headers=await api.seen(path))
    assert changed.json() == {"id": "far-away", **ONE, "zh": "改过。", "position": 3, "is_active": False}
    assert "far-away" not in [each["id"] for each in (await _list(api))["items"]]
    assert "far-away" in [each["id"] for each in (await _list(api, all=True))["items"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": "claim"},
        {"event": "nothing"},
        {"zh": ""},
        {"en": "x" * 201},
        {"id": "Not A Slug"},
        {"position": -1},
        {"more": 1},
    ],
)
async def test_reason_that_makes_no_sense_is_refused(
    api: Any, is_problem: Any, wrong: dict[str, Any]
) -> None:
    body = {"id": "wrong", **ONE} | wrong
    is_problem(await api("POST", "/v1/preset-reasons", "admin", json=body), 422, "invalid-request")


async def test_reasons_are_closed_to_those_without_the_role(api: Any, is_problem: Any) -> None:
    is_problem(await api("GET", "/v1/preset-reasons", "writer"), 403, "role-missing")
    for who in ("writer", "duty", "chief", "operator"):
        new = await api("POST", "/v1/preset-reasons", who, json={"id": "mine", **ONE})
        is_problem(new, 403, "role-missing")
        change = await api("PATCH", "/v1/preset-reasons/too-old", who, json={"zh": "改"})
        is_problem(change, 403, "role-missing")
    is_problem(await api("PATCH", "/v1/preset-reasons/none", "admin", json={}), 404, "not-found")


async def _last(api: Any, item: Any) -> Any:
    return (await api("GET", f"/v1/submissions/{item}/history", "chief")).json()["events"][-1]


@pytest.mark.parametrize(("free", "tail"), [(None, ""), ("见附图。", "\n见附图。"), ("  ", "")])
async def test_preset_reason_is_recorded_in_words_before_the_free_ones(
    api: Any, newsroom: Any, free: str | None, tail: str
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    given = {"revision_sha256": await newsroom.revision(item), "preset_reason_id": "facts-to-verify"}
    answer = await api.event(item, "return_for_revision", "duty", reason=free, **given)
    assert answer.status_code == 200, answer.text
    event = await _last(api, item)
    assert event["reason"] == f"事实待核：请核对人名、地名、时间和数字后再报。{tail}"
    assert event["facts"]["preset_reason"] == "facts-to-verify"


@pytest.mark.parametrize("preset", ["too-old", "no-such-reason"])
async def test_preset_reason_of_another_event_or_unknown_is_refused(
    api: Any, newsroom: Any, is_problem: Any, preset: str
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    given = {"revision_sha256": await newsroom.revision(item), "preset_reason_id": preset}
    answer = await api.event(item, "return_for_revision", "duty", reason="有理由", **given)
    document = is_problem(answer, 422, "invalid-request")
    assert document["errors"][0]["field"] == "preset_reason_id"
    assert (await _last(api, item))["event"] == "claim"


async def test_stopped_preset_reason_is_refused(api: Any, newsroom: Any, is_problem: Any) -> None:
    path = "/v1/preset-reasons/repeat"
    await api("PATCH", path, "admin", json={"is_active": False}, headers=await api.seen(path))
    item = await newsroom.in_state(State.FIRST_REVIEW)
    given = {"revision_sha256": await newsroom.revision(item), "preset_reason_id": "repeat"}
    is_problem(await api.event(item, "reject", "duty", **given), 422, "invalid-request")


async def test_changed_preset_reason_leaves_the_record_as_it_was(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    given = {"revision_sha256": await newsroom.revision(item), "preset_reason_id": "await-slot"}
    assert (await api.event(item, "hold", "duty", **given)).status_code == 200
    path = "/v1/preset-reasons/await-slot"
    await api("PATCH", path, "admin", json={"zh": "另一句话。"}, headers=await api.seen(path))
    assert (await _last(api, item))["reason"] == "版面或时段已满，待用。"
