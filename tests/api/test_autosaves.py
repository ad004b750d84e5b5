"""Unsaved work: kept without a version, recovered after a claim was lost, never on record."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from states.events import Event
from states.item import State

TYPED = {"title": "没写完的标", "body": "正文写到一", "tags": [""], "language": ""}


async def _put(api: Any, item: Any, who: str, base: int = 1, **content: Any) -> Any:
    body = {"base_revision_number": base, "content": content or TYPED}
    return await api("PUT", f"/v1/submissions/{item}/autosave", who, json=body)


async def _own(api: Any, item: Any, who: str) -> Any:
    return await api("GET", f"/v1/submissions/{item}/autosave", who)


async def _all(api: Any, item: Any, who: str) -> list[Any]:
    answer = await api("GET", f"/v1/submissions/{item}/autosaves", who)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["autosaves"])


async def test_autosave_keeps_what_was_typed_and_changes_nothing_else(api: Any) -> None:
    draft = await api.draft()
    item = draft["id"]
    kept = await _put(api, item, "writer")
    assert kept.status_code == 200, kept.text
    assert kept.json()["content"] == TYPED
    assert kept.json()["is_outdated"] is False
    assert (await _own(api, item, "writer")).json() == kept.json()
    shown = (await api("GET", f"/v1/submissions/{item}", "writer")).json()
    assert (shown["version"], shown["revision_number"]) == (1, 1)
    history = (await api("GET", f"/v1/submissions/{item}/history", "writer")).json()["events"]
    assert [each["event"] for each in history] == ["create"]


async def test_next_autosave_replaces_the_one_before(api: Any) -> None:
    item = (await api.draft())["id"]
    first = (await _put(api, item, "writer", title="一")).json()
    second = (await _put(api, item, "writer", body="二")).json()
    assert second["content"] == {"body": "二"}
    assert second["saved_at"] > first["saved_at"]
    assert len(await _all(api, item, "writer")) == 1


async def test_autosave_over_an_older_revision_says_so(api: Any) -> None:
    item = (await api.draft())["id"]
    await _put(api, item, "writer")
    patch = {"title": "别处保存的标题"}
    headers = {"If-Match": '"1"'}
    assert (
        await api("PATCH", f"/v1/submissions/{item}", "writer", json=patch, headers=headers)
    ).status_code == 200
    kept = (await _own(api, item, "writer")).json()
    assert (kept["base_revision_number"], kept["current_revision_number"], kept["is_outdated"]) == (
        1,
        2,
        True,
    )


async def test_dropped_autosave_is_gone_and_can_be_dropped_again(api: Any, is_problem: Any) -> None:
    item = (await api.draft())["id"]
    await _put(api, item, "writer")
    for _ in range(2):
        assert (await api("DELETE", f"/v1/submissions/{item}/autosave", "writer")).status_code == 204
    is_problem(await _own(api, item, "writer"), 404, "not-found")


async def test_text_of_a_holder_survives_a_force_release(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    assert (await _put(api, item, "duty", title="收回之前")).status_code == 200
    await newsroom.send(item, Event.FORCE_RELEASE, "chief", "急稿")
    assert (await _own(api, item, "duty")).json()["content"] == {"title": "收回之前"}
    late = await _put(api, item, "duty", title="收回之后才传到")
    assert late.status_code == 200, late.text
    (found,) = await _all(api, item, "head")
    assert found["person"]["display_name"] == "名 duty"
    assert found["content"] == {"title": "收回之后才传到"}


async def test_first_autosave_of_a_successor_who_lost_the_piece_is_kept(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    to = str(newsroom.people["all_reviews"].id)
    handed = await api.event(item, "hand_over", "duty", to=to)
    assert handed.status_code == 200, handed.text
    await newsroom.send(item, Event.FORCE_RELEASE, "chief", "急稿")
    assert (await _put(api, item, "all_reviews")).status_code == 200


async def test_autosave_by_somebody_who_never_had_the_piece_is_refused(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    for who in ("head", "chief", "admin", "operator"):
        document = is_problem(await _put(api, item, who), 409, "guard-refused")
        assert document["guard"] == "holds_claim"
    is_problem(await _put(api, item, "other_writer"), 404, "not-found")
    draft = (await api.draft())["id"]
    is_problem(await _put(api, draft, "duty"), 404, "not-found")


async def test_only_heads_see_the_copies_of_others(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await _put(api, item, "duty", title="编辑的")
    await _put(api, item, "writer", title="作者的")
    assert [each["content"]["title"] for each in await _all(api, item, "chief")] == ["作者的", "编辑的"]
    assert len(await _all(api, item, "head")) == 2
    assert [each["content"]["title"] for each in await _all(api, item, "writer")] == ["作者的"]
    assert [each["content"]["title"] for each in await _all(api, item, "duty")] == ["编辑的"]
    for who in ("admin", "operator"):
        assert await _all(api, item, who) == []


async def test_deputy_of_a_head_sees_the_copies_of_others(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await _put(api, item, "duty", title="编辑的")
    assert await _all(api, item, "operator") == []
    ends_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    deputy = str(newsroom.people["operator"].id)
    lent = {"deputy_id": deputy, "role": "desk_head", "ends_at": ends_at}
    assert (await api("POST", "/v1/delegations", "head", json=lent)).status_code == 201
    assert [each["content"]["title"] for each in await _all(api, item, "operator")] == ["编辑的"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_revision_number": 2},
        {"base_revision_number": 0},
        {"content": {"title": "长" * 201}},
        {"content": {"body": "长" * 200_001}},
        {"content": {"body": "\0"}},
        {"content": {"more": ""}},
        {"content": {"assets": [{"sha256": "0" * 64}] * 201}},
    ],
)
async def test_autosave_beyond_the_limits_of_a_piece_is_refused(
    api: Any, is_problem: Any, wrong: dict[str, Any]
) -> None:
    item = (await api.draft())["id"]
    body = {"base_revision_number": 1, "content": TYPED} | wrong
    answer = await api("PUT", f"/v1/submissions/{item}/autosave", "writer", json=body)
    is_problem(answer, 422, "invalid-request")


async def test_autosave_takes_every_field_of_a_change(api: Any) -> None:
    document = (await api("GET", "/openapi.json")).json()["components"]["schemas"]
    for typed, saved in (
        ("TypedContent", "SubmissionPatch"),
        ("TypedAsset", "AssetEntry"),
        ("TypedFinishing", "FinishingEntry"),
        ("TypedCrop", "CropEntry"),
        ("TypedAdaptation", "AdaptationEntry"),
    ):
        assert set(document[typed]["properties"]) == set(document[saved]["properties"])
