"""Comments: where they stand, who sees them, what is on record of them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from states.events import Event
from states.item import State
from storage.comments import comment_by_id, is_as_recorded
from storage.tables import JournalRow

pytestmark = pytest.mark.slow

BODY = "桥长👨‍👩‍👧八百米，昨日通车。"


async def _comment(api: Any, item: Any, who: str = "duty", **new: Any) -> Any:
    return await api("POST", f"/v1/submissions/{item}/comments", who, json={"body": "请核对"} | new)


async def _made(api: Any, item: Any, who: str = "duty", **new: Any) -> Any:
    answer = await _comment(api, item, who, **new)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def _list(api: Any, item: Any, who: str = "writer", **wanted: Any) -> Any:
    answer = await api("GET", f"/v1/submissions/{item}/comments", who, params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _history(api: Any, item: Any) -> list[Any]:
    return list((await api("GET", f"/v1/submissions/{item}/history", "chief")).json()["events"])


async def _draft_with_files(api: Any, add_asset: Any) -> tuple[str, dict[str, str]]:
    """A draft with a picture, a video of 61.5 s, a sound, and a file that intake has not seen."""
    item = (await api.draft(body=BODY, digest="摘要"))["id"]
    passed = {"intake": "passed"}
    files = {
        "still": await add_asset(item, "图.jpg", kind="still", **passed),
        "video": await add_asset(item, "片.mp4", kind="video", probe={"duration_s": 61.5}, **passed),
        "audio": await add_asset(item, "声.wav", kind="audio", probe={"duration_s": 5.0}, **passed),
        "unseen": await add_asset(item, "未检.mp4"),
    }
    return item, {name: asset.sha256 for name, asset in files.items()}


def _text(field: str, text: str, quote: str) -> dict[str, Any]:
    start = text.index(quote)
    return {"kind": "text", "field": field, "start": start, "end": start + len(quote), "quote": quote}


async def test_comment_is_seen_at_once_by_author_and_staff(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    made = await _made(api, item, body="日期有误？")
    assert made["author"]["display_name"] == "名 duty"
    assert (made["body"], made["item_seq"], made["anchor"], made["is_current"]) == (
        "日期有误？",
        None,
        None,
        True,
    )
    assert made["revision_sha256"] == await newsroom.revision(item)
    answer = await _made(api, item, "writer", body="已改", reply_to=made["id"])
    for who in ("writer", "duty", "head", "chief", "operator"):
        assert (await _list(api, item, who))["items"] == [made, answer]


async def test_comment_apart_has_its_hash_in_the_journal(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    made = await _made(api, item)
    async with newsroom.db.transaction() as session:
        statement = select(JournalRow).where(JournalRow.subject == str(item))
        (entry,) = await session.exec(statement)
        assert is_as_recorded(await comment_by_id(session, UUID(made["id"])))
    assert (entry.action, entry.actor_id) == ("comment_made", newsroom.people["duty"].id)
    assert entry.facts == {
        "comment_id": made["id"],
        "sha256": made["sha256"],
        "revision_sha256": made["revision_sha256"],
    }
    assert "请核对" not in str(entry.facts)


async def test_comments_with_a_review_are_kept_with_its_event(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW, body=BODY)
    comments = [
        {"body": "数字待核", "anchor": _text("body", BODY, "八百米")},
        {"preset_reason_id": "facts-to-verify"},
    ]
    given = {"revision_sha256": await newsroom.revision(item), "reason": "见批注", "comments": comments}
    answer = await api.event(item, "return_for_revision", "duty", **given)
    assert answer.status_code == 200, answer.text
    items = (await _list(api, item))["items"]
    last = (await _history(api, item))[-1]
    assert last["facts"]["comments"] == [each["sha256"] for each in items]
    assert [each["item_seq"] for each in items] == [last["item_seq"]] * 2
    assert [each["body"] for each in items] == ["数字待核", "事实待核：请核对人名、地名、时间和数字后再报。"]
    assert items[0]["anchor"] == comments[0]["anchor"]
    async with newsroom.db.transaction() as session:
        statement = select(JournalRow).where(JournalRow.subject == str(item))
        assert list(await session.exec(statement)) == []  # on record with the event alone


async def test_refused_review_keeps_no_comment(api: Any, newsroom: Any, is_problem: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    old = await newsroom.revision(item)
    comments = [{"body": "好"}]
    refused = await api.event(item, "reject", "duty", revision_sha256=old, comments=comments)
    is_problem(refused, 409, "guard-refused")  # no reason
    await newsroom.edit(item, "duty", body="改过")
    stale = await api.event(item, "reject", "duty", revision_sha256=old, reason="x", comments=comments)
    assert stale.status_code == 409, stale.text
    assert (await _list(api, item))["items"] == []


async def test_review_with_a_comment_that_does_not_fit_is_not_made(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW, body=BODY)
    wrong = {"body": "?", "anchor": _text("body", BODY, "八百米") | {"start": 0}}
    given = {"revision_sha256": await newsroom.revision(item), "comments": [{"body": "好"}, wrong]}
    document = is_problem(await api.event(item, "approve", "duty", **given), 422, "invalid-request")
    assert document["errors"][0]["field"] == "comments.1.anchor.quote"
    assert (await _history(api, item))[-1]["event"] == "claim"
    assert (await _list(api, item))["items"] == []


async def test_batch_keeps_the_comments_of_each_item(api: Any, newsroom: Any) -> None:
    good, bad = [await newsroom.in_state(State.FIRST_REVIEW) for _ in range(2)]
    items = [
        {
            "submission_id": str(item),
            "event": "hold",
            "revision_sha256": await newsroom.revision(item),
            "preset_reason_id": preset,
            "comments": [{"body": "等版面"}],
        }
        for item, preset in ((good, "await-slot"), (bad, "too-old"))
    ]
    results = (await api("POST", "/v1/events:batch", "duty", json={"items": items})).json()["results"]
    assert [each["status"] for each in results] == [200, 422]
    assert [each["body"] for each in (await _list(api, good))["items"]] == ["等版面"]
    assert (await _list(api, bad))["items"] == []


async def test_text_anchor_counts_code_points(api: Any, add_asset: Any) -> None:
    item, _ = await _draft_with_files(api, add_asset)
    for field, text, quote in (
        ("body", BODY, "八百米"),
        ("title", "新桥通车", "通车"),
        ("digest", "摘要", "摘要"),
    ):
        anchor = _text(field, text, quote)
        assert (await _made(api, item, "writer", anchor=anchor))["anchor"] == anchor
    assert _text("body", BODY, "八百米")["start"] == 7  # five for the family, which is one emoji


@pytest.mark.parametrize(
    "change",
    [
        {"start": 1},
        {"end": 9},
        {"quote": "桥短"},
        {"field": "title"},
        {"start": 500, "end": 502},
        {"start": 2, "end": 2},
    ],
)
async def test_text_anchor_that_quotes_something_else_is_refused(
    api: Any, is_problem: Any, change: dict[str, Any]
) -> None:
    item = (await api.draft(body=BODY))["id"]
    anchor = _text("body", BODY, "桥长") | change
    document = is_problem(await _comment(api, item, "writer", anchor=anchor), 422, "invalid-request")
    assert document["errors"][0]["field"] == "anchor.quote"


async def test_region_and_time_anchors_are_kept_as_given(api: Any, add_asset: Any) -> None:
    item, files = await _draft_with_files(api, add_asset)
    anchors = [
        {"kind": "region", "asset_sha256": files["still"], "x": 0, "y": 9999, "width": 10000, "height": 1},
        {"kind": "time", "asset_sha256": files["video"], "at": {"num": 100100, "den": 30000}},
        {
            "kind": "time",
            "asset_sha256": files["audio"],
            "at": {"num": 0, "den": 1},
            "until": {"num": 5, "den": 1},
        },
    ]
    for anchor in anchors:
        assert (await _made(api, item, "writer", anchor=anchor))["anchor"] == anchor


@pytest.mark.parametrize(
    ("file", "change", "field"),
    [
        ("video", {"at": {"num": 123001, "den": 2000}}, "anchor.at"),
        ("audio", {"until": {"num": 6, "den": 1}}, "anchor.until"),
        ("audio", {"until": {"num": 1, "den": 1}}, "anchor.until"),
        ("still", {}, "anchor.asset_sha256"),
        ("unseen", {}, "anchor.asset_sha256"),
        ("audio", {"asset_sha256": "0" * 64}, "anchor.asset_sha256"),
        ("audio", {"at": {"num": 1, "den": 0}}, "anchor.time.at.den"),
        ("audio", {"at": {"num": -1, "den": 1}}, "anchor.time.at.num"),
        ("audio", {"at": 1.5}, "anchor.time.at"),
        ("audio", {"kind": "moment"}, "anchor"),
    ],
)
async def test_time_anchor_that_does_not_fit_its_file_is_refused(
    api: Any, add_asset: Any, is_problem: Any, file: str, change: dict[str, Any], field: str
) -> None:
    item, files = await _draft_with_files(api, add_asset)
    anchor = {"kind": "time", "asset_sha256": files[file], "at": {"num": 1, "den": 1}} | change
    document = is_problem(await _comment(api, item, "writer", anchor=anchor), 422, "invalid-request")
    assert document["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("video", {}),
        ("still", {"x": 9001}),
        ("still", {"height": 0}),
        ("still", {"width": 10001}),
        ("still", {"y": -1}),
        ("still", {"x": 0.5}),
    ],
)
async def test_region_anchor_that_does_not_fit_its_picture_is_refused(
    api: Any, add_asset: Any, is_problem: Any, file: str, change: dict[str, Any]
) -> None:
    item, files = await _draft_with_files(api, add_asset)
    anchor = {"kind": "region", "asset_sha256": files[file], "x": 0, "y": 0, "width": 1000, "height": 10}
    is_problem(await _comment(api, item, "writer", anchor=anchor | change), 422, "invalid-request")


async def test_file_taken_out_of_the_piece_is_commented_on_in_its_old_revision_only(
    api: Any, add_asset: Any, newsroom: Any, is_problem: Any
) -> None:
    item, files = await _draft_with_files(api, add_asset)
    old = await newsroom.revision(UUID(item))
    await newsroom.edit(UUID(item), assets=())
    anchor = {"kind": "time", "asset_sha256": files["video"], "at": {"num": 1, "den": 1}}
    is_problem(await _comment(api, item, "writer", anchor=anchor), 422, "invalid-request")
    made = await _made(api, item, "writer", anchor=anchor, revision_sha256=old)
    assert made["is_current"] is False


async def test_comment_is_on_the_current_revision_unless_it_names_another(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW, title="旧标题")
    old = await newsroom.revision(item)
    await newsroom.edit(item, "duty", title="新标题")
    current = await newsroom.revision(item)
    assert (await _made(api, item))["revision_sha256"] == current
    anchor = {"kind": "text", "field": "title", "start": 0, "end": 3, "quote": "旧标题"}
    is_problem(await _comment(api, item, anchor=anchor), 422, "invalid-request")
    assert (await _made(api, item, anchor=anchor, revision_sha256=old))["is_current"] is False
    document = is_problem(await _comment(api, item, revision_sha256="0" * 64), 422, "invalid-request")
    assert document["errors"][0]["field"] == "revision_sha256"


async def test_reply_to_a_comment_elsewhere_is_refused(api: Any, newsroom: Any, is_problem: Any) -> None:
    item, other = [await newsroom.in_state(State.FIRST_REVIEW) for _ in range(2)]
    elsewhere = (await _made(api, other))["id"]
    for reply_to in (elsewhere, str(uuid4())):
        document = is_problem(await _comment(api, item, reply_to=reply_to), 422, "invalid-request")
        assert document["errors"][0]["field"] == "reply_to"


async def test_resolved_comment_names_who_did_so_first(api: Any, newsroom: Any, is_problem: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    made, other = await _made(api, item), await _made(api, item)
    path = f"/v1/comments/{made['id']}/resolve"
    first = (await api("POST", path, "writer")).json()
    assert first["resolved_by"]["display_name"] == "名 writer"
    assert first["resolved_at"] > made["at"]
    assert (await api("POST", path, "duty")).json() == first
    assert (await _list(api, item, open=True))["items"] == [other]
    assert (await _list(api, item))["items"] == [first, other]
    for who in ("other_writer",):
        is_problem(await api("POST", path, who), 404, "not-found")
    is_problem(await api("POST", f"/v1/comments/{uuid4()}/resolve", "duty"), 404, "not-found")


async def test_pages_of_comments_have_neither_gap_nor_repeat(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    made = [(await _made(api, item, body=str(n)))["body"] for n in range(5)]
    seen, cursor = [], None
    while True:
        page = await _list(api, item, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [each["body"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made
    wrong = await api("GET", f"/v1/submissions/{item}/comments", "duty", params={"cursor": "x"})
    is_problem(wrong, 422, "invalid-request")


@pytest.mark.parametrize("body", [None, "", "  ", "长" * 2001, "\0"])
async def test_comment_that_says_nothing_or_too_much_is_refused(
    api: Any, is_problem: Any, body: str | None
) -> None:
    item = (await api.draft())["id"]
    is_problem(await _comment(api, item, "writer", body=body), 422, "invalid-request")


async def test_comments_on_what_may_not_be_seen_are_not_found(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    draft = (await api.draft())["id"]
    sent = await newsroom.in_state(State.FIRST_REVIEW)
    for item, who in ((draft, "duty"), (draft, "other_writer"), (sent, "other_writer"), (uuid4(), "duty")):
        is_problem(await _comment(api, item, who), 404, "not-found")
        is_problem(await api("GET", f"/v1/submissions/{item}/comments", who), 404, "not-found")
    order = {"comments": [{"body": "?"}], "revision_sha256": "0" * 64}
    is_problem(await api.event(draft, "claim", "duty", **order), 404, "not-found")


async def test_comment_makes_no_event_and_no_version(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    before = len(await _history(api, item))
    await _made(api, item)
    assert len(await _history(api, item)) == before
    moved = await newsroom.send(item, Event.APPROVE, "duty")
    assert moved.version == before + 1
