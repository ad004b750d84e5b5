"""The event stream over a real socket: who hears what, from where it goes on, and how it ends."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from api import stream
from api.live import Live, Told, Watcher
from api.stream import EventStream
from states.content import Content
from states.events import Event
from states.item import Request, State
from states.roles import SYSTEM
from states.submission import MOVES
from storage.advance import Change, advance
from storage.items import load_item
from storage.live import announce, tell
from storage.people import open_sign_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def address(api: Any) -> AsyncIterator[str]:
    """The application behind a socket: a client in memory would wait for the end of the answer."""
    config = uvicorn.Config(api.app, lifespan="off", log_level="warning", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server._serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


@dataclass
class Heard:
    """What a stream has brought so far."""

    events: list[tuple[str, int | None, Any]] = field(default_factory=list)  # kind, id, data
    comments: list[str] = field(default_factory=list)
    has_ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, item: UUID) -> list[tuple[str, Any]]:
        """Kind and state (or percent) of what was heard of this item."""
        return [
            (kind, data.get("state", data.get("percent")))
            for kind, _, data in self.events
            if data.get("submission_id") == str(item)
        ]

    def versions(self, item: UUID) -> list[int]:
        """The versions of this item that were heard of."""
        return [
            data["version"]
            for kind, _, data in self.events
            if kind == "item" and data["submission_id"] == str(item)
        ]

    def last_id(self) -> int:
        return max(number for _, number, _ in self.events if number is not None)

    async def until(self, is_so: Callable[[], Any]) -> None:
        async with asyncio.timeout(120):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def read(self, lines: AsyncIterator[str]) -> None:
        try:
            fields: dict[str, str] = {}
            async for line in lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    fields[name] = value
                elif "data" in fields:
                    number = int(fields["id"]) if "id" in fields else None
                    self.events.append((fields["event"], number, json.loads(fields["data"])))
                    fields = {}
                self._news.set()
        finally:
            self.has_ended = True
            self._news.set()


@pytest.fixture
def listen(api: Any, address: str) -> Any:
    """`async with listen("duty") as heard`: a stream that is open."""

    @asynccontextmanager
    async def open_stream(who: str, token: str | None = None, **headers: str) -> AsyncIterator[Heard]:
        given = {"Authorization": f"Bearer {token or api.tokens[who]}"} | headers
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            client.stream("GET", f"{address}/api/v1/stream", headers=given) as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            heard = Heard()
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("retry: ")
            reading = asyncio.create_task(heard.read(lines))
            try:
                yield heard
            finally:
                reading.cancel()
                await asyncio.wait([reading])

    return open_stream


async def test_moves_are_heard_by_those_who_see_the_piece(api: Any, newsroom: Any, listen: Any) -> None:
    async with listen("duty") as staff, listen("writer") as author, listen("other_writer") as other:
        item = (await newsroom.draft()).id
        theirs = (await newsroom.draft(author="other_writer")).id
        assert (await api.event(item, "submit", "writer")).is_success
        await newsroom.send(theirs, Event.SUBMIT, "other_writer")
        await announce(newsroom.db)
        await staff.until(lambda: staff.of(item) and staff.of(theirs))
        await author.until(lambda: ("item", "received") in author.of(item))
        await other.until(lambda: ("item", "received") in other.of(theirs))
    assert staff.of(item) == [("item", "received")]  # not the draft
    assert author.of(item) == [("item", "draft"), ("item", "received")]
    assert (author.of(theirs), other.of(item)) == ([], [])
    kind, number, data = next(each for each in staff.events if each[2]["submission_id"] == str(item))
    assert (kind, data["event"], data["from"], data["version"]) == ("item", "submit", "draft", 2)
    assert number is not None


async def test_move_by_the_api_is_heard_without_anybody_else_saying_so(api: Any, listen: Any) -> None:
    async with listen("writer") as heard:
        made = await api.draft("writer")
        await heard.until(lambda: heard.of(made["id"]))


def test_no_move_leads_back_to_where_fewer_see_the_piece() -> None:
    """So a stream need not tell anybody that they see a piece no longer."""
    assert [move for move in MOVES if move.target is State.DRAFT and move.source is not State.DRAFT] == []


async def test_stream_goes_on_after_the_last_id_with_what_was_missed(newsroom: Any, listen: Any) -> None:
    async with listen("duty") as first:
        item = await newsroom.received()
        await announce(newsroom.db)
        await first.until(lambda: len(first.of(item)) >= 2)
        last = first.last_id()
    await newsroom.send(item, Event.CLAIM, "duty")
    missed = await newsroom.received()
    async with listen("duty", **{"Last-Event-ID": str(last)}) as again:
        await again.until(lambda: ("item", "received") in again.of(missed))
        await newsroom.send(item, Event.APPROVE, "duty")
        await announce(newsroom.db)
        await again.until(lambda: ("item", "second_review") in again.of(item))
    ids = [number for _, number, _ in again.events]
    assert len(ids) == len(set(ids))
    assert [state for _, state in again.of(item)][-2:] == ["first_review", "second_review"]


async def test_client_that_missed_too_much_is_told_to_begin_anew(
    newsroom: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_MOST_MISSED", 3)
    for _ in range(3):
        await newsroom.received()
    async with listen("duty", **{"Last-Event-ID": "0"}) as heard:
        await heard.until(lambda: heard.events)
    assert heard.events[0][0] == "reset"
    assert [kind for kind, _, _ in heard.events] == ["reset"]


async def test_progress_is_heard_by_those_who_see_the_piece_and_has_no_id(newsroom: Any, listen: Any) -> None:
    item = await newsroom.received()
    async with listen("head") as staff, listen("writer") as author, listen("other_writer") as other:
        async with newsroom.db.transaction() as session:
            await tell(
                session, "progress", item, {"percent": 42, "source_sha256": "a", "profiles": ["客户端"]}
            )
        await staff.until(lambda: ("progress", 42) in staff.of(item))
        await author.until(lambda: ("progress", 42) in author.of(item))
        seen = (await newsroom.draft(author="other_writer")).id
        await announce(newsroom.db)
        await other.until(lambda: other.of(seen))
    (told,) = [each for each in staff.events if each[0] == "progress"]
    assert told[1] is None
    assert told[2] == {
        "submission_id": str(item),
        "percent": 42,
        "source_sha256": "a",
        "profiles": ["客户端"],
    }
    assert other.of(item) == []


async def test_words_that_are_too_long_to_be_told_are_refused(newsroom: Any) -> None:
    async with newsroom.db.transaction() as session:
        with pytest.raises(ValueError, match="too long"):
            await tell(session, "progress", UUID(int=1), {"profiles": ["字" * 3000]})


async def test_move_that_commits_after_a_later_one_is_heard_too_and_once(newsroom: Any, listen: Any) -> None:
    slow, fast = (await newsroom.draft()).id, (await newsroom.draft()).id
    async with listen("writer") as heard:
        async with newsroom.db.transaction() as session:
            loaded = await load_item(session, slow)
            content = Content(title="改后", body="正文。", ai_label="none", destinations=("app",))
            request = Request(newsroom.actor("writer"), loaded.row.revision_sha256)
            await advance(session, slow, Event.EDIT, request, Change(content))
            await newsroom.edit(fast, title="快")
            await announce(newsroom.db)
            await heard.until(lambda: heard.versions(fast)[-1:] == [2])
            assert 2 not in heard.versions(slow)
        await announce(newsroom.db)
        await heard.until(lambda: 2 in heard.versions(slow))
        await newsroom.edit(fast, title="再改")
        await announce(newsroom.db)
        await heard.until(lambda: 3 in heard.versions(fast))
    assert heard.versions(slow).count(2) == 1
    assert heard.versions(fast)[-2:] == [2, 3]


async def test_nobody_gets_a_stream_without_signing_in(api: Any, is_problem: Any) -> None:
    is_problem(await api("GET", "/v1/stream"), 401, "unauthenticated")


@pytest.mark.parametrize("given", ["x", "-1", "1" * 30])
async def test_last_id_that_is_none_is_refused_with_its_field(api: Any, is_problem: Any, given: str) -> None:
    answer = await api("GET", "/v1/stream", "duty", headers={"Last-Event-ID": given})
    is_problem(answer, 422, "invalid-request")


async def test_head_of_the_stream_ends(api: Any) -> None:
    answer = await api("HEAD", "/v1/stream", "duty")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_signing_out_ends_the_stream_before_anything_more_is_told(
    api: Any, newsroom: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_RECHECK_S", 0.0)
    async with newsroom.db.transaction() as session:
        token, _ = await open_sign_in(session, newsroom.people["duty"], 1)
    async with listen("duty", token) as heard:
        headers = {"Authorization": f"Bearer {token}"}
        assert (await api("DELETE", "/v1/sessions/current", headers=headers)).status_code == 204
        item = await newsroom.received()
        await announce(newsroom.db)
        await heard.until(lambda: heard.has_ended)
    assert heard.of(item) == []


async def test_sign_in_that_ran_out_ends_a_stream_in_which_nothing_happens(
    newsroom: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_RECHECK_S", 0.0)
    monkeypatch.setattr(stream, "_KEEP_ALIVE_S", 0.05)
    async with newsroom.db.transaction() as session:
        token, _ = await open_sign_in(session, newsroom.people["operator"], 1)
    async with listen("operator", token) as heard:
        await heard.until(lambda: heard.comments)
        async with newsroom.db.transaction() as session:
            past = text("UPDATE sign_in SET expires_at = now() - interval '1 s' WHERE person_id = :id")
            await (await session.connection()).execute(past, {"id": newsroom.people["operator"].id})
        await heard.until(lambda: heard.has_ended)
    assert heard.comments[0] == ": keep-alive"


async def test_process_listens_once_however_many_watch(newsroom: Any, listen: Any) -> None:
    async with listen("duty"), listen("head"), listen("chief"), newsroom.db.transaction() as session:
        count = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        assert (await (await session.connection()).execute(count)).scalar_one() == 1


async def test_server_that_stops_ends_its_streams(newsroom: Any) -> None:
    live = Live()
    async with live.watching(newsroom.db) as watcher:
        live.end_streams()
        assert watcher.is_cut_off
        async with asyncio.timeout(5):
            assert await watcher.next(60) is None  # at once, not after a minute
    async with live.watching(newsroom.db) as late:
        assert late.is_cut_off
    await live.close()


async def test_watcher_that_does_not_keep_up_is_cut_off_and_holds_nothing() -> None:
    watcher = Watcher(size=2)
    for number in range(3):
        watcher.put(Told("progress", State.RECEIVED, "a", {"percent": number}))
    assert watcher.is_cut_off
    async with asyncio.timeout(5):
        assert await watcher.next(60) is None


async def test_move_of_the_system_is_heard(newsroom: Any, listen: Any) -> None:
    item = await newsroom.received()
    async with listen("duty") as heard:
        await newsroom.send(item, Event.MEDIA_FAILED, SYSTEM, facts={"failed": []})
        await announce(newsroom.db)
        await heard.until(lambda: heard.events and heard.events[-1][2]["event"] == "media_failed")


async def test_reader_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_SLOWEST_S", 0.05)

    async def events() -> AsyncIterator[str]:
        while True:
            yield "data: x\n\n"

    sent = []

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if len(sent) == 3:
            await asyncio.sleep(3600)  # its socket is full

    with pytest.raises(TimeoutError):
        await EventStream(events()).stream_response(send)
    assert sent == ["http.response.start", "http.response.body", "http.response.body"]


async def test_stream_that_its_reader_leaves_is_forgotten(api: Any, newsroom: Any, listen: Any) -> None:
    live = api.app.state.resources.live
    before = set(live._watchers)
    async with listen("duty"), listen("head"):
        assert len(set(live._watchers) - before) == 2
    async with asyncio.timeout(120):
        while set(live._watchers) - before:
            await announce(newsroom.db)
            await asyncio.sleep(0.05)
