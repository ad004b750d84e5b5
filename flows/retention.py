"""The retention rules at work: once a day what they ask for, and the log files of this host."""

import asyncio
import logging
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from storage.database import Database, is_unavailable
from storage.errors import StorageError
from storage.journal import write_journal
from storage.keys import ASSETS, RENDITIONS
from storage.listing import empty_aside
from storage.object_claims import erase_unless_owned
from storage.objects import Objects
from storage.reconcile_rows import owners_in
from storage.retention import REMOVED, Removal, remove, would_remove
from storage.retention_rules import DRAFTS, LOGS, REJECTED, chosen_rules
from storage.settings import Settings

OF_PIECES = (DRAFTS, REJECTED)
_LOOK_EVERY_S = 3600.0
_LOG = logging.getLogger("sanshen.retention")
# One dispatcher of several, once a day.
_CLAIM = text("""
    UPDATE retention_rule SET swept_at = now()
    WHERE is_on AND name = ANY(:names) AND (swept_at IS NULL OR swept_at <= now() - interval '1 day')
    RETURNING name
""")


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file that was put aside and whose time is over."""

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Due:
    """What the rules remove, or would."""

    pieces: tuple[Removal, ...]
    logs: tuple[LogFile, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        logs = [{"name": each.path.name, "size_bytes": each.size_bytes} for each in self.logs]
        return {"pieces": [each.to_json() for each in self.pieces], "logs": logs}


async def dry_run(settings: Settings, db: Database, rules: tuple[str, ...]) -> Due:
    """Exactly what `apply` would remove by these rules; nothing is changed."""
    pieces = await would_remove(db, [rule for rule in rules if rule in OF_PIECES])
    logs = await _old_logs(settings, db) if LOGS in rules else ()
    return Due(tuple(pieces), logs)


async def apply(settings: Settings, db: Database, objects: Objects, rules: tuple[str, ...]) -> Due:
    """Remove what is due by these rules; each removal stands in the journal. Raises StoreUnavailable."""
    of_pieces = [rule for rule in rules if rule in OF_PIECES]
    pieces = await remove(db, objects, of_pieces)
    for bucket in (ASSETS, RENDITIONS) if of_pieces else ():
        erase = partial(erase_unless_owned, db, objects, owners_in(db))
        await empty_aside(objects, bucket, datetime.now(UTC), erase)  # of earlier days: for good
    logs = await _remove_logs(settings, db) if LOGS in rules else ()
    return Due(tuple(pieces), logs)


async def _old_logs(settings: Settings, db: Database) -> tuple[LogFile, ...]:
    keep_days = await _log_days(db)
    before = (datetime.now(UTC) - timedelta(days=keep_days)).timestamp()
    return await asyncio.to_thread(_find, settings.home / "logs", before)


async def _log_days(db: Database) -> int:
    async with db.transaction() as session:
        chosen = {each.rule.name: each for each in await chosen_rules(session)}[LOGS]
    return max(chosen.keep_days or 0, chosen.rule.minimum_days)


def _find(folder: Path, before: float) -> tuple[LogFile, ...]:
    """The names that the supervisor gives to logs that it puts aside; the ones being written stay."""
    found = ((path, path.stat()) for path in sorted(folder.glob("*.log.*")))
    return tuple(LogFile(path, stat.st_size) for path, stat in found if stat.st_mtime < before)


async def _remove_logs(settings: Settings, db: Database) -> tuple[LogFile, ...]:
    logs = await _old_logs(settings, db)
    if not logs:
        return ()
    facts = {"rule": LOGS, "keep_days": await _log_days(db), "files": [each.path.name for each in logs]}
    async with db.transaction() as session:
        await write_journal(session, REMOVED, None, f"logs/{socket.gethostname()}", facts)
    for each in logs:
        await asyncio.to_thread(each.path.unlink, missing_ok=True)
    return logs


async def keep_retaining(settings: Settings, db: Database) -> None:
    """Do daily what the rules that are switched on ask for, until cancelled. What is away is waited for."""
    while True:
        try:
            await retain(settings, db)
        except Exception as error:
            if not isinstance(error, StorageError) and not is_unavailable(error):
                raise
            _LOG.warning("waiting: %s", str(error) or type(error).__name__)
        await asyncio.sleep(_LOOK_EVERY_S)


async def retain(settings: Settings, db: Database) -> Due:
    """The daily sweep, for what is switched on and was not swept today; of logs, each host has its own."""
    async with db.transaction() as session:
        claimed = await (await session.connection()).execute(_CLAIM, {"names": list(OF_PIECES)})
        rules = list(claimed.scalars())
        is_on = {each.rule.name for each in await chosen_rules(session) if each.is_on}
    due = await apply(settings, db, Objects(settings), (*rules, *(is_on & {LOGS})))
    for removal in due.pieces:
        _LOG.info("%s: %s, %d objects", removal.rule, removal.submission_id, len(removal.objects))
    return due
