"""Lists of submissions, by page; the cost is that of the page, not of the total."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, tuple_
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.item import State
from states.roles import Actor, Role
from storage.tables import Approval, EventRow, Revision, Submission

_QUEUE_OF = {
    Role.DUTY_EDITOR: (State.RECEIVED, State.FIRST_REVIEW),
    Role.DESK_HEAD: (State.SECOND_REVIEW,),
    Role.EDITOR_IN_CHIEF: (State.FINAL_REVIEW,),
}


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """What to list. `after` is the last row of the page before: its time of change and id."""

    states: tuple[State, ...] = ()
    is_mine: bool = False
    is_queue: bool = False
    column: str | None = None
    text: str | None = None
    after: tuple[datetime, UUID] | None = None


async def list_submissions(
    session: AsyncSession, actor: Actor, wanted: BoardFilter, limit: int
) -> list[Submission]:
    """What the actor may see of what is wanted, last changed first, at most `limit` rows."""
    statement = select(Submission).where(_visible(actor), *_conditions(actor, wanted))
    order = (col(Submission.updated_at).desc(), col(Submission.id).desc())
    return list(await session.exec(statement.order_by(*order).limit(limit)))


def _visible(actor: Actor) -> ColumnElement[bool]:
    """The same rule as `states.access.can_see`, held to it by a test."""
    own = col(Submission.author_id) == _person(actor)
    if actor.roles - {Role.CORRESPONDENT}:
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
    if wanted.is_queue:
        conditions.append(_in_queue(actor))
    if wanted.column is not None:
        conditions.append(col(Submission.column_name) == wanted.column)
    if wanted.text:
        conditions.append(col(Submission.title).icontains(wanted.text, autoescape=True))
    if wanted.after is not None:
        position = tuple_(col(Submission.updated_at), col(Submission.id))
        conditions.append(position < tuple_(*wanted.after))
    return conditions


def _in_queue(actor: Actor) -> ColumnElement[bool]:
    """What this person could take on now: their stages, their columns, nothing of their own."""
    stages = [state.value for role in actor.roles for state in _QUEUE_OF.get(role, ())]
    mine = _person(actor)
    conditions = [
        col(Submission.state).in_(stages),
        col(Submission.author_id) != mine,
        col(Submission.last_editor_id) != mine,
        or_(col(Submission.claimed_by).is_(None), col(Submission.claimed_by) == mine),
    ]
    if actor.columns:
        column = col(Submission.column_name)
        conditions.append(or_(column.is_(None), column.in_(sorted(actor.columns))))
    return and_(*conditions)


async def history_of(session: AsyncSession, submission_id: UUID) -> list[EventRow]:
    """Every event of the item, in order."""
    statement = (
        select(EventRow).where(col(EventRow.submission_id) == submission_id).order_by(col(EventRow.item_seq))
    )
    return list(await session.exec(statement))


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
