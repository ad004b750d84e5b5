"""What happens, for those who watch: moves from the event table, the rest by NOTIFY alone.

A move does not notify by itself: NOTIFY makes commits wait for each other, which halves what the database commits
(DECISIONS 39). Whoever moved something says so once, afterwards, and the feeds look into the table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, or_, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.item import State
from storage.database import Database
from storage.tables import EventRow, Submission

LIVE_CHANNEL = "sanshen_live"
_MOST_BYTES = 7900  # PostgreSQL takes less than 8000
# Ids are given before the commit: an event may come to light after one with a higher id.
_LATE_IDS = 64
_LATE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Moved:
    """One move, and whose piece it is."""

    id: int
    submission_id: UUID
    author_id: str
    version: int
    event: str
    source: State | None
    target: State
    at: datetime


async def announce(db: Database) -> None:
    """Say that something moved. It waits for no disk: if it is lost with the server, a slow poll stands behind it."""
    async with db.transaction() as session:
        await (await session.connection()).execute(text("SET LOCAL synchronous_commit = off"))
        await session.exec(select(func.pg_notify(LIVE_CHANNEL, "")))


async def tell(session: AsyncSession, kind: str, submission_id: UUID, facts: Mapping[str, Any]) -> None:
    """Tell the watchers of an item something that is in no table, when this transaction commits.

    Raises ValueError for more than fits.
    """
    payload = json.dumps({"kind": kind, "submission_id": str(submission_id), **facts}, ensure_ascii=False)
    if len(payload.encode()) > _MOST_BYTES:
        raise ValueError(f"{kind} is too long to be told")
    await session.exec(select(func.pg_notify(LIVE_CHANNEL, payload)))


async def newest_event_id(session: AsyncSession) -> int:
    """The id of the newest event, 0 before the first."""
    return (await session.exec(select(func.max(EventRow.id)))).one() or 0


async def moves_after(session: AsyncSession, event_id: int, limit: int) -> list[Moved]:
    """The moves after this one, in order. Some of the last seconds before it are among them again."""
    is_new = or_(col(EventRow.id) > event_id, col(EventRow.at) > _at_of(event_id) - _LATE)
    statement = (
        select(EventRow, Submission.author_id)
        .join(Submission, col(Submission.id) == col(EventRow.submission_id))
        .where(col(EventRow.id) > event_id - _LATE_IDS, col(EventRow.id) != event_id, is_new)
        .order_by(col(EventRow.id))
        .limit(limit)
    )
    return [_moved(*found) for found in (await session.exec(statement)).all()]


async def standing_of(session: AsyncSession, submission_id: UUID) -> tuple[State, str] | None:
    """State and author of an item now; None when there is no such item."""
    statement = select(Submission.state, Submission.author_id).where(col(Submission.id) == submission_id)
    found = (await session.exec(statement)).first()
    return None if found is None else (State(found[0]), str(found[1]))


def _at_of(event_id: int) -> ScalarSelect[Any]:
    return select(EventRow.at).where(col(EventRow.id) == event_id).scalar_subquery()


def _moved(row: EventRow, author_id: UUID) -> Moved:
    source = State(row.from_state) if row.from_state else None
    return Moved(
        row.id or 0,
        row.submission_id,
        str(author_id),
        row.item_seq,
        row.event,
        source,
        State(row.to_state),
        row.at,
    )
