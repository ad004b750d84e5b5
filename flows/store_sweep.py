"""The daily tidying of the object store, beside the dispatcher. Several at once do no harm."""

import asyncio
import logging
from datetime import timedelta

from storage.database import Database, is_unavailable
from storage.errors import StoreUnavailable
from storage.objects import Objects
from storage.settings import Settings
from storage.store_sweep import sweep_old_versions, sweep_store

_EVERY = timedelta(minutes=15)
_TIDIES_ONCE_IN = 24 * 4  # turns: once a day, and at the first turn
_LOG = logging.getLogger("sanshen.store")


async def keep_store_tidy(settings: Settings, db: Database) -> None:
    """Old public versions every quarter of an hour, what nobody finished once a day, until cancelled."""
    turn = 0
    while True:
        try:
            await tidy_store(db, Objects(settings), is_whole=turn % _TIDIES_ONCE_IN == 0)
            turn += 1
        except Exception as error:
            if not (isinstance(error, StoreUnavailable) or is_unavailable(error)):
                raise
            _LOG.warning("waiting: %s", getattr(error, "why", None) or type(error).__name__)
        await asyncio.sleep(_EVERY.total_seconds())


async def tidy_store(db: Database, objects: Objects, *, is_whole: bool) -> None:
    """One turn. The whole one looks at every story and every bucket, another at what changed since a while."""
    swept = await sweep_old_versions(db, objects, None if is_whole else 4 * _EVERY)
    if swept.old_files:
        _LOG.info("removed %d public files of versions that were corrected", swept.old_files)
    if is_whole:
        swept = await sweep_store(objects)
        if swept.unfinished or swept.temporary:
            _LOG.info("removed %d uploads and %d objects left over", swept.unfinished, swept.temporary)
