"""The outbox on a real PostgreSQL: one holder for each piece of work, and no word from an old attempt."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from states.events import Effect
from storage import outbox
from storage.effects import enqueue
from storage.errors import LeaseLost
from storage.outbox import OUTBOX_CHANNEL, Fence


async def _enqueue(newsroom: Any, count: int = 1, **given: Any) -> list[int]:
    item = (await newsroom.draft()).id
    async with newsroom.db.transaction() as session:
        return [await enqueue(session, Effect.INTAKE, item, **given) for _ in range(count)]


@pytest.fixture(autouse=True)
async def _nothing_waits(newsroom: Any) -> None:
    async with newsroom.db.transaction() as session:
        await (await session.connection()).execute(text("UPDATE outbox SET finished_at = now()"))


async def _claim(newsroom: Any, limit: int = 10, lease_s: float = 60) -> list[Any]:
    async with newsroom.db.transaction() as session:
        return await outbox.claim_due(session, limit, lease_s)


async def test_claims_at_the_same_time_share_no_row(newsroom: Any) -> None:
    ids = await _enqueue(newsroom, 12)
    claimed = await asyncio.gather(*(_claim(newsroom, 5) for _ in range(4)))
    rows = [row.id for each in claimed for row in each]
    assert len(rows) == len(set(rows))
    rest = [row.id for row in await _claim(newsroom, 20)]
    assert sorted(rows + rest) == ids
    assert await _claim(newsroom) == []


async def test_row_locked_by_another_is_skipped_not_waited_for(newsroom: Any) -> None:
    first, second = await _enqueue(newsroom, 2)
    async with newsroom.db.transaction() as holder:
        held = await outbox.claim_due(holder, 1, 60)
        async with asyncio.timeout(2):
            other = await _claim(newsroom)
    assert ([row.id for row in held], [row.id for row in other]) == ([first], [second])


async def test_urgent_work_is_claimed_first(newsroom: Any) -> None:
    (normal,) = await _enqueue(newsroom, urgency=1)
    (urgent,) = await _enqueue(newsroom, urgency=0)
    assert [row.id for row in await _claim(newsroom)] == [urgent, normal]


async def test_lease_that_ran_out_is_found_and_the_next_attempt_takes_over(newsroom: Any) -> None:
    await _enqueue(newsroom)
    (row,) = await _claim(newsroom, lease_s=-1)
    old = Fence(row.id, row.attempt)
    async with newsroom.db.transaction() as session:
        assert [each.id for each in await outbox.expired(session)] == [row.id]
        await outbox.retry_later(session, old, "the worker fell silent", 0)
    (again,) = await _claim(newsroom)
    assert (again.id, again.attempt) == (row.id, row.attempt + 1)
    for late in (outbox.hold, outbox.finish):
        with pytest.raises(LeaseLost):
            async with newsroom.db.transaction() as session:
                await late(session, old)
    async with newsroom.db.transaction() as session:
        await outbox.finish(session, Fence(again.id, again.attempt))


async def test_finished_work_cannot_be_finished_again(newsroom: Any) -> None:
    await _enqueue(newsroom)
    (row,) = await _claim(newsroom)
    fence = Fence(row.id, row.attempt)
    async with newsroom.db.transaction() as session:
        await outbox.extend(session, fence, 60, is_running=True)
        await outbox.finish(session, fence)
    with pytest.raises(LeaseLost):
        async with newsroom.db.transaction() as session:
            await outbox.hold(session, fence)


async def test_work_given_back_waits_for_its_time(newsroom: Any) -> None:
    await _enqueue(newsroom)
    (row,) = await _claim(newsroom)
    async with newsroom.db.transaction() as session:
        await outbox.retry_later(session, Fence(row.id, row.attempt), "x" * 5000, 30)
    assert await _claim(newsroom) == []
    async with newsroom.db.transaction() as session:
        due = await outbox.next_due_in_s(session)
        (kept,) = await outbox.work_of(session, row.submission_id)
    assert due is not None
    assert 25 < due <= 30
    assert kept.last_error == "x" * 2000


async def test_new_work_wakes_the_listener_at_commit_and_not_before(newsroom: Any) -> None:
    woken = asyncio.Event()
    connection = await asyncpg.connect(newsroom.db.url)
    try:
        await connection.add_listener(OUTBOX_CHANNEL, lambda *_: woken.set())
        item = (await newsroom.draft()).id
        async with newsroom.db.transaction() as session:
            await enqueue(session, Effect.INTAKE, item)
            await asyncio.sleep(0.1)
            assert not woken.is_set()
        async with asyncio.timeout(2):
            await woken.wait()
    finally:
        await connection.close()
