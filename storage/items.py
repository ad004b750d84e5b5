"""Reading one submission as `states` wants to see it. Each event costs only the reads that its guards need."""

from dataclasses import dataclass, field
from typing import Any
from typing import cast as typing_cast
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, exists, func
from sqlalchemy import select as sa_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.item import Item, State
from states.submission import Event
from storage.errors import NotFound
from storage.tables import Approval, Destination, Rendition, RenditionUse, Revision, Submission, Upload, core

_SUBMISSION, _REVISION, _APPROVAL = core(Submission), core(Revision), core(Approval)
_APPROVALS = (
    sa_select(func.array_agg(_APPROVAL.c.stage + ":" + cast(_APPROVAL.c.person_id, Text)))
    .where(_APPROVAL.c.submission_id == _SUBMISSION.c.id)
    .scalar_subquery()
)
# Columns, not objects, and built once: SQLAlchemy's objects cost more than the rest of a decision (DECISIONS 16).
_LOAD = (
    sa_select(*_SUBMISSION.c, _REVISION.c.content, _APPROVALS.label("approved"))
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

    `row` has a submission's columns by name; it is read only and knows nothing of the session.
    """

    row: Submission
    content: Content
    item: Item


@dataclass(frozen=True, slots=True)
class _More:
    """What only some guards ask for; each costs a query."""

    has_open_uploads: bool = False
    has_destination: bool = True
    missing_renditions: tuple[str, ...] = field(default=())


async def load_item(session: AsyncSession, submission_id: UUID, event: Event | None = None) -> LoadedItem:
    """The submission for `event`, or for every event when None. Raises NotFound."""
    connection = await session.connection()
    found = (await connection.execute(_LOAD, {"id": submission_id})).first()
    if found is None:
        raise NotFound("submission", submission_id)
    row, content = typing_cast(Submission, found), Content.from_json(found.content)
    more = await _more(session, row, content, event)
    return LoadedItem(row, content, _item(row, content, found.approved or [], more))


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


def _item(row: Submission, content: Content, approved: list[str], more: _More) -> Item:
    pairs = (each.split(":", 1) for each in approved)
    return Item(
        state=State(row.state),
        author_id=str(row.author_id),
        last_editor_id=str(row.last_editor_id),
        column=row.column_name,
        revision_sha256=row.revision_sha256,
        claimed_by=str(row.claimed_by) if row.claimed_by else None,
        held_from=State(row.held_from) if row.held_from else None,
        is_intake_done=row.is_intake_done,
        is_live=row.live_revision_number is not None,
        is_changed_since_live=row.revision_number != row.live_revision_number,
        is_fast_track=row.is_fast_track,
        reviewers=frozenset((State(stage), person) for stage, person in pairs),
        has_title=bool(content.title.strip()),
        has_body_or_asset=bool(content.body.strip() or content.assets),
        is_ai_declared=content.ai_label != "undeclared",
        has_open_uploads=more.has_open_uploads,
        missing_renditions=more.missing_renditions,
        destination_problems=_problems(row.media_problems),
        has_destination=more.has_destination,
    )


def _problems(stored: list[Any]) -> tuple[str, ...]:
    return tuple(f"{each['destination']}: {each['zh']} / {each['en']}" for each in stored)
