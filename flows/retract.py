"""Retract: a story is taken back from every place that it ever went to; what cannot be, needs a person."""

import asyncio
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.context import NotYet, Work, backoff_s, working
from flows.tools import FlowTools
from platforms.frame import Confirmed, Outcome, Refused, TryLater
from platforms.net import guarded_client
from platforms.records import story_from
from platforms.registry import PLATFORMS
from states.delivery import MAY_BE_OUT, DeliveryState
from states.text import Text
from storage.deliveries import deliveries_of, move_delivery
from storage.stories import story_record
from storage.tables import Delivery, Destination

_TO_REACH = {state.value for state in (*MAY_BE_OUT, DeliveryState.RETRACTING)}


@flow(name="retract", description="撤稿 · take the story back from every place it went to")
async def retract(submission_id: UUID, outbox_id: int, attempt: int) -> None:
    """Take every delivery of the item back, those of closed destinations too."""
    async with working(outbox_id, attempt) as work:
        async with work.transaction() as session:
            ever = await deliveries_of(session, submission_id)
        reached = [pair for pair in ever if pair[0].state in _TO_REACH]
        outcomes = await asyncio.gather(
            *(
                take_back.with_options(task_run_name=f"{destination.name} · 撤稿")(
                    work, delivery, destination
                )
                for delivery, destination in reached
            )
        )
        if any(isinstance(each, TryLater) for each in outcomes):
            raise NotYet("some destinations did not answer", backoff_s(attempt))


@task(cache_policy=NO_CACHE)
async def take_back(work: Work, delivery: Delivery, destination: Destination) -> Outcome:
    """One delivery: `retracting` is on disk before the call, the outcome after it."""
    if delivery.state != DeliveryState.RETRACTING.value:
        async with work.transaction() as session:
            await move_delivery(session, delivery.id, DeliveryState.RETRACTING)
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


async def _call(work: Work, delivery: Delivery, destination: Destination) -> Outcome:
    async with work.transaction() as session:
        story = story_from(await story_record(session, delivery.submission_id, delivery.revision_number))
    async with guarded_client(work.settings.allowed_private_hosts) as http:
        tools = FlowTools(work, http)
        platform = PLATFORMS[destination.platform]
        return await platform.retract(story, tools.config(destination), str(delivery.id), tools)


def _by_hand(outcome: Outcome) -> Text:
    if isinstance(outcome, Refused):
        return outcome.text
    return Text(
        "请到该平台手动撤下，然后在此确认。", "Take it down on the platform by hand, then confirm here."
    )
