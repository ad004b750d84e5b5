"""Retraction on a real database: every place is told, what is still being sent is waited for, nobody is forgotten."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from flows import distribute, retract
from flows.context import NotYet
from platforms.frame import Confirmed, HandedOff, Refused, TryLater
from states.delivery import DeliveryState
from states.events import Effect, Event
from states.text import Text
from storage.outbox import Fence
from storage.tables import Delivery, OutboxRow

SAID = Text("对方说的话", "what they said")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks")]


async def _out(desk: Any, **states: Any) -> UUID:
    """A retracted piece whose deliveries stand like this; its distribution is over."""
    item: UUID = await desk.signed(destinations=tuple(states))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await desk.change(OutboxRow, fence.outbox_id, finished_at=datetime.now(UTC), leased_until=None)
    found = await desk.deliveries(item)
    for name, state in states.items():
        await desk.change(Delivery, found[name].id, state=state.value)
    await desk.newsroom.send(item, Event.RETRACT, "chief", reason="失实")
    return item


async def _run(desk: Any, item: UUID, fence: Fence | None = None) -> None:
    fence = fence or await desk.take(Effect.RETRACT, item)
    await retract.retract.fn(item, fence.outbox_id, fence.attempt)


async def _states(desk: Any, item: UUID) -> dict[str, str]:
    return {name: each.state for name, each in (await desk.deliveries(item)).items()}


async def test_confirmed_delivery_is_taken_back_as_a_cancelled_story(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await _out(desk, **{name: DeliveryState.CONFIRMED})
    await _run(desk, item)
    assert await _states(desk, item) == {name: "retracted"}
    delivery = (await desk.deliveries(item))[name]
    assert platform.retracted == [(str(delivery.id), "canceled")]


@pytest.mark.parametrize(
    ("stood", "answer", "after", "calls"),
    [
        (DeliveryState.UNKNOWN, Confirmed(None, None), "retracted", 1),
        (DeliveryState.REFUSED, Confirmed(None, None), "retracted", 1),
        (DeliveryState.SENDING, Confirmed(None, None), "retracted", 1),
        (DeliveryState.HANDED_OFF, HandedOff(None, {}), "needs_person", 1),
        (DeliveryState.CONFIRMED, Refused(SAID), "needs_person", 1),
        (DeliveryState.PENDING, Confirmed(None, None), "cancelled", 0),
        (DeliveryState.CANCELLED, Confirmed(None, None), "cancelled", 0),
        (DeliveryState.RETRACTED, Confirmed(None, None), "retracted", 0),
        (DeliveryState.NEEDS_PERSON, Confirmed(None, None), "needs_person", 0),
    ],
)
async def test_each_delivery_goes_where_it_has_to(
    desk: Any, platforms: Any, stood: DeliveryState, answer: Any, after: str, calls: int
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = answer
    item = await _out(desk, **{name: stood})
    await _run(desk, item)
    assert (await _states(desk, item), len(platform.retracted)) == ({name: after}, calls)


async def test_what_needs_a_person_says_what_to_do(desk: Any, platforms: Any) -> None:
    (by_hand, one), (refuses, two) = (await platforms("hand", "refuses")).items()
    one.answer, two.answer = HandedOff(None, {}), Refused(SAID)
    item = await _out(desk, **{by_hand: DeliveryState.HANDED_OFF, refuses: DeliveryState.CONFIRMED})
    await _run(desk, item)
    found = await desk.deliveries(item)
    assert "手动撤下" in (found[by_hand].message or {})["zh"]
    assert found[refuses].message == SAID.to_json()


async def test_retracting_is_on_disk_before_the_call(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await _out(desk, **{name: DeliveryState.CONFIRMED})
    seen = []

    async def looks(_: str) -> Confirmed:
        seen.append((await desk.deliveries(item))[name].state)
        return Confirmed(None, None)

    platform.answer = looks
    await _run(desk, item)
    assert seen == ["retracting"]


async def test_retracting_left_by_a_dead_attempt_is_done_again(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await _out(desk, **{name: DeliveryState.RETRACTING})
    await _run(desk, item)
    assert (await _states(desk, item), len(platform.retracted)) == ({name: "retracted"}, 1)


async def test_try_later_is_tried_again_while_the_others_are_done(desk: Any, platforms: Any) -> None:
    (busy, one), (good, two) = (await platforms("busy", "good")).items()
    one.answer = TryLater(SAID)
    item = await _out(desk, **{busy: DeliveryState.CONFIRMED, good: DeliveryState.CONFIRMED})
    with pytest.raises(NotYet):
        await _run(desk, item)
    assert await _states(desk, item) == {busy: "retracting", good: "retracted"}
    one.answer = Confirmed(None, None)
    await _run(desk, item)
    assert await _states(desk, item) == {busy: "retracted", good: "retracted"}
    assert (len(one.retracted), len(two.retracted)) == (2, 1)


async def test_wait_that_a_platform_asks_for_is_kept(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = TryLater(SAID, retry_after_s=99)
    item = await _out(desk, **{name: DeliveryState.CONFIRMED})
    with pytest.raises(NotYet) as waiting:
        await _run(desk, item)
    assert waiting.value.delay_s == 99


async def _last(desk: Any, item: UUID) -> Fence:
    fence = await desk.take(Effect.RETRACT, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    return Fence(fence.outbox_id, 6)


@pytest.mark.parametrize("answer", [TryLater(SAID), RuntimeError("a bug of ours")], ids=["later", "error"])
async def test_what_does_not_come_down_by_the_last_attempt_needs_a_person(
    desk: Any, platforms: Any, answer: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = answer
    item = await _out(desk, **{name: DeliveryState.CONFIRMED})
    await _run(desk, item, await _last(desk, item))
    assert await _states(desk, item) == {name: "needs_person"}
    assert (await desk.deliveries(item))[name].message is not None


async def test_error_at_one_destination_stops_no_other(desk: Any, platforms: Any) -> None:
    (bad, broken), (good, slow) = (await platforms("bad", "good")).items()
    broken.answer = RuntimeError("a bug of ours")

    async def slowly(_: str) -> Confirmed:
        await asyncio.sleep(0.2)
        return Confirmed(None, None)

    slow.answer = slowly
    item = await _out(desk, **{bad: DeliveryState.CONFIRMED, good: DeliveryState.CONFIRMED})
    with pytest.raises(RuntimeError):
        await _run(desk, item)
    assert await _states(desk, item) == {bad: "retracting", good: "retracted"}


async def test_delivery_that_a_person_settled_in_between_stops_no_other(desk: Any, platforms: Any) -> None:
    (settled, one), (good, _) = (await platforms("settled", "good")).items()
    item = await _out(desk, **{settled: DeliveryState.HANDED_OFF, good: DeliveryState.CONFIRMED})
    found = await desk.deliveries(item)
    real = retract.take_back.fn  # type: ignore[attr-defined]

    async def cancelled_first(work: Any, delivery: Any, destination: Any) -> Any:
        if destination.id == settled:
            await desk.change(Delivery, found[settled].id, state="cancelled")
        return await real(work, delivery, destination)

    retract.take_back.fn = cancelled_first  # type: ignore[attr-defined]
    await _run(desk, item)
    assert await _states(desk, item) == {settled: "cancelled", good: "retracted"}
    assert one.retracted == []


async def test_delivery_that_is_being_sent_is_taken_back_after_it_has_arrived(
    desk: Any, newsroom: Any, platforms: Any, request: pytest.FixtureRequest
) -> None:
    """Asked at once, the platform would take back nothing, and then take in what is on its way."""
    (slow, one), (good, _) = (await platforms("slow", "good")).items()
    item = await desk.signed(destinations=(slow, good))
    arrived = asyncio.Event()

    async def is_slow(_: str) -> Confirmed:
        await arrived.wait()
        return Confirmed("it-is-there", None)

    one.answer = is_slow
    fence = await desk.take(Effect.DISTRIBUTE, item)
    number = (await desk.item(item)).revision_number
    sending = asyncio.create_task(distribute.distribute.fn(item, number, fence.outbox_id, fence.attempt))
    request.addfinalizer(arrived.set)  # so that a failure below leaves nothing hanging
    async with asyncio.timeout(5):
        while await _states(desk, item) != {slow: "sending", good: "confirmed"}:
            await asyncio.sleep(0.02)
    await newsroom.send(item, Event.RETRACT, "chief", reason="失实")
    with pytest.raises(NotYet):
        await _run(desk, item)
    assert await _states(desk, item) == {slow: "sending", good: "retracted"}
    assert one.retracted == []
    arrived.set()
    await sending
    one.answer = Confirmed(None, None)
    await _run(desk, item)
    assert await _states(desk, item) == {slow: "retracted", good: "retracted"}


async def test_sender_that_never_ends_is_waited_for_until_the_last_attempt_only(
    desk: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await _out(desk, **{name: DeliveryState.SENDING})
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await desk.change(OutboxRow, fence.outbox_id, finished_at=None)
    with pytest.raises(NotYet):
        await _run(desk, item)
    await _run(desk, item, await _last(desk, item))
    assert (await _states(desk, item), len(platform.retracted)) == ({name: "retracted"}, 1)


async def test_every_revision_that_ever_went_out_is_taken_back(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await _out(desk, **{name: DeliveryState.CONFIRMED})
    async with newsroom.db.transaction() as session:
        session.add(Delivery(submission_id=item, revision_number=7, destination_id=name, state="cancelled"))
    await _run(desk, item)
    assert len(platform.retracted) == 1
