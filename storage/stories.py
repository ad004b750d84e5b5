"""Signed revisions with their renditions: what a destination is given and what readers see."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.delivery import DeliveryState
from states.events import Event
from states.item import State
from storage.errors import NotFound
from storage.renditions import of_revision
from storage.tables import Asset, Delivery, Destination, Disclosure, EventRow, Rendition, Revision, Submission

APP = "app"  # the platform whose confirmed delivery puts a story before our own readers

_WAS_CONFIRMED = (
    DeliveryState.CONFIRMED,
    DeliveryState.RETRACTING,
    DeliveryState.RETRACTED,
    DeliveryState.NEEDS_PERSON,
)
_BEFORE_READERS = (
    select(col(Delivery.submission_id), col(Delivery.revision_number))
    .join(Destination, col(Destination.id) == col(Delivery.destination_id))
    .where(
        col(Destination.platform) == APP,
        col(Delivery.confirmed_at).is_not(None),
        col(Delivery.state).in_([state.value for state in _WAS_CONFIRMED]),
    )
)


@dataclass(frozen=True, slots=True)
class StoryRecord:
    """One revision of one submission, whole: content, the kinds of its assets, and its renditions."""

    submission_id: UUID
    revision_number: int
    revision_sha256: str
    content: Content
    asset_kinds: dict[str, str]  # by sha256: video, audio, still
    renditions: tuple[Rendition, ...]
    published_at: datetime
    updated_at: datetime
    is_retracted: bool
    retraction_note: str | None = None


async def story_record(session: AsyncSession, submission_id: UUID, revision_number: int) -> StoryRecord:
    """One revision of one submission as a story. Raises NotFound."""
    statement = (
        select(Submission, Revision)
        .join(Revision, col(Revision.submission_id) == col(Submission.id))
        .where(col(Submission.id) == submission_id, col(Revision.number) == revision_number)
        .execution_options(populate_existing=True)
    )
    found = (await session.exec(statement)).first()
    if found is None:
        raise NotFound("revision", f"{submission_id}/{revision_number}")
    submission, revision = found
    renditions = await of_revision(session, submission_id, revision.sha256)
    return StoryRecord(
        submission_id=submission_id,
        revision_number=revision.number,
        revision_sha256=revision.sha256,
        content=Content.from_json(revision.content),
        asset_kinds=await _kinds(session, submission_id),
        renditions=tuple(each for each in renditions if each.state == "ready"),
        published_at=submission.published_at or submission.updated_at,
        updated_at=await _changed_for_readers(session, submission, revision_number),
        is_retracted=submission.state == State.RETRACTED.value,
        retraction_note=await _retraction_note(session, submission),
    )


async def _changed_for_readers(
    session: AsyncSession, submission: Submission, revision_number: int
) -> datetime:
    """When readers got this revision, or lost it; what happens inside the newsroom does not move it."""
    if submission.state == State.RETRACTED.value:
        return submission.updated_at
    statement = select(func.min(col(Delivery.confirmed_at))).where(
        col(Delivery.submission_id) == submission.id, col(Delivery.revision_number) == revision_number
    )
    return (await session.exec(statement)).one() or submission.updated_at


async def _kinds(session: AsyncSession, submission_id: UUID) -> dict[str, str]:
    statement = select(Asset.sha256, Asset.kind).where(
        col(Asset.submission_id) == submission_id, col(Asset.intake) == "passed"
    )
    return {sha256: kind for sha256, kind in await session.exec(statement) if kind is not None}


async def _retraction_note(session: AsyncSession, submission: Submission) -> str | None:
    if submission.state != State.RETRACTED.value:
        return None
    statement = (
        select(Disclosure.opened)
        .join(
            EventRow,
            (col(EventRow.submission_id) == col(Disclosure.submission_id))
            & (col(EventRow.item_seq) == col(Disclosure.item_seq)),
        )
        .where(col(EventRow.submission_id) == submission.id, col(EventRow.event) == Event.RETRACT.value)
        .order_by(col(EventRow.item_seq).desc())
    )
    opened = (await session.exec(statement)).first() or {}
    return opened["reason"][1] if "reason" in opened else None


async def public_story(session: AsyncSession, submission_id: UUID) -> StoryRecord | None:
    """What readers see of a submission: the newest revision that our own app confirmed; None before that."""
    statement = _BEFORE_READERS.where(col(Delivery.submission_id) == submission_id)
    newest = statement.order_by(col(Delivery.revision_number).desc()).limit(1)
    found = (await session.exec(newest)).first()
    return await story_record(session, found[0], found[1]) if found else None


async def public_stories(session: AsyncSession, limit: int) -> list[StoryRecord]:
    """The stories before our own readers, newest first; retracted ones among them, marked as such."""
    newest = (
        _BEFORE_READERS.with_only_columns(
            col(Delivery.submission_id), func.max(col(Delivery.revision_number)).label("revision_number")
        )
        .group_by(col(Delivery.submission_id))
        .subquery()
    )
    statement = (
        select(newest.c.submission_id, newest.c.revision_number)
        .join(Submission, col(Submission.id) == newest.c.submission_id)
        .order_by(col(Submission.published_at).desc().nulls_last())
        .limit(limit)
    )
    return [await story_record(session, *each) for each in (await session.exec(statement)).all()]
