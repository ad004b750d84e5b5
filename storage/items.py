"""Reading one submission as `states` wants to see it. Each event costs only the reads that its guards need."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from typing import cast as typing_cast
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, exists, func
from sqlalchemy import select as sa_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.events import Event
from states.item import Here, Item, Override, State
from states.roles import Actor
from states.wall_time import WallTime
from states.workflow import Workflow
from storage.errors import NotFound
from storage.tables import (
    Approval,
    Destination,
    Person,
    Rendition,
    RenditionUse,
    Revision,
    Submission,
    Upload,
    core,
)
from storage.workflows import workflow_by_id

_SUBMISSION, _REVISION, _APPROVAL, _PERSON = core(Submission), core(Revision), core(Approval), core(Person)
_APPROVALS = (
    sa_select(
        func.array_agg(
            func.concat_ws(
                "|",
                _APPROVAL.c.review_round,
                _APPROVAL.c.revision_sha256,
                _APPROVAL.c.stage,
                cast(_APPROVAL.c.person_id, Text),
                cast(_APPROVAL.c.on_behalf_of, Text),
            )
        )
    )
    .where(_APPROVAL.c.submission_id == _SUBMISSION.c.id)
    .scalar_subquery()
)
_ACTOR_NAME = sa_select(_PERSON.c.display_name).where(_PERSON.c.id == bindparam("actor_id")).scalar_subquery()
# Columns, not objects, and built once: SQLAlchemy's objects cost more than the rest of a decision (DECISIONS 16).
_LOAD = (
    sa_select(
        *_SUBMISSION.c,
        _REVISION.c.content,
        _APPROVALS.label("approved"),
        _ACTOR_NAME.label("actor_name"),
        func.clock_timestamp().label("now"),
    )
    .join(
        _REVISION,
        (_REVISION.c.submission_id == _SUBMISSION.c.id)
        & (_REVISION.c.number == _SUBMISSION.c.revision_number),
    )
    .where(_SUBMISSION.c.id == bindparam("id"))
)


@dataclass(frozen=True, slots=True)
class LoadedItem:
    """A submission with its current content, as the guards see it and as the table holds it.

    `row` has a submission's columns by name; it is read only and knows nothing of the session. `workflow`
    is the one that binds it, from its first submit on.
    """

    row: Submission
    content: Content
    item: Item
    workflow: Workflow | None
    actor_name: str | None = None


@dataclass(frozen=True, slots=True)
class _More:
    """What only some guards ask for; each costs a query."""

    has_open_uploads: bool = False
    has_destination: bool = True
    missing_renditions: tuple[str, ...] = field(default=())


async def load_item(
    session: AsyncSession, submission_id: UUID, event: Event | None = None, actor: Actor | None = None
) -> LoadedItem:
    """The submission for `event` by `actor`, or for every event when None. Raises NotFound."""
    connection = await session.connection()
    person_id = UUID(actor.person_id) if actor and actor.person_id else None
    found = (await connection.execute(_LOAD, {"id": submission_id, "actor_id": person_id})).first()
    if found is None:
        raise NotFound("submission", submission_id)
    row, content = typing_cast(Submission, found), Content.from_json(found.content)
    workflow = await workflow_by_id(session, row.workflow_id) if row.workflow_id is not None else None
    more = await _more(session, row, content, event)
    item = _item(row, content, found.approved or [], workflow, more, found.now)
    return LoadedItem(row, content, item, workflow, found.actor_name)


async def _more(session: AsyncSession, row: Submission, content: Content, event: Event | None) -> _More:
    submits = event in (None, Event.SUBMIT)
    signs_off = event in (None, Event.APPROVE) and row.state == State.FINAL_REVIEW
    return _More(
        has_open_uploads=submits and await _has_open_uploads(session, row.id),
        has_destination=not (submits or signs_off) or await _has_destination(session, content),
        missing_renditions=await _missing_renditions(session, row) if signs_off else (),
    )


async def _has_open_uploads(session: AsyncSession, submission_id: UUID) -> bool:
    found = exists().where(col(Upload.submission_id) == submission_id, col(Upload.state) == "open")
    return bool((await session.exec(select(found))).one())


async def _has_destination(session: AsyncSession, content: Content) -> bool:
    found = exists().where(
        col(Destination.id).in_(content.destinations), col(Destination.is_enabled).is_(True)
    )
    return bool((await session.exec(select(found))).one())


async def _missing_renditions(session: AsyncSession, row: Submission) -> tuple[str, ...]:
    statement = (
        select(Rendition.profile, Rendition.state)
        .join(RenditionUse, col(RenditionUse.rendition_key) == col(Rendition.key))
        .where(
            col(RenditionUse.submission_id) == row.id,
            col(RenditionUse.revision_sha256) == row.revision_sha256,
            col(Rendition.state) != "ready",
        )
    )
    missing = tuple(f"{profile} ({state})" for profile, state in await session.exec(statement))
    # Both are asked: a second run for the same revision may be making what the first has not.
    is_told = row.media_revision_sha256 == row.revision_sha256
    return missing or (() if is_told else ("(planning)",))


@dataclass(frozen=True, slots=True)
class _Approved:
    """One approval as `_LOAD` tells of it."""

    is_current: bool  # of this round and this content
    stage: str
    people: tuple[str, ...]  # who signed, and on whose behalf


def _approved(row: Submission, packed: str) -> _Approved:
    review_round, sha256, stage, *people = packed.split("|")
    is_current = (int(review_round), sha256) == (row.review_round, row.revision_sha256)
    return _Approved(is_current, stage, tuple(people))


def _item(
    row: Submission,
    content: Content,
    packed: list[str],
    workflow: Workflow | None,
    more: _More,
    now: datetime,
) -> Item:
    approved = [_approved(row, each) for each in packed]
    embargo = content.embargo.instant() if content.embargo else None
    return Item(
        state=State(row.state),
        author_id=str(row.author_id),
        last_editor_id=str(row.last_editor_id),
        column=row.column_name,
        revision_sha256=row.revision_sha256,
        now=now,
        here=_here(row, workflow, approved),
        claimed_by=str(row.claimed_by) if row.claimed_by else None,
        claimed_until=row.claimed_until,
        held_from=State(row.held_from) if row.held_from else None,
        override=_override(row.override),
        release_at=_release_at(row, embargo),
        embargo_until=embargo,
        is_intake_done=row.is_intake_done,
        is_live=row.live_revision_number is not None,
        is_published=row.published_at is not None,
        is_signed=row.signed_revision_number == row.revision_number,
        is_changed_since_live=row.revision_number != row.live_revision_number,
        is_fast_track=row.is_fast_track,
        reviewers=frozenset((each.stage, person) for each in approved for person in each.people),
        has_title=bool(content.title.strip()),
        has_body_or_asset=bool(content.body.strip() or content.assets),
        is_ai_declared=content.ai_label != "undeclared",
        has_open_uploads=more.has_open_uploads,
        missing_renditions=more.missing_renditions,
        destination_problems=_problems(row.media_problems),
        has_destination=more.has_destination,
    )


def _here(row: Submission, workflow: Workflow | None, approved: list[_Approved]) -> Here | None:
    if row.stage is None or workflow is None:
        return None
    stage, following = workflow.by_key[row.stage], workflow.after(row.stage)
    signed = [each.people for each in approved if each.is_current and each.stage == stage.key]
    return Here(
        key=stage.key,
        role=stage.role,
        signatures=stage.signatures,
        signed_by=frozenset(people[0] for people in signed),
        signed_for=frozenset(person for people in signed for person in people[1:]),
        leads_to=following.state if following else State.APPROVED,
    )


def _override(stored: dict[str, Any] | None) -> Override | None:
    if stored is None:
        return None
    return Override(Actor(stored["asker_id"], frozenset()), stored["stage"], stored["revision_sha256"])


def _release_at(row: Submission, embargo: datetime | None) -> datetime | None:
    """When it goes out: as scheduled, but not before its embargo ends. Computed anew from the wall-clock time:
    zone rules may have changed since it was scheduled.
    """
    if row.release_local is None or row.release_zone is None:
        return embargo
    scheduled = WallTime(row.release_local, row.release_zone).instant()
    return max(scheduled, embargo) if embargo else scheduled


def _problems(stored: list[Any]) -> tuple[str, ...]:
    return tuple(f"{each['destination']}: {each['zh']} / {each['en']}" for each in stored)
