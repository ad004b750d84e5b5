"""`sanshen ledger verify`: the whole record is replayed, and every fault is named with its place.

Two halves: the log and its signatures, the items and their events. A long record is read by two processes,
for both halves are hashing; they see one state of the database by PostgreSQL's exported snapshots.
"""

import asyncio
import pickle
import subprocess
import sys

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database
from storage.findings import Against, Findings
from storage.verify_items import verify_items
from storage.verify_log import verify_log
from storage.verify_marks import verify_marks
from storage.verify_tables import verify_tables

_ALONE = 20_000  # entries that one process has read before a second one is there


async def verify_ledger(db: Database, against: Against) -> Findings:
    """Replay everything, as it stands at one moment. Reads only. Raises CopyUnreadable."""
    async with db.transaction() as session:
        connection = await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        if await connection.scalar(text("SELECT count(*) FROM log_leaf")) < _ALONE:
            return await replay(session, against)
        snapshot = await connection.scalar(text("SELECT pg_export_snapshot()"))
        of_log = asyncio.create_task(_replay_log_apart(db.url, snapshot, against))
        of_items = await _replay_items(session)
        return (await of_log) | of_items


async def replay(session: AsyncSession, against: Against) -> Findings:
    """As `verify_ledger`, in the caller's transaction and by one process."""
    return await _replay_log(session, against) | await _replay_items(session)


async def _replay_log(session: AsyncSession, against: Against) -> Findings:
    findings = Findings()
    await verify_log(session, against, findings)
    await verify_marks(session, against, findings)
    return findings


async def _replay_items(session: AsyncSession) -> Findings:
    findings = Findings()
    await verify_items(session, findings)
    await verify_tables(session, findings)
    return findings


async def _replay_log_apart(url: str, snapshot: str, against: Against) -> Findings:
    """By a process of its own, which is told what to do by its standard input: the address holds a password."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    answer, _ = await process.communicate(pickle.dumps((url, snapshot, against)))
    if process.returncode != 0:
        raise RuntimeError(f"the process that replays the log ended with {process.returncode}")
    findings: Findings = pickle.loads(answer)  # noqa: S301 - from our own process
    return findings


async def _replay_log_at(url: str, snapshot: str, against: Against) -> Findings:
    db = Database(url, pool_size=1)
    try:
        async with db.transaction() as session:
            connection = await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await connection.execute(text(f"SET TRANSACTION SNAPSHOT '{snapshot}'"))
            return await _replay_log(session, against)
    finally:
        await db.close()


if __name__ == "__main__":
    asked = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - from the process that started this one
    sys.stdout.buffer.write(pickle.dumps(asyncio.run(_replay_log_at(*asked))))
