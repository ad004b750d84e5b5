"""The journal: what somebody did that moves no item and must be known later. Rows are added, never changed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import JournalEntry
from storage.tables import JournalRow


async def write_journal(
    session: AsyncSession, action: str, actor_id: UUID | None, subject: str, facts: Mapping[str, Any]
) -> JournalRow:
    """Add one entry, in the caller's transaction. `facts` name things by identifiers, never people by name."""
    at = (await session.exec(select(func.clock_timestamp()))).one()
    entry = JournalEntry(action, str(actor_id) if actor_id else None, subject, facts, at)
    row = JournalRow(
        action=action, actor_id=actor_id, subject=subject, facts=dict(facts), at=at, hash=entry.hash()
    )
    session.add(row)
    await session.flush()
    return row


def journal_entry(row: JournalRow) -> JournalEntry:
    """What was hashed, rebuilt from the table."""
    return JournalEntry(
        row.action, str(row.actor_id) if row.actor_id else None, row.subject, row.facts, row.at
    )
