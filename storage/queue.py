"""My queue: what waits for one person, by time left. The same rules as the guards, held to them by a test.

Each reason to be in a queue is a branch with an index of its own and a limit, so that a page costs a page.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from typing import cast as typing_cast
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    and_,
    func,
    literal,
    literal_column,
    or_,
    tuple_,
    union_all,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy import cast as sa_cast
from sqlalchemy import select as sa_select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.events import Event
from states.item import State
from states.roles import EDITORS, Actor, Role
from states.submission import MOVES
from storage.tables import Approval, Submission, core
from storage.tables.submissions import BY_TIME_LEFT

# Where a piece without a deadline stands in the order; it is written in the index, too.
NO_DEADLINE = datetime(2096, 1, 1, tzinfo=UTC)
_HEADS = frozenset({Role.DESK_HEAD, Role.EDITOR_IN_CHIEF})
_S, _A = core(Submission), core(Approval)
_ORDER = literal_column(BY_TIME_LEFT, DateTime(timezone=True))
_OVERRIDABLE = sorted({move.source.value for move in MOVES if move.event is Event.CONFIRM_OVERRIDE})
# Written out, not bound: a prepared statement finds a partial index only by what it can read.
_IS_NOT_HELD = literal_column("state <> 'held'", Boolean)
_IS_RETURNED = literal_column("state = 'returned'", Boolean)

Place = tuple[datetime, UUID]


class Why(StrEnum):
    """Why a piece is in somebody's queue; of several reasons the first counts."""

    HELD = "held"
    CORRECTING = "correcting"
    OVERRIDE = "override"
    RETURNED = "returned"
    REVIEW = "review"


_RANK = {why: rank for rank, why in enumerate(Why)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One piece in a queue. `row` has a submission's columns by name and is read only."""

    row: Submission
    why: Why
    time_left_s: float | None

    @property
    def place(self) -> Place:
        """Where it stands in the order; the next page begins behind it."""
        return self.row.due_at or NO_DEADLINE, self.row.id


@dataclass(frozen=True, slots=True)
class _Right:
    """A role that somebody may use: who must be independent of the piece, in which columns, until when."""

    role: Role
    people: tuple[UUID, ...]
    columns: frozenset[str]
    until: datetime | None = None


async def queue_of(
    session: AsyncSession, actor: Actor, limit: int, after: Place | None = None
) -> list[Waiting]:
    """What waits for this person, what is due first first and what has no deadline last; at most `limit`."""
    if actor.person_id is None:
        return []
    branches = list(_branches(actor, UUID(actor.person_id)))
    if not branches:
        return []
    limited = (_limited(branch, limit, after).subquery() for branch in branches)
    found = union_all(*(sa_select(each) for each in limited)).subquery()
    place = (found.c.place, found.c.id)
    page = (
        sa_select(*place, func.min(found.c.rank).label("rank")).group_by(*place).order_by(*place).limit(limit)
    )
    first = page.subquery()
    left_s = func.extract("epoch", _S.c.due_at - func.now())
    statement = (
        sa_select(*_S.c, first.c.rank, left_s.label("left_s"))
        .join(first, first.c.id == _S.c.id)
        .order_by(first.c.place, first.c.id)
    )
    connection = await session.connection()
    return [_waiting(row) for row in await connection.execute(statement)]


def _waiting(row: Any) -> Waiting:
    left_s = None if row.left_s is None else float(row.left_s)
    return Waiting(typing_cast(Submission, row), list(Why)[row.rank], left_s)


_Branch = Select[tuple[Any, ...]]


def _branch(why: Why, *conditions: ColumnElement[bool]) -> _Branch:
    rank = literal_column(str(_RANK[why]), Integer).label("rank")
    return sa_select(_S.c.id, _ORDER.label("place"), rank).where(*conditions)


def _limited(branch: _Branch, limit: int, after: Place | None) -> _Branch:
    if after is not None:
        branch = branch.where(tuple_(_ORDER, _S.c.id) > tuple_(*after))
    return branch.order_by(_ORDER, _S.c.id).limit(limit)


def _branches(actor: Actor, me: UUID) -> Iterator[_Branch]:
    rights = list(_rights(actor, me))
    if any(right.role in EDITORS for right in rights):
        yield _branch(Why.HELD, _S.c.claimed_by == me, _S.c.state != State.CORRECTING.value)
        yield _branch(Why.CORRECTING, _S.c.claimed_by == me, _S.c.state == State.CORRECTING.value)
    if rights:
        yield _branch(Why.RETURNED, _S.c.author_id == me, _IS_RETURNED)
    for right in rights:
        if right.role in EDITORS:
            for column in _columns(right):
                yield _branch(Why.REVIEW, *_reviewable(right, me), *column)
        if right.role in _HEADS:
            yield _branch(Why.OVERRIDE, *_confirmable(right))


def _rights(actor: Actor, me: UUID) -> Iterator[_Right]:
    """The actor's own roles and those lent to them, as far as they write or review."""
    writers = EDITORS | {Role.CORRESPONDENT}
    for role in sorted(actor.roles & writers):
        yield _Right(role, (me,), actor.columns)
    for lent in actor.delegated:
        if lent.role in writers:
            yield _Right(lent.role, (me, UUID(lent.principal_id)), lent.columns, lent.until)


def _columns(right: _Right) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """A branch for each column that the right is for, as the index goes column by column; or one for all."""
    if not right.columns:
        yield ()
        return
    yield (_S.c.column_name.is_(None),)
    for column in sorted(right.columns):
        yield (_S.c.column_name == column,)


def _reviewable(right: _Right, me: UUID) -> Iterator[ColumnElement[bool]]:
    """What could be claimed by this right, and is not the actor's already."""
    yield _S.c.stage_role == right.role.value
    yield _IS_NOT_HELD
    yield or_(_S.c.state != State.RECEIVED.value, _S.c.is_intake_done)
    yield or_(
        _S.c.claimed_by.is_(None),
        and_(_S.c.claimed_by != me, _S.c.claimed_until <= func.now()),
    )
    yield from _independent(right)
    yield ~_signed(right.people)


def _confirmable(right: _Right) -> Iterator[ColumnElement[bool]]:
    """An emergency override that somebody else, independent of the piece, asked for as it is now."""
    asker = sa_cast(_S.c.override["asker_id"].astext, UuidType)
    yield _S.c.override.is_not(None)
    yield _S.c.state.in_(_OVERRIDABLE)
    yield _S.c.override["stage"].astext == _S.c.stage
    yield _S.c.override["revision_sha256"].astext == _S.c.revision_sha256
    yield asker.not_in(right.people)
    yield asker.not_in([_S.c.author_id, _S.c.last_editor_id])
    yield ~_signed((asker,))
    yield from _independent(right)


def _independent(right: _Right) -> Iterator[ColumnElement[bool]]:
    yield _S.c.author_id.not_in(right.people)
    yield _S.c.last_editor_id.not_in(right.people)
    if right.until is not None:
        yield literal(right.until) > func.now()


def _signed(people: Iterable[Any]) -> ColumnElement[bool]:
    """Whether one of them reviewed the piece at another stage ever, or signed its content at this one."""
    people = list(people)
    theirs = or_(_A.c.person_id.in_(people), _A.c.on_behalf_of.in_(people))
    counts = or_(
        _A.c.stage != _S.c.stage,
        and_(_A.c.review_round == _S.c.review_round, _A.c.revision_sha256 == _S.c.revision_sha256),
    )
    signed = sa_select(_A.c.item_seq).where(_A.c.submission_id == _S.c.id, theirs, counts)
    # The offset keeps it a look-up for each row of the page; as a join it would read every approval ever given.
    return signed.correlate(_S).offset(literal_column("0", Integer)).exists()
