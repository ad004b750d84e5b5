"""Reads for an audit: who approved what, from where, having seen what; as pages and as files; and the journal."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from api.audit_files import as_csv
from api.schemas.audit import ApprovalShown
from states.events import Event
from states.item import State
from states.roles import SYSTEM
from storage import audit
from storage.people import actor_by_id

pytestmark = pytest.mark.slow

NAME = '=HYPERLINK("http://evil.example.org","点这里")'


async def _approvals(api: Any, who: str = "admin", **query: Any) -> list[dict[str, Any]]:
    """Every page of the list."""
    found, cursor = [], None
    while True:
        asked = {key.rstrip("_"): value for key, value in query.items()} | (
            {"cursor": cursor} if cursor else {}
        )
        answer = await api("GET", f"/v1/audit/approvals?{urlencode(asked)}", who)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


async def _signed_over_http(api: Any, newsroom: Any, **content: Any) -> str:
    """A piece that the three reviewers signed, each by a request of their own."""
    item: str = (await api.draft(**content))["id"]
    await newsroom.send(UUID(item), Event.SUBMIT, "writer")
    await newsroom.send(UUID(item), Event.INTAKE_PASSED, SYSTEM)
    for who in ("duty", "head", "chief"):
        assert (await api.event(item, "claim", who)).status_code == 200
        if who == "chief":
            await newsroom.media_ready(UUID(item))
        revision = (await api("GET", f"/v1/submissions/{item}", who)).json()["revision_sha256"]
        answer = await api.event(item, "approve", who, revision_sha256=revision, comment="已核对")
        assert answer.status_code == 200, answer.text
    return item


@pytest.fixture(scope="module")
async def signed(api: Any, newsroom: Any) -> str:
    return await _signed_over_http(api, newsroom, column="要闻", title=NAME)


async def test_approval_says_who_when_from_where_at_which_stage_and_on_what(
    api: Any, newsroom: Any, signed: str
) -> None:
    found = await _approvals(api, submission=signed)
    assert [each["stage"] for each in found] == ["final_review", "second_review", "first_review"]
    assert [each["person"]["display_name"] for each in found] == ["名 chief", "名 head", "名 duty"]
    detail = (await api("GET", f"/v1/submissions/{signed}", "chief")).json()
    history = (await api("GET", f"/v1/submissions/{signed}/history", "chief")).json()["events"]
    for each in found:
        assert each["address"] == "192.0.2.7"
        assert (each["on_behalf_of"], each["confirmed_by"], each["delegation_id"]) == (None, None, None)
        event = history[each["item_seq"] - 1]
        assert (event["hash"], event["event"], event["at"]) == (each["event_hash"], "approve", each["at"])
        seen = each["seen"]
        assert seen["revision_sha256"] == detail["revision_sha256"]
        assert (seen["title"], seen["column"]) == (NAME, "要闻")
        content = (await api("GET", seen["url"].removeprefix("/api"), "chief")).json()
        assert (content["number"], content["sha256"]) == (seen["revision_number"], seen["revision_sha256"])
    assert [each["seen"]["manifest_sha256"] is None for each in found] == [False, True, True]


async def test_approval_names_the_files_that_were_seen(api: Any, newsroom: Any, add_asset: Any) -> None:
    item = (await api.draft(body="有图"))["id"]
    sha256s = [(await add_asset(item, name)).sha256 for name in ("a.jpg", "b.jpg")]
    await newsroom.send(UUID(item), Event.SUBMIT, "writer")
    await newsroom.send(UUID(item), Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(UUID(item), Event.CLAIM, "duty")
    await newsroom.send(UUID(item), Event.APPROVE, "duty")
    [found] = await _approvals(api, submission=item)
    assert found["seen"]["asset_sha256s"] == sha256s


async def test_approval_is_shown_with_the_revision_that_was_seen_not_the_latest(
    api: Any, newsroom: Any
) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW, title="原题", column="甲")
    await newsroom.send(item, Event.RETURN_FOR_REVISION, "head", reason="改题")
    await newsroom.edit(item, title="新题", column="乙")
    [found] = await _approvals(api, submission=str(item))
    assert (found["seen"]["revision_number"], found["seen"]["title"], found["seen"]["column"]) == (
        1,
        "原题",
        "甲",
    )
    assert [each["submission_id"] for each in await _approvals(api, column="甲")] == [str(item)]
    assert await _approvals(api, column="乙") == []


async def test_filters_by_person_time_column_and_stage(api: Any, newsroom: Any, signed: str) -> None:
    duty = str(newsroom.people["duty"].id)
    by_duty = await _approvals(api, person=duty)
    assert by_duty
    assert {each["person"]["id"] for each in by_duty} == {duty}
    assert {each["stage"] for each in await _approvals(api, stage="second_review")} == {"second_review"}
    assert {each["submission_id"] for each in await _approvals(api, column="要闻")} == {signed}
    every = await _approvals(api)
    middle = every[len(every) // 2]["at"]
    later, earlier = await _approvals(api, from_=middle), await _approvals(api, to=middle)
    assert later + earlier == every
    beijing = datetime.fromisoformat(middle).astimezone(UTC) + timedelta(hours=8)
    same = beijing.replace(tzinfo=None).isoformat() + "+08:00"
    assert await _approvals(api, from_=same) == later


async def test_pages_give_every_approval_once(api: Any, signed: str) -> None:
    assert await _approvals(api, limit=1) == await _approvals(api, limit=100)


async def test_person_is_found_by_what_was_signed_for_them_and_what_they_confirmed(
    api: Any, newsroom: Any
) -> None:
    head, operator = newsroom.people["head"], newsroom.people["operator"]
    ends_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"deputy_id": str(operator.id), "role": "desk_head", "ends_at": ends_at}
    lent = (await api("POST", "/v1/delegations", "head", json=body)).json()
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await newsroom.send(item, Event.APPROVE, "duty")
    async with newsroom.db.transaction() as session:
        deputy = await actor_by_id(session, operator.id)
    await newsroom.send(item, Event.CLAIM, deputy)
    await newsroom.send(item, Event.APPROVE, deputy)
    for person in (head, operator):
        found = (await _approvals(api, person=str(person.id), submission=str(item)))[0]
        assert found["person"]["id"] == str(operator.id)
        assert found["on_behalf_of"]["display_name"] == "名 head"
        assert found["delegation_id"] == lent["id"]


async def test_erased_address_is_gone_and_the_approval_stays(api: Any, newsroom: Any, owner_db: Any) -> None:
    item = await _signed_over_http(api, newsroom, title="要抹去地址")
    async with owner_db.transaction() as session:
        connection = await (await session.connection()).get_raw_connection()
        await connection.driver_connection.execute(
            "UPDATE disclosure SET opened = opened - 'address' WHERE submission_id = $1", UUID(item)
        )
    assert [each["address"] for each in await _approvals(api, submission=item)] == [None] * 3


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


async def test_csv_opens_in_a_chinese_office_and_runs_no_formula(
    api: Any, newsroom: Any, signed: str
) -> None:
    answer = await api("GET", f"/v1/audit/approvals.csv?submission={signed}", "chief")
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'attachment; filename="approvals-' in answer.headers["content-disposition"]
    lines = answer.content.removeprefix(b"\xef\xbb\xbf").split(b"\r\n")
    assert len(lines) == 5
    assert lines[-1] == b""
    assert b"\n" not in b"".join(lines)
    rows, shown = _rows(answer.text), await _approvals(api, submission=signed)
    assert [row["event_hash"] for row in rows] == [each["event_hash"] for each in shown]
    for row, each in zip(rows, shown, strict=True):
        assert row["title"] == f"'{NAME}"
        assert row["person"] == each["person"]["display_name"]
        assert row["person_id"] == each["person"]["id"]
        assert row["revision_sha256"] == each["seen"]["revision_sha256"]
        assert row["manifest_sha256"] == (each["seen"]["manifest_sha256"] or "")
        assert datetime.fromisoformat(row["at"]) == datetime.fromisoformat(each["at"])


@pytest.mark.parametrize(
    "begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "\u3000@"]
)
async def test_cell_that_a_table_program_would_run_is_text(begins: str) -> None:
    shown = ApprovalShown.model_validate(_example(f"{begins}1+1"))

    async def pages() -> AsyncIterator[list[ApprovalShown]]:
        yield [shown]

    [row] = _rows("".join([part async for part in as_csv(pages())]))
    assert row["title"] == f"'{begins}1+1"


def _example(title: str) -> dict[str, Any]:
    person = {"id": "0191d3a0-0000-7000-8000-000000000001", "display_name": "甲"}
    return {
        "at": "2026-05-04T09:00:00Z",
        "submission_id": person["id"],
        "stage": "first_review",
        "review_round": 1,
        "person": person,
        "on_behalf_of": None,
        "delegation_id": None,
        "confirmed_by": None,
        "address": None,
        "seen": {
            "revision_number": 1,
            "revision_sha256": "0" * 64,
            "url": "/",
            "title": title,
            "column": None,
            "asset_sha256s": [],
            "manifest_sha256": None,
            "renditions": [],
        },
        "item_seq": 3,
        "event_hash": "0" * 64,
    }


@pytest.mark.parametrize("page", [1, 2, 500])
async def test_json_export_has_every_page(
    api: Any, signed: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_PAGE", page)
    answer = await api("GET", "/v1/audit/approvals.json", "admin")
    document = json.loads(answer.content)
    assert document["approvals"] == await _approvals(api)
    assert document["count"] == len(document["approvals"])
    assert document["filter"].keys() == {"before"}
    table = (await api("GET", "/v1/audit/approvals.csv", "admin")).text
    assert [row["event_hash"] for row in _rows(table)] == [
        each["event_hash"] for each in document["approvals"]
    ]


async def test_export_of_nothing_is_whole(api: Any) -> None:
    for ending in ("json", "csv"):
        answer = await api("GET", f"/v1/audit/approvals.{ending}?column=没有的栏目", "admin")
        assert answer.status_code == 200
        if ending == "json":
            assert answer.json()["approvals"] == []
        else:
            assert _rows(answer.text) == []


async def _journal(api: Any, **query: Any) -> list[dict[str, Any]]:
    answer = await api("GET", f"/v1/audit/journal?{urlencode(query)}", "admin")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_every_export_is_on_record_with_its_filter_and_count(
    api: Any, newsroom: Any, signed: str
) -> None:
    chief = newsroom.people["chief"].id
    before = len(await _journal(api, action="exported", limit=100))
    await api("GET", f"/v1/audit/approvals.csv?submission={signed}&stage=first_review", "chief")
    entries = await _journal(api, action="exported", limit=100)
    assert len(entries) == before + 1
    assert (entries[0]["subject"], entries[0]["actor"]["id"]) == ("approvals.csv", str(chief))
    assert entries[0]["facts"]["count"] == 1
    asked = entries[0]["facts"]["filter"]
    assert (asked["submission_id"], asked["stage"]) == (signed, "first_review")


@pytest.mark.parametrize("path", ["approvals", "approvals.csv", "approvals.json", "journal"])
async def test_audit_is_for_administrators_and_the_editor_in_chief(
    api: Any, is_problem: Any, path: str
) -> None:
    for who in ("writer", "duty", "head", "operator"):
        document = is_problem(await api("GET", f"/v1/audit/{path}", who), 403, "role-missing")
        assert document["roles"] == ["administrator", "editor_in_chief"]
    for who in ("admin", "chief", "all_reviews"):
        assert (await api("GET", f"/v1/audit/{path}", who)).status_code == 200
    is_problem(await api("GET", f"/v1/audit/{path}"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-01-01",
        "from=2026-01-01T00:00:00",
        "from=2026-01-01T00:00:00+08:00",  # the + is a blank in an address
        "to=0001-01-01T00:00:00Z",
        "to=yesterday",
        "person=me",
        "submission=1",
        "cursor=x",
        "cursor=" + "A" * 40,
        "limit=0",
        "limit=101",
        "column=%00",
    ],
)
async def test_filter_that_cannot_be_is_refused_in_words(api: Any, is_problem: Any, query: str) -> None:
    document = is_problem(await api("GET", f"/v1/audit/approvals?{query}", "admin"), 422, "invalid-request")
    assert "无效（" not in document["detail_zh"]


async def test_journal_goes_by_page_action_actor_and_time(api: Any, newsroom: Any, signed: str) -> None:
    for _ in range(3):
        await api("GET", "/v1/audit/approvals.json?column=x", "admin")
    admin = str(newsroom.people["admin"].id)
    every = await _journal(api, actor=admin, action="exported", limit=100)
    assert len(every) >= 3
    first = (await api("GET", f"/v1/audit/journal?actor={admin}&action=exported&limit=2", "chief")).json()
    rest = await _journal(api, actor=admin, action="exported", limit=100, cursor=first["next"])
    assert first["items"] + rest == every
    at = every[1]["at"]
    assert await _journal(api, actor=admin, action="exported", limit=100, to=at) == every[2:]
    assert await _journal(api, actor=admin, action="exported", limit=100, **{"from": at}) == every[:2]
    assert await _journal(api, subject="nothing of this name") == []


READS = ("", "/history", "/revisions", "/revisions/1", "/renditions", "/deliveries", "/runs")


@pytest.mark.parametrize("path", READS)
async def test_read_of_a_draft_by_an_administrator_is_itself_recorded(
    api: Any, newsroom: Any, path: str
) -> None:
    draft = await api.draft()
    answer = await api("GET", f"/v1/submissions/{draft['id']}{path}", "admin")
    assert answer.status_code == 200, answer.text
    [entry] = await _journal(api, action="draft_read", subject=draft["id"])
    assert entry["actor"]["id"] == str(newsroom.people["admin"].id)
    assert entry["facts"] == {"version": 1, "revision_sha256": draft["revision_sha256"]}
    await api("GET", f"/v1/submissions/{draft['id']}{path}", "admin")
    assert len(await _journal(api, action="draft_read", subject=draft["id"])) == 2


async def test_draft_stays_out_of_an_administrators_lists_and_out_of_everybody_elses_sight(
    api: Any, is_problem: Any
) -> None:
    draft = (await api.draft())["id"]
    listed = (await api("GET", "/v1/submissions?limit=100", "admin")).json()["items"]
    assert draft not in {each["id"] for each in listed}
    for who in ("other_writer", "duty", "head", "chief", "operator", "all_reviews"):
        for path in READS:
            is_problem(await api("GET", f"/v1/submissions/{draft}{path}", who), 404, "not-found")
    assert await _journal(api, action="draft_read", subject=draft) == []


async def test_read_by_its_author_and_of_what_was_sent_in_is_not_recorded(api: Any, newsroom: Any) -> None:
    draft, sent = (await api.draft())["id"], str(await newsroom.received())
    await api("GET", f"/v1/submissions/{draft}", "writer")
    await api("GET", f"/v1/submissions/{sent}", "admin")
    for item in (draft, sent):
        assert await _journal(api, action="draft_read", subject=item) == []


async def test_administrator_reads_a_draft_and_changes_nothing(api: Any, is_problem: Any) -> None:
    draft = (await api.draft())["id"]
    headers = {"If-Match": '"1"'}
    for event in ("submit", "withdraw"):
        assert (await api.event(draft, event, "admin")).status_code in (403, 409)
    changed = await api("PATCH", f"/v1/submissions/{draft}", "admin", json={"title": "改"}, headers=headers)
    assert changed.status_code in (403, 409)
    assert (await api("GET", f"/v1/submissions/{draft}", "writer")).json()["version"] == 1
