"""The sweep: moves whose time has come and that nobody asks for. Several at once do no harm.

It runs beside the dispatcher, not as a Prefect run: with nothing to do it is one query, not a process.
"""

import asyncio
import logging

from storage.database import Database, is_unavailable
from storage.objects import Objects
from storage.search import put_missing_entries
from storage.timed_moves import TimedMove, make_timed_move, timed_moves
from storage.uploads_leftovers import expire_uploads

_EVERY_S = 30.0
_BATCH = 100
_LOG = logging.getLogger("sanshen.sweep")


async def keep_sweeping(db: Database, objects: Objects | None = None) -> None:
    """Sweep until cancelled; a database that is away is waited for. `objects`: uploads that nobody finishes too."""
    while True:
        try:
            await sweep(db)
            if objects is not None:
                await expire_uploads(db, objects)
            await _index(db)
        except Exception as error:
            if not is_unavailable(error):
                raise
            _LOG.warning("waiting: %s", str(error) or type(error).__name__)
        await asyncio.sleep(_EVERY_S)


async def sweep(db: Database) -> int:
    """Make every move whose time has come; how many were made."""
    made = 0
    while True:
        async with db.transaction() as session:
            found = await timed_moves(session, _BATCH)
        fresh = [await _make(db, each) for each in found]
        made += sum(fresh)
        if not any(fresh):  # nothing, or only what is refused now and is looked at again next time
            return made


async def _index(db: Database) -> None:
    """What was there before there was a search, or before its words were cut as they are today."""
    made = _BATCH
    while made == _BATCH:
        async with db.transaction() as session:
            made = await put_missing_entries(session, _BATCH)


async def _make(db: Database, timed: TimedMove) -> bool:
    """One move, in a transaction of its own. One that fails keeps no other waiting."""
    try:
        async with db.transaction() as session:
            was_made = await make_timed_move(session, timed)
    except Exception as error:
        if is_unavailable(error):
            raise
        _LOG.exception("%s of %s failed", timed.event.value, timed.submission_id)
        return False
    if was_made:
        _LOG.info("%s: %s", timed.event.value, timed.submission_id)
    return was_made
