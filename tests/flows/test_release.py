"""Scheduled releases: out once, at their time by the wall clock, and never by a schedule that was given up."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from flows import release as module
from flows.sweep import sweep
from states.decide import decide
from states.events import Effect, Event
from states.item import Item, Request, State
from states.refusals import GuardRefused, IllegalMove
from states.roles import SYSTEM
from states.wall_time import WallTime
from storage.advance import Advanced, Change, advance
from storage.items import load_item
from storage.outbox import Fence, give_up, work_of
from storage.tables import Delivery, EventRow, OutboxRow

pytestmark = pytest.mark.slow

BERLIN = "Europe/Berlin"


def in_s(seconds: float) -> WallTime:
    """The wall-clock time in so many seconds, where clocks never change."""
    local = (datetime.now(UTC) + timedelta(seconds=seconds)).astimezone(ZoneInfo("Asia/Kolkata"))
    return WallTime(local.replace(tzinfo=None).isoformat(), "Asia/Kolkata")


async def _ask(newsroom: Any, item: UUID, event: Event, **given: Any) -> Advanced:
    async with newsroom.db.transaction() as session:
        sha256 = (await load_item(session, item)).row.revision_sha256
        request = Request(newsroom.actor("chief"), sha256, **given)
        return await advance(session, item, event, request, Change())


async def _signed_for(desk: Any, release: WallTime) -> UUID:
    """Signed off, to go out at a time."""
    item: UUID = await desk.newsroom.in_state(State.FINAL_REVIEW)
    await _ask(desk.newsroom, item, Event.SCHEDULE, release=release)
    await desk.sign(item)
    return item


async def _soon(desk: Any, seconds: float) -> UUID:
    """Signed off, to go out in some seconds from now, however long the reviews took."""
    item = await _signed_for(desk, in_s(3600))
    await _ask(desk.newsroom, item, Event.SCHEDULE, release=in_s(seconds))
    return item


async def _pass(desk: Any, row: OutboxRow) -> None:
    """Wait until the row's time has come."""
    await asyncio.sleep(max(0.0, (row.available_at - datetime.now(UTC)).total_seconds()) + 0.05)


async def _releases(desk: Any, item: UUID) -> list[OutboxRow]:
    """The rows that wait to let the piece out."""
    async with desk.newsroom.db.transaction() as session:
        rows = await work_of(session, item)
    return [row for row in rows if row.effect == Effect.RELEASE.value and row.finished_at is None]


async def _waiting(desk: Any, item: UUID) -> OutboxRow:
    (row,) = await _releases(desk, item)
    return row


async def _run(desk: Any, item: UUID, fence: Fence) -> None:
    row = await desk.row(fence.outbox_id)
    await module.release.fn(item, row.payload["revision_sha256"], fence.outbox_id, fence.attempt)
    assert (await desk.row(fence.outbox_id)).finished_at is not None


async def _times_out(desk: Any, item: UUID) -> int:
    """How often it was let out; it has one delivery for each time, and none without."""
    async with desk.newsroom.db.transaction() as session:
        events = await session.exec(select(EventRow.event).where(col(EventRow.submission_id) == item))
        times = list(events).count(Event.GO_OUT.value)
        pending = select(Delivery).where(
            col(Delivery.submission_id) == item, col(Delivery.state) == "pending"
        )
        assert len((await session.exec(pending)).all()) == times
        return times


async def test_release_at_its_time_goes_out_once(desk: Any) -> None:
    item = await _soon(desk, 1)
    row = await _waiting(desk, item)
    assert await _times_out(desk, item) == 0
    await _pass(desk, row)
    await _run(desk, item, await desk.claim(row.id))
    assert await _times_out(desk, item) == 1
    assert (await desk.item(item)).live_revision_number == 1


async def test_release_that_is_run_again_after_a_crash_goes_out_once(desk: Any) -> None:
    item = await _soon(desk, 0.5)
    row = await _waiting(desk, item)
    await _pass(desk, row)
    await desk.claim(row.id)
    await desk.newsroom.send(item, Event.GO_OUT, SYSTEM)  # the first attempt dies here, its row not finished
    await _run(desk, item, await desk.claim(row.id))
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 1


async def test_release_by_several_at_once_goes_out_once(desk: Any) -> None:
    item = await _soon(desk, 0.5)
    row = await _waiting(desk, item)
    await _pass(desk, row)
    fence = await desk.claim(row.id)
    await asyncio.gather(_run(desk, item, fence), sweep(desk.newsroom.db), sweep(desk.newsroom.db))
    assert await _times_out(desk, item) == 1


async def test_release_after_a_rescheduling_is_at_the_new_time_only(desk: Any) -> None:
    item = await _soon(desk, 0.5)
    old = await _waiting(desk, item)
    fence = await desk.claim(old.id)  # its run is on the way already
    await _ask(desk.newsroom, item, Event.SCHEDULE, release=in_s(4))
    await _pass(desk, old)
    await _run(desk, item, fence)
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 0
    new = await _waiting(desk, item)
    assert new.id != old.id
    await _pass(desk, new)
    await _run(desk, item, await desk.claim(new.id))
    assert await _times_out(desk, item) == 1


async def test_release_rescheduled_before_its_run_leaves_one_row(desk: Any) -> None:
    item = await _signed_for(desk, in_s(3600))
    wanted = [in_s(seconds) for seconds in (1200, 1800, 300)]
    for release in wanted:
        await _ask(desk.newsroom, item, Event.SCHEDULE, release=release)
    assert (await _waiting(desk, item)).available_at == wanted[-1].instant()


async def test_release_descheduled_goes_out_now_and_not_again(desk: Any) -> None:
    item = await _soon(desk, 2)
    old = await _waiting(desk, item)
    fence = await desk.claim(old.id)
    await _ask(desk.newsroom, item, Event.UNSCHEDULE)
    new = await _waiting_besides(desk, item, old)
    await _run(desk, item, await desk.claim(new.id))
    assert await _times_out(desk, item) == 1
    await _pass(desk, old)
    await _run(desk, item, fence)
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 1


async def _waiting_besides(desk: Any, item: UUID, other: OutboxRow) -> OutboxRow:
    (row,) = [row for row in await _releases(desk, item) if row.id != other.id]
    return row


@pytest.mark.parametrize(
    ("event", "state"), [(Event.RECALL, State.RETURNED), (Event.RETRACT, State.RETRACTED)]
)
async def test_release_of_what_was_taken_back_ends_quietly(desk: Any, event: Event, state: State) -> None:
    item = await _soon(desk, 0.5)
    row = await _waiting(desk, item)
    fence = await desk.claim(row.id)
    await _ask(desk.newsroom, item, event, reason="情况有变")
    await _pass(desk, row)
    await _run(desk, item, fence)
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 0
    assert (await desk.item(item)).state == state.value


async def test_release_recalled_before_its_run_leaves_no_row(desk: Any) -> None:
    item = await _signed_for(desk, in_s(3600))
    await _ask(desk.newsroom, item, Event.RECALL, reason="情况有变")
    assert await _releases(desk, item) == []


async def test_release_with_prefect_away_goes_out_later_once(desk: Any) -> None:
    """Nothing takes the row while Prefect is away, the sweep neither: it has been promised."""
    item = await _soon(desk, 0.5)
    row = await _waiting(desk, item)
    await _pass(desk, row)
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 0
    await _run(desk, item, await desk.claim(row.id))
    assert await _times_out(desk, item) == 1


async def test_release_whose_work_was_given_up_goes_out_by_the_sweep(desk: Any) -> None:
    item = await _soon(desk, 3)
    row = await _waiting(desk, item)
    fence = await desk.claim(row.id)
    async with desk.newsroom.db.transaction() as session:
        await give_up(session, fence, "no luck")
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 0  # not before its time
    await _pass(desk, row)
    await asyncio.gather(sweep(desk.newsroom.db), sweep(desk.newsroom.db))
    assert await _times_out(desk, item) == 1


async def test_release_run_before_its_time_goes_out_at_its_time(desk: Any) -> None:
    """A clock that stepped back since the row was claimed, or a zone whose rules changed since it was written."""
    item = await _soon(desk, 3)
    row = await _waiting(desk, item)
    await _run(desk, item, await desk.claim(row.id))
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 0
    await _pass(desk, row)
    await sweep(desk.newsroom.db)
    await sweep(desk.newsroom.db)
    assert await _times_out(desk, item) == 1


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        pytest.param("2027-03-28T02:30", "2027-03-28T01:30+00:00", id="a time that the clocks skip"),
        pytest.param("2027-10-31T02:30", "2027-10-31T00:30+00:00", id="the first of two"),
        pytest.param("2027-10-31T03:00", "2027-10-31T02:00+00:00", id="after both"),
    ],
)
async def test_release_across_a_clock_change_has_one_row_at_one_instant(
    desk: Any, local: str, instant: str
) -> None:
    item = await _signed_for(desk, WallTime(local, BERLIN))
    assert (await _waiting(desk, item)).available_at == datetime.fromisoformat(instant)


# The guard alone, on a clock that the test turns.

_SIGNED = Item(
    state=State.APPROVED,
    author_id="a",
    last_editor_id="a",
    column=None,
    revision_sha256="0" * 64,
    is_signed=True,
)


def _lets_out(item: Item) -> bool:
    try:
        decide(item, Event.GO_OUT, Request(SYSTEM))
    except (GuardRefused, IllegalMove):
        return False
    return True


@pytest.mark.parametrize(
    ("release", "begin", "expected"),
    [
        pytest.param("2027-03-28T02:30", "2027-03-27T23:00", "2027-03-28T01:30", id="gap"),
        pytest.param("2027-10-31T02:30", "2027-10-30T22:00", "2027-10-31T00:30", id="fold"),
    ],
)
@pytest.mark.parametrize("step_back_min", [0, 5, 60, 90])
def test_release_fires_once_though_clocks_change_and_step_back(
    release: str, begin: str, expected: str, step_back_min: int
) -> None:
    """Minute by minute over six hours; after two of them, and right after the release, the clock steps back."""
    item = replace(_SIGNED, release_at=WallTime(release, BERLIN).instant())
    now, fired = datetime.fromisoformat(begin).replace(tzinfo=UTC), []
    for minute in range(360):
        now += timedelta(minutes=1)
        if minute == 120:
            now -= timedelta(minutes=step_back_min)
        if _lets_out(replace(item, now=now)):
            fired.append(now)
            item = replace(item, is_live=True)
            now -= timedelta(minutes=step_back_min)
    assert fired == [datetime.fromisoformat(expected).replace(tzinfo=UTC)]
