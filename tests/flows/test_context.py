"""One attempt at one piece of work: its lease, its fence, and what becomes of the row by how it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import InterfaceError
from sqlmodel.ext.asyncio.session import AsyncSession

from flows import context
from flows.context import NotYet, Work, backoff_s, working
from states.events import Effect, Event
from states.item import State
from storage import outbox
from storage.errors import Conflict, LeaseLost
from storage.outbox import Fence
from storage.tables import OutboxRow, Submission

pytestmark = pytest.mark.slow


@pytest.fixture
async def fence(desk: Any, newsroom: Any) -> Fence:
    item = (await newsroom.draft()).id
    return (await desk.work(Effect.INTAKE, item)).fence


async def _attempt(fence: Fence, body: Callable[[Work], Awaitable[None]]) -> None:
    async with working(fence.outbox_id, fence.attempt) as work:
        await body(work)


def _failing(error: Exception) -> Callable[[Work], Awaitable[None]]:
    async def body(_: Work) -> None:
        raise error

    return body


def _wait_s(row: OutboxRow) -> float:
    return (row.available_at - datetime.now(UTC)).total_seconds()


async def test_work_that_ends_normally_finishes_the_row(desk: Any, fence: Fence) -> None:
    async with working(fence.outbox_id, fence.attempt):
        assert (await desk.row(fence.outbox_id)).started_at is not None
    row = await desk.row(fence.outbox_id)
    assert row.finished_at is not None
    assert (row.leased_until, row.has_failed, row.last_error) == (None, False, None)


async def test_not_yet_gives_the_row_back_after_its_delay(desk: Any, fence: Fence) -> None:
    with pytest.raises(NotYet):
        await _attempt(fence, _failing(NotYet("they are closed", 90)))
    row = await desk.row(fence.outbox_id)
    assert (row.leased_until, row.finished_at, row.last_error) == (None, None, "they are closed")
    assert 85 < _wait_s(row) <= 91


async def test_error_gives_the_row_back_with_a_growing_delay(desk: Any, fence: Fence) -> None:
    await desk.change(OutboxRow, fence.outbox_id, attempt=3)
    with pytest.raises(ValueError, match="broken"):
        await _attempt(Fence(fence.outbox_id, 3), _failing(ValueError("broken")))
    row = await desk.row(fence.outbox_id)
    assert (row.leased_until, row.finished_at, row.last_error) == (None, None, "ValueError: broken")
    assert 6 < _wait_s(row) <= 8.5


def test_delays_grow_up_to_five_minutes() -> None:
    assert [backoff_s(attempt) for attempt in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert backoff_s(40) == 300


async def test_last_attempt_that_fails_is_given_up_with_its_reason(desk: Any, fence: Fence) -> None:
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    with pytest.raises(ValueError, match="broken"):
        await _attempt(Fence(fence.outbox_id, 6), _failing(ValueError("broken")))
    row = await desk.row(fence.outbox_id)
    assert row.finished_at is not None
    assert (row.leased_until, row.has_failed, row.last_error) == (None, True, "ValueError: broken")


async def test_attempt_that_is_no_longer_current_does_not_begin(desk: Any, fence: Fence) -> None:
    await desk.change(OutboxRow, fence.outbox_id, attempt=2)
    with pytest.raises(LeaseLost):
        await _attempt(fence, _failing(AssertionError("it began")))
    row = await desk.row(fence.outbox_id)
    assert (row.attempt, row.finished_at, row.last_error, row.started_at) == (2, None, None, None)


async def test_lease_lost_on_the_way_writes_nothing(desk: Any, fence: Fence) -> None:

    async def body(work: Work) -> None:
        await desk.change(OutboxRow, fence.outbox_id, attempt=2, last_error="the next one's")
        async with work.transaction():
            pytest.fail("an old attempt writes")

    with pytest.raises(LeaseLost):
        await _attempt(fence, body)
    row = await desk.row(fence.outbox_id)
    assert (row.attempt, row.finished_at, row.last_error) == (2, None, "the next one's")


async def test_failure_of_an_old_attempt_is_not_written_over_the_new_one(desk: Any, fence: Fence) -> None:

    async def body(_: Work) -> None:
        await desk.change(OutboxRow, fence.outbox_id, attempt=2)
        raise ValueError("too late")

    with pytest.raises(LeaseLost):
        await _attempt(fence, body)
    row = await desk.row(fence.outbox_id)
    assert (row.last_error, row.has_failed) == (None, False)
    assert row.leased_until is not None


async def test_finish_of_an_old_attempt_is_refused(desk: Any, fence: Fence) -> None:

    async def body(_: Work) -> None:
        await desk.change(OutboxRow, fence.outbox_id, attempt=2)

    with pytest.raises(LeaseLost):
        await _attempt(fence, body)
    assert (await desk.row(fence.outbox_id)).finished_at is None


async def test_lease_is_renewed_while_the_body_runs(
    desk: Any, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHEN_LEASE_S", "1")
    async with working(fence.outbox_id, fence.attempt):
        first = (await desk.row(fence.outbox_id)).leased_until
        await asyncio.sleep(0.7)
        later = (await desk.row(fence.outbox_id)).leased_until
    assert (later - first).total_seconds() >= 0.24


async def test_body_is_cancelled_when_the_lease_is_lost(
    desk: Any, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHEN_LEASE_S", "1")

    async def body(_: Work) -> None:
        await desk.change(OutboxRow, fence.outbox_id, attempt=2)
        await asyncio.sleep(5)
        pytest.fail("it went on")

    with pytest.raises(LeaseLost):
        await _attempt(fence, body)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()  # what comes after is not cancelled with it
    assert (await desk.row(fence.outbox_id)).last_error is None


async def test_cancellation_from_outside_stays_one_and_settles_nothing(desk: Any, fence: Fence) -> None:
    began = asyncio.Event()

    async def body(_: Work) -> None:
        began.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(_attempt(fence, body))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await desk.row(fence.outbox_id)
    assert (row.finished_at, row.last_error) == (None, None)
    assert row.leased_until is not None  # the dispatcher asks Prefect what became of the run


_CLOSED = InterfaceError("", None, Exception("connection is closed"), None, True)


@pytest.mark.parametrize("error", [ConnectionRefusedError(), _CLOSED], ids=["refused", "closed"])
async def test_database_away_for_a_moment_does_not_end_the_renewal(
    desk: Any, fence: Fence, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setenv("SANSHEN_LEASE_S", "1")
    async with working(fence.outbox_id, fence.attempt):
        real, calls = outbox.extend, []

        async def away_once(*given: Any, **more: Any) -> None:
            calls.append(1)
            if len(calls) == 1:
                raise error
            await real(*given, **more)

        monkeypatch.setattr(outbox, "extend", away_once)
        first = (await desk.row(fence.outbox_id)).leased_until
        await asyncio.sleep(0.8)
        later = (await desk.row(fence.outbox_id)).leased_until
    assert len(calls) >= 2
    assert later > first


# Reports to the item.


@pytest.fixture
async def received(newsroom: Any) -> UUID:
    found: UUID = await newsroom.received()
    return found


def _note(session: AsyncSession, item: UUID) -> Any:
    from sqlalchemy import update
    from sqlmodel import col

    return session.exec(update(Submission).where(col(Submission.id) == item).values(title="noted"))


async def test_report_tells_the_fact_with_the_write_that_it_is_about(
    desk: Any, newsroom: Any, received: UUID
) -> None:
    work = await desk.work(Effect.RENDER, received)
    sha256 = await newsroom.revision(received)

    async def also(session: AsyncSession) -> None:
        await _note(session, received)

    facts = {"revision_sha256": sha256, "manifest_sha256": "m"}
    await work.report(received, Event.MEDIA_READY, facts, sha256, also=also)
    row = await desk.item(received)
    assert (row.title, row.media_revision_sha256) == ("noted", sha256)
    assert (await desk.events(received))[-1].event == "media_ready"


async def test_report_of_an_outgrown_fact_is_dropped_and_its_write_stays(desk: Any, received: UUID) -> None:
    work = await desk.work(Effect.RENDER, received)

    async def also(session: AsyncSession) -> None:
        await _note(session, received)

    before = await desk.item(received)
    await work.report(received, Event.MEDIA_READY, {}, "0" * 64, also=also)
    after = await desk.item(received)
    assert (after.title, after.version) == ("noted", before.version)


async def test_report_is_made_again_when_an_editor_was_first(
    desk: Any, newsroom: Any, received: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = await desk.work(Effect.RENDER, received)
    sha256 = await newsroom.revision(received)
    real, notes = context.advance, []

    async def also(session: AsyncSession) -> None:
        notes.append(1)

    async def after_an_editor(*given: Any) -> Any:
        if len(notes) == 1:
            await newsroom.send(received, Event.CLAIM, "duty")
            raise Conflict(received)
        return await real(*given)

    monkeypatch.setattr(context, "advance", after_an_editor)
    await work.report(received, Event.MEDIA_READY, {"revision_sha256": sha256}, sha256, also=also)
    assert len(notes) == 2
    assert [each.event for each in await desk.events(received)][-2:] == ["claim", "media_ready"]


async def test_reports_and_an_editor_at_the_same_moment_all_arrive(
    desk: Any, newsroom: Any, received: UUID
) -> None:
    sha256 = await newsroom.revision(received)
    works = [await desk.work(Effect.RENDER, received) for _ in range(6)]

    async def claim() -> None:
        while True:
            try:
                await newsroom.send(received, Event.CLAIM, "duty")
            except Conflict:
                continue
            return

    facts = {"revision_sha256": sha256}
    await asyncio.gather(
        claim(), *(work.report(received, Event.MEDIA_READY, facts, sha256) for work in works)
    )
    events = [each.event for each in await desk.events(received)]
    assert events.count("media_ready") == 6
    assert events.count("claim") == 1
    assert (await desk.item(received)).state == State.FIRST_REVIEW


async def test_report_that_never_wins_is_a_conflict(
    desk: Any, received: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = await desk.work(Effect.RENDER, received)

    async def never(*given: Any) -> None:
        raise Conflict(received)

    monkeypatch.setattr(context, "advance", never)
    monkeypatch.setattr(context, "_CONFLICT_TRIES", 3)
    with pytest.raises(Conflict):
        await work.report(received, Event.MEDIA_READY, {})


async def test_report_of_an_old_attempt_writes_nothing(desk: Any, received: UUID) -> None:
    work = await desk.work(Effect.RENDER, received)
    await desk.change(OutboxRow, work.fence.outbox_id, attempt=2)
    before = await desk.item(received)
    with pytest.raises(LeaseLost):
        await work.report(received, Event.MEDIA_FAILED, {}, before.revision_sha256)
    assert (await desk.item(received)).version == before.version
