"""Retract: a story is taken back from every place that it ever went to; what cannot be, needs a person."""

import asyncio
import logging
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.catalogue import run_name
from flows.context import NotYet, Work, backoff_s, working
from flows.tools import FlowTools
from platforms.frame import Confirmed, Outcome, Refused, TryLater, Unknown
from platforms.net import guarded_client
from platforms.records import story_from
from platforms.registry import PLATFORMS
from states.delivery import MAY_BE_OUT, DeliveryMoveRefused, DeliveryState
from states.events import Effect
from states.text import Text
from storage import outbox
from storage.deliveries import deliveries_of, move_delivery
from storage.stories import story_record
from storage.tables import Delivery, Destination

_LOG = logging.getLogger("sanshen.flows")
_TAKE_DOWN = Text(
    "请到该平台手动撤下，然后在此确认。", "Take it down on the platform by hand, then confirm here."
)
_TO_REACH = {state.value for state in (*MAY_BE_OUT, DeliveryState.RETRACTING)}


@flow(name="retract", description="撤稿 · take the story back from every place it went to")
async def retract(submission_id: UUID, outbox_id: int, attempt: int) -> None:
    """Take every delivery of the item back, those of closed destinations too."""
    async with working(outbox_id, attempt) as work:
        reached, being_sent = await _to_reach(work, submission_id)
        outcomes = await asyncio.gather(
            *(
                take_back.with_options(task_run_name=run_name(f"{destination.name} · 撤稿"))(
                    work, delivery, destination
                )
                for delivery, destination in reached
            ),
            return_exceptions=True,
        )
        _settle(work, outcomes, being_sent)


async def _to_reach(
    work: Work, submission_id: UUID
) -> tuple[list[tuple[Delivery, Destination]], list[Destination]]:
    """What to take back now, and where a call is out: asked before it arrives, that platform would take back
    nothing and then take the story in. No call begins after the retraction, so the wait has an end.
    """
    async with work.transaction() as session:
        ever = await deliveries_of(session, submission_id)
        work_of_item = await outbox.work_of(session, submission_id)
    sends = any(
        row.effect == Effect.DISTRIBUTE.value and row.leased_until is not None for row in work_of_item
    )
    waits = sends and not work.is_last_attempt
    being_sent = [to for delivery, to in ever if waits and delivery.state == DeliveryState.SENDING.value]
    reached = [
        (delivery, destination)
        for delivery, destination in ever
        if delivery.state in _TO_REACH and destination not in being_sent
    ]
    return reached, being_sent


def _settle(
    work: Work, outcomes: list[Outcome | BaseException | None], being_sent: list[Destination]
) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    later = [each for each in outcomes if isinstance(each, TryLater)]
    why = [each.text.en for each in later] + [f"{each.name} is still being sent" for each in being_sent]
    if why:
        delay = max(backoff_s(work.fence.attempt), *(each.retry_after_s or 0 for each in later), 0)
        raise NotYet("; ".join(why), delay)


@task(cache_policy=NO_CACHE)
async def take_back(work: Work, delivery: Delivery, destination: Destination) -> Outcome | None:
    """One delivery: `retracting` is on disk before the call, the outcome after it. None: settled by a person."""
    if not await _begin_retracting(work, delivery):
        return None
    outcome = await _call(work, delivery, destination)
    if isinstance(outcome, TryLater) and work.is_last_attempt:
        outcome = Refused(outcome.text)
    if isinstance(outcome, TryLater):
        return outcome
    state = DeliveryState.RETRACTED if isinstance(outcome, Confirmed) else DeliveryState.NEEDS_PERSON
    async with work.transaction() as session:
        message = None if state is DeliveryState.RETRACTED else _by_hand(outcome).to_json()
        await move_delivery(session, delivery.id, state, message=message)
    return outcome


async def _begin_retracting(work: Work, delivery: Delivery) -> bool:
    if delivery.state == DeliveryState.RETRACTING.value:
        return True
    try:
        async with work.transaction() as session:
            await move_delivery(session, delivery.id, DeliveryState.RETRACTING)
    except DeliveryMoveRefused:
        return False
    return True


async def _call(work: Work, delivery: Delivery, destination: Destination) -> Outcome:
    async with work.transaction() as session:
        record = await story_record(session, delivery.submission_id, delivery.revision_number)
        story = story_from(record, destination.id)
    try:
        async with guarded_client(work.settings.allowed_private_hosts) as http:
            tools = FlowTools(work, http)
            platform = PLATFORMS[destination.platform]
            return await platform.retract(story, tools.config(destination), str(delivery.id), tools)
    except Exception:
        if not work.is_last_attempt:
            raise
        _LOG.exception("taking back delivery %s broke off at the last attempt", delivery.id)
        return Unknown(_TAKE_DOWN)


def _by_hand(outcome: Outcome) -> Text:
    return outcome.text if isinstance(outcome, Refused) else _TAKE_DOWN
