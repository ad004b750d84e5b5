"""What people typed and have not saved: one copy for each person and piece. Not on record, voids nothing."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.events import Event
from states.guards import GUARDS
from states.refusals import GuardRefused
from storage.errors import NotFound
from storage.tables import Autosave, EventRow, Submission

_HOLDS_CLAIM = GUARDS["holds_claim"]
# Events that put a piece into the hands of the person who sent them.
_TAKES = (Event.CLAIM.value, Event.CORRECT.value)


@dataclass(frozen=True, slots=True)
class Typed:
    """The fields that were typed, and the revision that they were typed over."""

    base_revision_number: int
    content: dict[str, Any]


async def keep_autosave(session: AsyncSession, row: Submission, person_id: UUID, typed: Typed) -> Autosave:
    """Keep the person's copy, in place of the one before.

    For the author and whoever has the piece, or ever had it: what they typed outlives a claim that ended or
    was taken back. Raises GuardRefused for everybody else.
    """
    if person_id not in (row.author_id, row.claimed_by) and not await _has_held(session, row.id, person_id):
        raise GuardRefused(_HOLDS_CLAIM.name, _HOLDS_CLAIM.refusal)
    values = {
        "base_revision_number": typed.base_revision_number,
        "content": typed.content,
        "saved_at": func.clock_timestamp(),
    }
    statement = insert(Autosave).values(submission_id=row.id, person_id=person_id, **values)
    upsert = statement.on_conflict_do_update(index_elements=["submission_id", "person_id"], set_=values)
    populated = upsert.returning(Autosave).execution_options(populate_existing=True)
    kept: Autosave = (await session.exec(populated)).scalars().one()
    return kept


async def _has_held(session: AsyncSession, submission_id: UUID, person_id: UUID) -> bool:
    took = (col(EventRow.actor_id) == person_id) & col(EventRow.event).in_(_TAKES)
    was_given = (col(EventRow.event) == Event.HAND_OVER.value) & (
        col(EventRow.facts)["to"].astext == str(person_id)
    )
    found = exists().where(col(EventRow.submission_id) == submission_id, or_(took, was_given))
    return bool((await session.exec(select(found))).one())


async def autosave_of(session: AsyncSession, submission_id: UUID, person_id: UUID) -> Autosave:
    """The person's copy. Raises NotFound."""
    statement = select(Autosave).where(
        col(Autosave.submission_id) == submission_id, col(Autosave.person_id) == person_id
    )
    found = (await session.exec(statement)).first()
    if found is None:
        raise NotFound("autosave", submission_id)
    return found


async def list_autosaves(
    session: AsyncSession, submission_id: UUID, person_id: UUID | None, limit: int
) -> list[Autosave]:
    """The copies of everybody, or of one person; the newest `limit`."""
    statement = select(Autosave).where(col(Autosave.submission_id) == submission_id)
    if person_id is not None:
        statement = statement.where(col(Autosave.person_id) == person_id)
    return list(await session.exec(statement.order_by(col(Autosave.saved_at).desc()).limit(limit)))


async def drop_autosave(session: AsyncSession, submission_id: UUID, person_id: UUID) -> None:
    """Forget the person's copy; none is forgotten already."""
    statement = delete(Autosave).where(
        col(Autosave.submission_id) == submission_id, col(Autosave.person_id) == person_id
    )
    await session.exec(statement)
