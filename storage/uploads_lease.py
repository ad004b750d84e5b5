"""One writer at a time for an upload, across processes: a lease on its row, renewed while the writer lives.

Who comes next asks the writer to stop and waits: after a cut, the old request may not have noticed yet.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Update, func, or_, update
from sqlmodel import col

from storage.database import Database, is_unavailable
from storage.errors import UploadBusy
from storage.tables import Upload

_LEASE = timedelta(seconds=6)
_RENEW_EVERY_S = 1.0
_LOOK_EVERY_S = 0.1
# Longer than the lease: who waits gets what a dead writer held.
_MOST_WAIT_S = 10.0
_LOG = logging.getLogger("sanshen.uploads")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to one upload, until the context that gave it ends or another writer took over."""

    upload_id: UUID
    writer: UUID

    def update(self) -> Update:
        """A statement on the upload's row that changes nothing when the lease is lost."""
        return update(Upload).where(col(Upload.id) == self.upload_id, col(Upload.writer) == self.writer)


def _ignore() -> None:
    return None


@asynccontextmanager
async def sole_writer(
    db: Database, upload_id: UUID, on_stop: Callable[[], None] = _ignore
) -> AsyncIterator[Lease]:
    """Be the only one who writes to an upload. `on_stop` is called when somebody else waits, or it is lost.

    Raises UploadBusy when the one who writes goes on for ten seconds.
    """
    lease = Lease(upload_id, uuid4())
    await _take(db, lease)
    ended = asyncio.Event()
    renewal = asyncio.create_task(_keep(db, lease, on_stop, ended))
    try:
        yield lease
    finally:
        ended.set()  # not cancelled: that could cut a query of the pool's connection in two
        await asyncio.wait([renewal])
        await asyncio.shield(_give_back(db, lease))


async def _take(db: Database, lease: Lease) -> None:
    deadline = asyncio.get_running_loop().time() + _MOST_WAIT_S
    while not await _try(db, lease):
        if asyncio.get_running_loop().time() > deadline:
            raise UploadBusy(lease.upload_id)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _try(db: Database, lease: Lease) -> bool:
    row, now = col(Upload.id) == lease.upload_id, func.now()
    is_free = or_(col(Upload.writer).is_(None), col(Upload.writer_until) < now)
    taken: dict[str, Any] = {"writer": lease.writer, "writer_until": now + _LEASE, "is_stop_wanted": False}
    async with db.transaction() as session:
        if (await session.exec(update(Upload).where(row, is_free).values(**taken))).rowcount:
            return True
        asked = update(Upload).where(row, col(Upload.is_stop_wanted).is_(False)).values(is_stop_wanted=True)
        await session.exec(asked)
    return False


async def _keep(db: Database, lease: Lease, on_stop: Callable[[], None], ended: asyncio.Event) -> None:
    renewed = lease.update().values(writer_until=func.now() + _LEASE).returning(col(Upload.is_stop_wanted))
    while not await _is_over(ended):
        try:
            async with db.transaction() as session:
                row = (await session.exec(renewed)).first()
        except Exception as error:
            if not is_unavailable(error):
                on_stop()
                raise
            _LOG.warning("lease of upload %s not renewed: %s", lease.upload_id, type(error).__name__)
            continue  # when it is away for longer, the next write to the row finds the lease lost
        if row is None or row[0]:
            on_stop()


async def _is_over(ended: asyncio.Event) -> bool:
    """After a second, or as soon as the work is done."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), _RENEW_EVERY_S)
    return ended.is_set()


async def _give_back(db: Database, lease: Lease) -> None:
    """Let the next one begin at once. A database that is away lets it begin when the lease ends."""
    try:
        async with db.transaction() as session:
            await session.exec(lease.update().values(writer=None, writer_until=None, is_stop_wanted=False))
    except Exception as error:
        if not is_unavailable(error):
            raise
