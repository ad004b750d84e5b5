"""Distribution on a real database: what each outcome and each crash leaves, and nothing sent that must not be."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from flows import distribute
from flows.context import NotYet, Work
from flows.distribute import NotWhatWasSigned
from platforms.frame import Confirmed, HandedOff, Refused, TryLater, Unknown
from platforms.records import story_from
from states.content import Adaptation
from states.delivery import DeliveryState
from states.events import Effect, Event
from states.item import State
from states.text import Text
from storage.deliveries import deliveries_of, move_delivery
from storage.effects import cancel_pending
from storage.outbox import Fence
from storage.tables import Delivery, OutboxRow, Revision

SAID = Text("对方说的话", "what they said")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks")]


async def _run(desk: Any, item: UUID, fence: Fence | None = None) -> None:
    fence = fence or await desk.take(Effect.DISTRIBUTE, item)
    row = await desk.item(item)
    await distribute.distribute.fn(item, row.revision_number, fence.outbox_id, fence.attempt)


async def _set(desk: Any, item: UUID, destination: str, state: DeliveryState, **more: Any) -> Delivery:
    delivery: Delivery = (await desk.deliveries(item))[destination]
    await desk.change(Delivery, delivery.id, state=state.value, **more)
    return (await desk.deliveries(item))[destination]  # type: ignore[no-any-return]


OUTCOMES = [
    (Confirmed("x-1", "https://x.example/1"), "confirmed", "delivery_confirmed"),
    (HandedOff(None, {"a.mp4": "handoffs/a.mp4"}), "handed_off", "delivery_handed_off"),
    (Refused(SAID), "refused", "delivery_refused"),
    (Unknown(SAID), "unknown", "delivery_unknown"),
]


@pytest.mark.parametrize(("outcome", "state", "event"), OUTCOMES, ids=[each[1] for each in OUTCOMES])
async def test_outcome_leaves_its_state_its_event_and_its_words(
    desk: Any, platforms: Any, outcome: Any, state: str, event: str
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = outcome
    item = await desk.signed(destinations=(name,))
    await _run(desk, item)
    delivery = (await desk.deliveries(item))[name]
    assert (delivery.state, delivery.attempt, platform.published) == (state, 1, [(str(delivery.id), 1)])
    told = (await desk.events(item))[-1]
    assert (told.event, told.facts["delivery_id"], told.facts["destination"]) == (
        event,
        str(delivery.id),
        name,
    )
    if isinstance(outcome, Refused | Unknown):
        assert delivery.message == told.facts["message"] == SAID.to_json()
    if isinstance(outcome, Confirmed):
        assert (delivery.external_id, delivery.external_url) == ("x-1", "https://x.example/1")
        assert delivery.confirmed_at is not None
    if isinstance(outcome, HandedOff):
        assert delivery.files == {"a.mp4": "handoffs/a.mp4"}
    expected = State.PUBLISHED if isinstance(outcome, Confirmed) else State.APPROVED
    assert (await desk.item(item)).state == expected


async def test_each_destination_gets_its_own_words(desk: Any, platforms: Any) -> None:
    one, other = (found := await platforms("one", "other"))
    own = (Adaptation(one, title="短标题"),)
    item = await desk.signed(destinations=(one, other), title="村口新桥今日通车", adaptations=own)
    await _run(desk, item)
    said = {name: platform.titles[name] for name, platform in found.items()}
    assert said == {one: "短标题", other: "村口新桥今日通车"}


async def test_try_later_waits_and_keeps_what_was_said(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = TryLater(SAID, retry_after_s=77)
    item = await desk.signed(destinations=(name,))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    with pytest.raises(NotYet) as waiting:
        await _run(desk, item, fence)
    assert waiting.value.delay_s == 77
    delivery, row = (await desk.deliveries(item))[name], await desk.row(fence.outbox_id)
    assert (delivery.state, delivery.message) == ("pending", SAID.to_json())
    assert (row.leased_until, row.finished_at) == (None, None)
    platform.answer = Confirmed(None, None)
    await _run(desk, item)
    delivery = (await desk.deliveries(item))[name]
    assert (delivery.state, delivery.attempt, delivery.message) == ("confirmed", 2, None)
    assert len({identity for identity, _ in platform.published}) == 1


async def test_sending_is_on_disk_before_the_call(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    seen = []

    async def looks(_: str) -> Confirmed:
        seen.append((await desk.deliveries(item))[name].state)
        return Confirmed(None, None)

    platform.answer = looks
    await _run(desk, item)
    assert seen == ["sending"]


async def test_sending_left_by_a_dead_attempt_is_repeated_under_the_same_id_where_that_is_safe(
    desk: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    left = await _set(desk, item, name, DeliveryState.SENDING, attempt=1)
    await _run(desk, item)
    assert platform.published == [(str(left.id), 1)]
    assert (await desk.deliveries(item))[name].state == "confirmed"


async def test_sending_left_by_a_dead_attempt_is_unknown_where_a_repeat_could_double_it(
    desk: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one", is_idempotent=False)).items()
    item = await desk.signed(destinations=(name,))
    await _set(desk, item, name, DeliveryState.SENDING, attempt=1)
    await _run(desk, item)
    assert platform.published == []
    delivery = (await desk.deliveries(item))[name]
    assert delivery.state == "unknown"
    assert set(delivery.message or {}) == {"zh", "en"}
    assert (await desk.events(item))[-1].event == "delivery_unknown"


async def test_try_later_on_the_last_attempt_is_a_refusal(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = TryLater(SAID)
    item = await desk.signed(destinations=(name,))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    await _run(desk, item, Fence(fence.outbox_id, 6))
    delivery = (await desk.deliveries(item))[name]
    assert (delivery.state, delivery.message) == ("refused", SAID.to_json())
    row = await desk.row(fence.outbox_id)
    assert (row.finished_at is not None, row.has_failed) == (True, False)


async def test_unforeseen_error_stays_sending_and_lets_the_others_be_confirmed(
    desk: Any, platforms: Any
) -> None:
    (bad, broken), (good, _) = (await platforms("bad", "good")).items()
    broken.answer = RuntimeError("a bug of ours")
    item = await desk.signed(destinations=(bad, good))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    with pytest.raises(RuntimeError):
        await _run(desk, item, fence)
    found = await desk.deliveries(item)
    assert (found[bad].state, found[good].state) == ("sending", "confirmed")
    assert "a bug of ours" in ((await desk.row(fence.outbox_id)).last_error or "")


async def test_unforeseen_error_on_the_last_attempt_is_unknown_and_a_person_is_told(
    desk: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    platform.answer = RuntimeError("a bug of ours")
    item = await desk.signed(destinations=(name,))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    await _run(desk, item, Fence(fence.outbox_id, 6))
    delivery = (await desk.deliveries(item))[name]
    assert delivery.state == "unknown"
    assert (await desk.events(item))[-1].event == "delivery_unknown"


async def test_delivery_cancelled_in_between_is_not_called(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    work, story, pair = await _ready(desk, item, name)
    await _set(desk, item, name, DeliveryState.CANCELLED)
    assert await distribute.deliver.fn(work, story, *pair) is None
    assert platform.published == []


async def _ready(desk: Any, item: UUID, name: str) -> tuple[Work, Any, Any]:
    """Everything that `deliver` is called with, as it was read before something happens."""
    fence = await desk.take(Effect.DISTRIBUTE, item)
    work = Work(desk.settings, desk.newsroom.db, None, fence)  # type: ignore[arg-type]
    number = (await desk.item(item)).revision_number
    story = story_from(await distribute._signed_record(work, item, number))
    async with work.transaction() as session:
        pairs = await deliveries_of(session, item)
    return work, story, next(pair for pair in pairs if pair[1].id == name)


async def test_platform_that_hangs_does_not_delay_the_confirmation_of_another(
    desk: Any, platforms: Any
) -> None:
    (slow, hanging), (good, _) = (await platforms("slow", "good")).items()
    item = await desk.signed(destinations=(slow, good))
    released = asyncio.Event()

    async def hangs(_: str) -> Confirmed:
        await released.wait()
        return Confirmed(None, None)

    hanging.answer = hangs
    running = asyncio.create_task(_run(desk, item))
    async with asyncio.timeout(5):
        while (await desk.item(item)).state != State.PUBLISHED:
            await asyncio.sleep(0.02)
    found = await desk.deliveries(item)
    assert (found[slow].state, found[good].state) == ("sending", "confirmed")
    released.set()
    await running
    assert (await desk.deliveries(item))[slow].state == "confirmed"


async def test_files_that_differ_from_the_signed_ones_are_not_sent(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await newsroom.in_state(State.APPROVED, destinations=(name,))  # signed with another manifest
    with pytest.raises(NotWhatWasSigned):
        await _run(desk, item)
    assert platform.published == []
    assert (await desk.deliveries(item))[name].state == "pending"


async def test_content_that_differs_from_the_signed_one_is_not_sent(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    row = await desk.item(item)
    async with newsroom.db.transaction() as session:
        other = Revision(
            submission_id=item,
            number=2,
            sha256="f" * 64,
            content={"title": "别的"},
            editor_id=newsroom.people["writer"].id,
        )
        session.add(other)
    fence = await desk.take(Effect.DISTRIBUTE, item)
    with pytest.raises(NotWhatWasSigned):
        await distribute.distribute.fn(item, row.revision_number + 1, fence.outbox_id, fence.attempt)
    assert platform.published == []


async def test_run_again_after_everything_was_done_calls_nobody(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await _run(desk, item, fence)
    await desk.change(OutboxRow, fence.outbox_id, finished_at=None)
    await _run(desk, item)
    assert len(platform.published) == 1


async def test_old_attempt_that_wakes_up_sends_nothing(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    work, story, pair = await _ready(desk, item, name)
    await desk.take(Effect.DISTRIBUTE, item)  # the next attempt
    with pytest.raises(Exception, match="no longer current"):
        await distribute.deliver.fn(work, story, *pair)
    assert platform.published == []


async def test_two_runs_that_both_read_pending_send_once(desk: Any, platforms: Any) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    work, story, pair = await _ready(desk, item, name)
    outcomes = await asyncio.gather(*(distribute.deliver.fn(work, story, *pair) for _ in range(4)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert len(platform.published) == 1


# An editor acts at the same moment.


async def test_retraction_before_the_call_cancels_what_had_to_wait(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    """The platform said later, and meanwhile the story was retracted: it must not go out after that."""
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    fence = await desk.take(Effect.DISTRIBUTE, item)

    async def later(_: str) -> TryLater:
        await newsroom.send(item, Event.RETRACT, "chief", reason="失实")
        return TryLater(SAID)

    platform.answer = later
    with pytest.raises(NotYet):
        await _run(desk, item, fence)
    assert (await desk.deliveries(item))[name].state == "pending"
    platform.answer = Confirmed(None, None)
    await _run(desk, item)
    assert len(platform.published) == 1
    assert (await desk.deliveries(item))[name].state == "cancelled"


async def test_retraction_after_a_crash_in_the_call_is_not_followed_by_a_repeat(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))
    await _set(desk, item, name, DeliveryState.SENDING)
    await newsroom.send(item, Event.RETRACT, "chief", reason="失实")
    await _run(desk, item)
    assert platform.published == []
    assert (await desk.deliveries(item))[name].state == "sending"  # the retraction takes it from here


async def test_retraction_that_took_over_while_the_call_was_out_is_not_overwritten(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await desk.signed(destinations=(name,))

    async def retracted_meanwhile(delivery_id: str) -> Confirmed:
        async with newsroom.db.transaction() as session:
            await move_delivery(session, UUID(delivery_id), DeliveryState.RETRACTING)
        return Confirmed(None, None)

    platform.answer = retracted_meanwhile
    await _run(desk, item)
    assert (await desk.deliveries(item))[name].state == "retracting"


async def _correct(desk: Any, newsroom: Any, item: UUID) -> None:
    """A newer revision is signed."""
    await newsroom.send(item, Event.CORRECT, "duty", reason="人名有误")
    await newsroom.edit(item, "duty", title="新桥今日通车", correction_note="更正人名")
    await newsroom.send(item, Event.SUBMIT, "duty")
    from states.roles import SYSTEM

    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    for reviewer in ("all_reviews", "head"):
        await newsroom.send(item, Event.CLAIM, reviewer)
        await newsroom.send(item, Event.APPROVE, reviewer)
    await newsroom.send(item, Event.CLAIM, "chief")
    await desk.sign(item)


@pytest.mark.parametrize(
    ("left", "after", "events"),
    [(DeliveryState.PENDING, "cancelled", 0), (DeliveryState.SENDING, "unknown", 1)],
)
async def test_old_revision_does_not_go_out_after_a_newer_one_was_signed(
    desk: Any, newsroom: Any, platforms: Any, left: DeliveryState, after: str, events: int
) -> None:
    (name, platform), (other, _) = (await platforms("one", "two")).items()
    item = await desk.signed(destinations=(name, other))
    first = (await desk.deliveries(item))[name]
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await _set(desk, item, name, DeliveryState.REFUSED)  # so that the other alone goes out
    await _run(desk, item, fence)
    await _correct(desk, newsroom, item)
    await desk.change(Delivery, first.id, state=left.value)
    await desk.change(OutboxRow, fence.outbox_id, finished_at=None)
    again = await desk.claim(fence.outbox_id)
    await distribute.distribute.fn(item, 1, again.outbox_id, again.attempt)
    assert platform.published == []
    async with newsroom.db.transaction() as session:
        states = {each.id: each.state for each, _ in await deliveries_of(session, item)}
    assert states[first.id] == after
    assert [each.event for each in await desk.events(item)].count("delivery_unknown") == events


async def test_begin_of_sending_and_a_retraction_at_the_same_moment_agree(
    desk: Any, newsroom: Any, platforms: Any
) -> None:
    """Either it was cancelled and nobody was called, or it was sending when the retraction came."""
    for _ in range(6):
        ((name, platform),) = (await platforms("one")).items()
        item = await desk.signed(destinations=(name,))
        work, story, pair = await _ready(desk, item, name)
        await asyncio.gather(
            distribute.deliver.fn(work, story, *pair),
            newsroom.send(item, Event.RETRACT, "chief", reason="失实"),
            return_exceptions=True,
        )
        state = (await desk.deliveries(item))[name].state
        assert (state, len(platform.published)) in (("cancelled", 0), ("confirmed", 1))


async def test_title_with_braces_is_shown_as_it_is(desk: Any, platforms: Any, plain_tasks: Any) -> None:
    """Prefect takes a run's name for a template over the arguments, which know our passwords."""
    ((name, _),) = (await platforms("one")).items()
    title = "{work.settings.database_url} {没有}"
    item = await desk.signed(destinations=(name,), title=title)
    await _run(desk, item)
    assert plain_tasks["deliver"].names[-1].format(work=None) == f"渠道 one · {title}"


async def test_cancel_pending_leaves_what_is_being_sent(desk: Any, newsroom: Any, platforms: Any) -> None:
    (one, _), (two, _) = (await platforms("one", "two")).items()
    item = await desk.signed(destinations=(one, two))
    await _set(desk, item, one, DeliveryState.SENDING)
    from datetime import UTC, datetime

    async with newsroom.db.transaction() as session:
        await cancel_pending(session, item, datetime.now(UTC))
    found = await desk.deliveries(item)
    assert (found[one].state, found[two].state) == ("sending", "cancelled")
