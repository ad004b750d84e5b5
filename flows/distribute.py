"""Distribute: the signed revision is handed to each destination, at most once, each on its own."""

import asyncio
import logging
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlmodel.ext.asyncio.session import AsyncSession

from flows.catalogue import run_name
from flows.context import NotYet, Work, backoff_s, working
from flows.passing import ends_by_itself
from flows.tools import FlowTools
from platforms.frame import Accepted, Confirmed, HandedOff, Outcome, Refused, TryLater, Unknown
from platforms.net import guarded_client
from platforms.records import story_from
from platforms.registry import PLATFORMS
from platforms.story import Story
from states.delivery import DeliveryMoveRefused, DeliveryState
from states.events import Event
from states.text import Text
from storage import renditions
from storage.board import approvals_of
from storage.credentials import CredentialsUnreadable
from storage.deliveries import deliveries_of, move_delivery
from storage.log import is_in_log
from storage.object_claims import lock_object
from storage.sending import Standing, standing_of
from storage.stories import StoryRecord, story_record
from storage.tables import Delivery, Destination

_LOG = logging.getLogger("sanshen.flows")
_EVENT_OF = {
    DeliveryState.CONFIRMED: Event.DELIVERY_CONFIRMED,
    DeliveryState.HANDED_OFF: Event.DELIVERY_HANDED_OFF,
    DeliveryState.REFUSED: Event.DELIVERY_REFUSED,
    DeliveryState.UNKNOWN: Event.DELIVERY_UNKNOWN,
}
_WAITING = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)
_BROKE_OFF = Text(
    "上次发送中断，无法确定平台是否已收到。请到平台核实后确认或重发。",
    "The last attempt broke off in the middle; whether the platform has it is not known. "
    "Look there, then confirm or send again.",
)

_TAKEN_IN = Text(
    "平台已受理，是否发布成功还不知道。请到平台核实后确认。",
    "The platform has taken it in; whether it is out is not known. Look there, then confirm.",
)


class NotWhatWasSigned(Exception):
    """The files differ from those that the final reviewer signed; nothing is handed over."""


@flow(name="distribute", description="分发 · hand the signed revision to every destination, once")
async def distribute(submission_id: UUID, revision_number: int, outbox_id: int, attempt: int) -> None:
    """Hand one signed revision to every destination that waits for it."""
    async with working(outbox_id, attempt) as work:
        record = await _signed_record(work, submission_id, revision_number)
        async with work.transaction() as session:
            planned = await deliveries_of(session, submission_id)
        waiting = [
            (delivery, destination)
            for delivery, destination in planned
            if delivery.revision_number == revision_number and delivery.state in _WAITING
        ]
        outcomes = await asyncio.gather(
            *(
                deliver.with_options(task_run_name=run_name(f"{destination.name} · {record.content.title}"))(
                    work, story_from(record, destination.id), delivery, destination
                )
                for delivery, destination in waiting
            ),
            return_exceptions=True,
        )
        _settle(work, outcomes)


async def _signed_record(work: Work, submission_id: UUID, revision_number: int) -> StoryRecord:
    """The revision, after proof that content and files are the ones that were signed."""
    async with work.transaction() as session:
        record = await story_record(session, submission_id, revision_number)
        made = await renditions.of_revision(session, submission_id, record.revision_sha256)
        signed = [each for each in await approvals_of(session, submission_id) if each.stage == "final_review"]
    manifest = renditions.manifest_sha256(made)
    sign_offs = [
        each.item_seq
        for each in signed
        if (each.revision_sha256, each.manifest_sha256) == (record.revision_sha256, manifest)
    ]
    if not sign_offs:
        raise NotWhatWasSigned(f"revision {revision_number} with manifest {manifest} has no sign-off")
    async with work.transaction() as session:
        if not await is_in_log(session, submission_id, sign_offs[-1]):
            raise NotYet("the sign-off is not in the log yet; is the dispatcher running?", 1.0)
    return record


def _settle(work: Work, outcomes: list[Outcome | BaseException | None]) -> None:
    """Raise what decides how the outbox row goes on; a delivery that can be tried again asks for the least wait."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    later = [each for each in outcomes if isinstance(each, TryLater)]
    if later:
        delay = max(backoff_s(work.fence.attempt), *(each.retry_after_s or 0 for each in later))
        raise NotYet("; ".join(each.text.en for each in later), delay)


@task(cache_policy=NO_CACHE)
async def deliver(work: Work, story: Story, delivery: Delivery, destination: Destination) -> Outcome | None:
    """One destination: `sending` is on disk before the call, the outcome after it. None: not to be sent."""
    broke_off = delivery.state == DeliveryState.SENDING.value  # an earlier attempt died in the call
    standing = await _begin_sending(work, delivery)
    if standing is Standing.LIVE and (not broke_off or PLATFORMS[destination.platform].is_idempotent):
        outcome = await _publish(work, story, delivery, destination)
    elif broke_off and standing is not Standing.RETRACTED:  # a retraction takes back what broke off
        outcome = Unknown(_BROKE_OFF)
    else:
        return None
    if isinstance(outcome, TryLater) and work.is_last_attempt:
        outcome = Refused(outcome.text)
    await _record(work, story, delivery, destination, outcome)
    return outcome


async def _begin_sending(work: Work, delivery: Delivery) -> Standing | None:
    """Put `sending` on disk if the revision may still go out, else cancel; None when somebody was first."""
    try:
        async with work.transaction() as session:
            standing = await standing_of(session, delivery.submission_id, delivery.revision_number)
            # Until a repair that removes files of the story is through (`storage.object_claims`).
            await lock_object(session, f"stories/{delivery.submission_id}")
            if delivery.state != DeliveryState.SENDING.value:
                goes_out = standing is Standing.LIVE
                target = DeliveryState.SENDING if goes_out else DeliveryState.CANCELLED
                await move_delivery(session, delivery.id, target, seen=DeliveryState.PENDING)
            return standing
    except DeliveryMoveRefused:
        return None  # cancelled, or taken by another run, in between


async def _publish(work: Work, story: Story, delivery: Delivery, destination: Destination) -> Outcome:
    platform = PLATFORMS[destination.platform]
    try:
        async with guarded_client(work.settings.allowed_private_hosts) as http:
            tools = FlowTools(work, http)
            return await platform.publish(story, tools.config(destination), str(delivery.id), tools)
    except CredentialsUnreadable as error:
        return Refused(error.text)
    except Exception as error:
        if not work.is_last_attempt or ends_by_itself(error):
            raise
        _LOG.exception("delivery %s broke off at its last attempt", delivery.id)
        return Unknown(_BROKE_OFF)


async def _record(
    work: Work, story: Story, delivery: Delivery, destination: Destination, outcome: Outcome
) -> None:
    state, values = _stored(outcome)

    async def store(session: AsyncSession) -> None:
        await move_delivery(session, delivery.id, state, seen=DeliveryState.SENDING, **values)

    try:
        if state is DeliveryState.PENDING:
            async with work.transaction() as session:
                await store(session)
        else:
            facts = _facts(story, delivery, destination, values)
            await work.report(UUID(story.id), _EVENT_OF[state], facts, story.revision_sha256, also=store)
    except DeliveryMoveRefused:
        return  # a retraction that did not wait any longer took it over; it takes the story down


def _facts(
    story: Story, delivery: Delivery, destination: Destination, values: dict[str, object]
) -> dict[str, object]:
    return {
        "delivery_id": str(delivery.id),
        "destination": destination.id,
        "revision_number": story.version,
        "url": values.get("external_url"),
        "message": values.get("message"),
    }


def _stored(outcome: Outcome) -> tuple[DeliveryState, dict[str, object]]:
    """The state and the columns that an outcome leaves."""
    match outcome:
        case Confirmed(external_id, url):
            return DeliveryState.CONFIRMED, {
                "external_id": external_id,
                "external_url": url,
                "message": None,
            }
        case HandedOff(url, files):
            return DeliveryState.HANDED_OFF, {"external_url": url, "files": dict(files), "message": None}
        case Refused(text):
            return DeliveryState.REFUSED, {"message": text.to_json()}
        case Accepted(external_id):
            return DeliveryState.UNKNOWN, {"external_id": external_id, "message": _TAKEN_IN.to_json()}
        case TryLater(text):
            return DeliveryState.PENDING, {"message": text.to_json()}
        case Unknown(text):
            return DeliveryState.UNKNOWN, {"message": text.to_json()}
