"""Moves that nobody asks for: their time has come. Reminders, escalations, and releases that were missed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, literal, literal_column, union_all
from sqlalchemy import select as sa_select
from sqlmodel import func
from sqlmodel.ext.asyncio.session import AsyncSession

from states.events import Effect, Event
from states.item import Request
from states.refusals import MoveRefused
from states.roles import SYSTEM
from storage.advance import Change, advance
from storage.errors import Conflict
from storage.tables import OutboxRow, Submission, core
from storage.tables.submissions import AWAITS_RELEASE

_S, _O = core(Submission), core(OutboxRow)


@dataclass(frozen=True, slots=True)
class TimedMove:
    """A move whose time had come when it was looked for."""

    submission_id: UUID
    event: Event


_PROMISED = exists().where(
    _O.c.submission_id == _S.c.id, _O.c.effect == Effect.RELEASE.value, _O.c.finished_at.is_(None)
)
# What escalates is not reminded of as well. A release is promised by its outbox row; one without may be due.
_DUE: dict[Event, tuple[ColumnElement[bool], ...]] = {
    Event.ESCALATE: (_S.c.escalate_at <= func.now(),),
    Event.REMIND: (
        _S.c.remind_at <= func.now(),
        _S.c.escalate_at.is_(None) | (_S.c.escalate_at > func.now()),
    ),
    Event.GO_OUT: (literal_column(AWAITS_RELEASE), ~_PROMISED),
}


async def timed_moves(session: AsyncSession, limit: int) -> list[TimedMove]:
    """Up to `limit` moves of each kind whose time has come; when there are none, one look at three small indexes.

    A release among them may still be refused: it is due by its wall clock, which `states` reads.
    """
    kinds = (
        sa_select(_S.c.id, literal(event.value).label("event")).where(*due).limit(limit).subquery()
        for event, due in _DUE.items()
    )
    connection = await session.connection()
    found = await connection.execute(union_all(*(sa_select(kind) for kind in kinds)))
    return [TimedMove(row.id, Event(row.event)) for row in found]


async def make_timed_move(session: AsyncSession, timed: TimedMove) -> bool:
    """Make the move unless it was made, or is being made, by somebody else; whether it was made."""
    due = sa_select(_S.c.stage, _S.c.due_at).where(_S.c.id == timed.submission_id, *_DUE[timed.event])
    connection = await session.connection()
    row = (await connection.execute(due.with_for_update(skip_locked=True, of=_S))).first()
    if row is None:
        return False
    try:
        await advance(
            session, timed.submission_id, timed.event, Request(SYSTEM), Change(facts=_facts(timed, row))
        )
    except (MoveRefused, Conflict):  # nothing was written
        return False
    return True


def _facts(timed: TimedMove, row: Any) -> dict[str, Any]:
    if timed.event is Event.GO_OUT:
        return {}
    return {"stage": row.stage, "due_at": row.due_at.isoformat() if row.due_at else None}
