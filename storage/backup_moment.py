"""One moment of the database for several readers: what is dumped and what is listed are of the same state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database

_FACTS = """
    SELECT (SELECT version_num FROM alembic_version) AS schema,
        current_setting('server_version') AS postgresql,
        (SELECT coalesce(max(size), 0) FROM checkpoint) AS log_size,
        (SELECT count(*) FROM event) AS events,
        (SELECT count(*) FROM submission) AS submissions
"""


class DatabaseAt(Database):
    """A database as an exported snapshot shows it. Reads only; the exporting transaction must stay open."""

    def __init__(self, database_url: str, snapshot: str) -> None:
        super().__init__(database_url, pool_size=1)
        self._snapshot = snapshot

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """As everywhere, at that moment."""
        async with super().transaction() as session:
            connection = await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await connection.execute(text(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'"))
            yield session


@asynccontextmanager
async def moment(database_url: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Hold one moment: the snapshot's name and what the database says of itself then."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            yield str(snapshot), dict(await connection.fetchrow(_FACTS))
    finally:
        await connection.close()


async def is_empty(database_url: str) -> bool:
    """Whether the database has no table at all. Raises OSError and asyncpg's errors when it cannot be asked."""
    connection = await asyncpg.connect(database_url)
    try:
        found = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_class "
            "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r')"
        )
        return not found
    finally:
        await connection.close()


# Work that leaves the house and was due: what became of it after the backup, nobody knows here.
_HOLD = text("""
    UPDATE outbox SET finished_at = now(), has_failed = true, leased_until = NULL, last_error = :why
    WHERE finished_at IS NULL AND effect IN ('distribute', 'release') AND available_at <= now()
""")
_FREE = text("UPDATE outbox SET leased_until = NULL WHERE finished_at IS NULL")
_WHY = "restored from a backup: see on each platform whether it went out, then start it again"


async def hold_back(session: AsyncSession) -> int:
    """After a restore: what may have gone out since waits for a person, all other work is free; how much waits."""
    connection = await session.connection()
    held = await connection.execute(_HOLD, {"why": _WHY})
    await connection.execute(_FREE)
    return int(held.rowcount)
