"""Lists of submissions, by page; the cost is that of the page, not of the total."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, tuple_
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.access import is_staff
from states.item import State
from states.roles import Actor
from storage.tables import Approval, Disclosure, EventRow, Revision, Submission


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """What to list. `after` is the last row of the page before: its time of change and id."""

    states: tuple[State, ...] = ()
    is_mine: bool = False
    column: str | None = None
    text: str | None = None
    after: tuple[datetime, UUID] | None = None


async def list_submissions(
    session: AsyncSession, actor: Actor, wanted: BoardFilter, limit: int
) -> list[Submission]:
    """What the actor may see of what is wanted, last changed first, at most `limit` rows."""
    statement = select(Submission).where(visible(actor), *_conditions(actor, wanted))
    order = (col(Submission.updated_at).desc(), col(Submission.id).desc())
    return list(await session.exec(statement.order_by(*order).limit(limit)))


def visible(actor: Actor) -> ColumnElement[bool]:
    """What the actor may see. The same rule as `states.access.can_see`, held to it by a test."""
    own = col(Submission.author_id) == _person(actor)
    if is_staff(actor):
        return or_(own, col(Submission.state) != State.DRAFT.value)
    return own


def _person(actor: Actor) -> UUID | None:
    return UUID(actor.person_id) if actor.person_id else None


def _conditions(actor: Actor, wanted: BoardFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(col(Submission.state).in_([state.value for state in wanted.states]))
    if wanted.is_mine:
        conditions.append(col(Submission.author_id) == _person(actor))
    if wanted.column is not None:
        conditions.append(col(Submission.column_name) == wanted.column)
    if wanted.text:
        conditions.append(col(Submission.title).icontains(wanted.text, autoescape=True))
    if wanted.after is not None:
        position = tuple_(col(Submission.updated_at), col(Submission.id))
        conditions.append(position < tuple_(*wanted.after))
    return conditions


Opened = Mapping[str, str]  # by field: the value behind a commitment


async def history_of(session: AsyncSession, submission_id: UUID) -> list[tuple[EventRow, Opened]]:
    """Every event of the item, in order, with what can still be told of its commitments."""
    statement = (
        select(EventRow, Disclosure.opened)
        .join(
            Disclosure,
            (col(Disclosure.submission_id) == col(EventRow.submission_id))
            & (col(Disclosure.item_seq) == col(EventRow.item_seq)),
            isouter=True,
        )
        .where(col(EventRow.submission_id) == submission_id)
        .order_by(col(EventRow.item_seq))
    )
    found = (await session.exec(statement)).all()
    return [(row, {name: pair[1] for name, pair in (opened or {}).items()}) for row, opened in found]


async def revisions_of(session: AsyncSession, submission_id: UUID) -> list[Revision]:
    """Every revision of the item, in order."""
    statement = (
        select(Revision).where(col(Revision.submission_id) == submission_id).order_by(col(Revision.number))
    )
    return list(await session.exec(statement))


async def approvals_of(session: AsyncSession, submission_id: UUID) -> list[Approval]:
    """Every approval the item ever had, in order."""
    statement = (
        select(Approval).where(col(Approval.submission_id) == submission_id).order_by(col(Approval.item_seq))
    )
    return list(await session.exec(statement))
