"""The sweep: reminders and escalations as events, once each, whoever else sweeps; nothing to do costs nothing."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy import update
from sqlmodel import col, select

from flows import sweep as module
from flows.dispatcher import dispatch
from flows.sweep import keep_sweeping, sweep
from states.events import Event
from states.item import State
from storage import timed_moves
from storage.errors import NotFound
from storage.keys import ASSETS
from storage.objects import Objects
from storage.quotas import Quotas
from storage.settings import Settings
from storage.tables import EventRow, Submission, Upload
from storage.uploads import Terms, find_upload, open_upload

pytestmark = pytest.mark.slow

TOLD = (Event.REMIND.value, Event.ESCALATE.value)


@pytest.fixture(autouse=True)
async def swept(newsroom: Any) -> None:
    """What earlier tests left is over."""
    async with newsroom.db.transaction() as session:
        await session.exec(update(Submission).values(remind_at=None, escalate_at=None))


async def _set(newsroom: Any, item: UUID, *, remind_s: float | None, escalate_s: float | None) -> datetime:
    """The times of the stage, in so many seconds from now; its deadline is that of the escalation."""
    now = datetime.now(UTC)
    due_at = now + timedelta(seconds=escalate_s or 0)
    values = {
        "remind_at": None if remind_s is None else now + timedelta(seconds=remind_s),
        "escalate_at": None if escalate_s is None else due_at,
        "due_at": due_at,
    }
    async with newsroom.db.transaction() as session:
        await session.exec(update(Submission).where(col(Submission.id) == item).values(**values))
    return due_at


async def _told(newsroom: Any, item: UUID) -> list[EventRow]:
    async with newsroom.db.transaction() as session:
        statement = (
            select(EventRow).where(col(EventRow.submission_id) == item).order_by(col(EventRow.item_seq))
        )
        return [row for row in await session.exec(statement) if row.event in TOLD]


async def test_sweep_reminds_once_then_escalates_once(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    due_at = await _set(newsroom, item, remind_s=-10, escalate_s=3)
    assert await sweep(newsroom.db) == 1
    assert await sweep(newsroom.db) == 0
    (reminded,) = await _told(newsroom, item)
    assert (reminded.event, reminded.from_state, reminded.to_state) == (
        "remind",
        "first_review",
        "first_review",
    )
    assert reminded.actor_id is None
    assert reminded.facts == {"stage": "first_review", "due_at": due_at.isoformat()}
    await asyncio.sleep(max(0.0, (due_at - datetime.now(UTC)).total_seconds()) + 0.05)
    assert await sweep(newsroom.db) == 1
    assert await sweep(newsroom.db) == 0
    assert [row.event for row in await _told(newsroom, item)] == ["remind", "escalate"]


async def test_sweep_after_a_long_pause_escalates_without_a_reminder(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    await _set(newsroom, item, remind_s=-7200, escalate_s=-3600)
    assert await sweep(newsroom.db) == 1
    assert await sweep(newsroom.db) == 0
    assert [row.event for row in await _told(newsroom, item)] == ["escalate"]


async def test_sweep_keeps_who_holds_the_piece_and_its_deadline(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    due_at = await _set(newsroom, item, remind_s=-10, escalate_s=-5)
    await sweep(newsroom.db)
    async with newsroom.db.transaction() as session:
        row = await session.get(Submission, item)
    assert row is not None
    assert (row.claimed_by, row.due_at) == (newsroom.people["duty"].id, due_at)
    assert (row.remind_at, row.escalate_at) == (None, None)


async def test_sweeps_at_once_tell_each_piece_once(newsroom: Any) -> None:
    items = [await newsroom.received() for _ in range(8)]
    for item in items:
        await _set(newsroom, item, remind_s=-10, escalate_s=600)
    made = await asyncio.gather(*(sweep(newsroom.db) for _ in range(4)))
    assert sum(made) == len(items)
    for item in items:
        assert len(await _told(newsroom, item)) == 1


async def test_sweep_goes_on_by_batches_until_nothing_is_due(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    items = [await newsroom.received() for _ in range(5)]
    for item in items:
        await _set(newsroom, item, remind_s=-10, escalate_s=600)
    assert await sweep(newsroom.db) == 5


async def test_sweep_leaves_a_piece_that_is_held_or_decided_alone(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await _set(newsroom, item, remind_s=0.2, escalate_s=0.3)
    await newsroom.send(item, Event.HOLD, "duty", reason="等核实")
    await asyncio.sleep(0.4)
    assert await sweep(newsroom.db) == 0
    assert await _told(newsroom, item) == []


async def test_sweep_with_nothing_to_do_is_one_query_on_indexes(newsroom: Any) -> None:
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    engine = newsroom.db.engine.sync_engine
    sa_event.listen(engine, "before_cursor_execute", note)
    try:
        assert await sweep(newsroom.db) == 0
    finally:
        sa_event.remove(engine, "before_cursor_execute", note)
    assert len(seen) == 1


async def test_sweep_of_a_piece_that_fails_keeps_no_other_waiting(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = await newsroom.received(), await newsroom.received()
    for item in (broken, sound):
        await _set(newsroom, item, remind_s=-10, escalate_s=600)
    real = timed_moves.advance

    async def advance(session: Any, item: UUID, *given: Any) -> Any:
        if item == broken:
            raise ValueError("an item that cannot be read")
        return await real(session, item, *given)

    monkeypatch.setattr(timed_moves, "advance", advance)
    with caplog.at_level(logging.ERROR, "sanshen.sweep"):
        assert await sweep(newsroom.db) == 1
    assert len(await _told(newsroom, sound)) == 1
    assert str(broken) in caplog.text


async def test_sweeping_goes_on_when_the_database_is_back(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    done = asyncio.Event()

    async def flaky(db: Any) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionRefusedError("the database starts")
        done.set()
        return 0

    monkeypatch.setattr(module, "sweep", flaky)
    monkeypatch.setattr(module, "_EVERY_S", 0.01)
    task = asyncio.create_task(keep_sweeping(newsroom.db))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_sweep_runs_beside_the_dispatcher_though_prefect_is_away(
    newsroom: Any, set_up: Settings
) -> None:
    item = await newsroom.received()
    await _set(newsroom, item, remind_s=-10, escalate_s=600)
    away = set_up.model_copy(update={"prefect_api_url": "http://127.0.0.1:9/api"})
    task = asyncio.create_task(dispatch(away))
    try:
        async with asyncio.timeout(20):
            while not await _told(newsroom, item):
                await asyncio.sleep(0.1)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_sweeping_ends_uploads_that_nobody_finished(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EVERY_S", 0.05)
    item = (await newsroom.draft()).id
    announced = Upload(submission_id=item, person_id=newsroom.people["writer"].id, filename="a", size_bytes=4)
    terms = Terms(Quotas(10, 10**9, 10**9, 10))
    upload, _ = await open_upload(newsroom.db, objects, newsroom.actor("writer"), announced, terms)
    async with newsroom.db.transaction() as session:
        await session.exec(update(Upload).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    task = asyncio.create_task(keep_sweeping(newsroom.db, objects))
    try:
        async with asyncio.timeout(20):
            while (await _upload(newsroom, upload)).cleaned_at is None:
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert (await _upload(newsroom, upload)).state == "expired"
    with pytest.raises(NotFound):
        await objects.list_parts(ASSETS, upload.object_key, upload.s3_upload_id)
    await newsroom.send(item, Event.SUBMIT, "writer")


async def _upload(newsroom: Any, upload: Upload) -> Upload:
    async with newsroom.db.transaction() as session:
        return await find_upload(session, upload.id)
