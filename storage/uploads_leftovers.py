"""What an upload leaves in the store when it ends, and its end when nobody finishes it."""

import logging
from contextlib import suppress
from uuid import UUID

from sqlalchemy import func, text, update
from sqlmodel import col, select

from storage.database import Database
from storage.errors import NotFound, StoreUnavailable
from storage.keys import ASSETS, incoming_key
from storage.objects import Objects
from storage.tables import Upload
from storage.tables.uploads import UNCLEAN

_BATCH = 100
_LOG = logging.getLogger("sanshen.uploads")


def tail_prefix(upload_id: UUID) -> str:
    """Where the bytes of a tus upload lie that are not yet a part (bucket `assets`)."""
    return f"{incoming_key(upload_id)}.tail/"


async def expire_uploads(db: Database, objects: Objects) -> int:
    """End what is past its time and is being written by nobody, and clean up what ended; how many were ended."""
    ended = await _expire(db)
    async with db.transaction() as session:
        unclean = list(await session.exec(select(Upload).where(text(UNCLEAN)).limit(_BATCH)))
    for upload in unclean:
        await remove_leftovers(db, objects, upload)
    return ended


async def _expire(db: Database) -> int:
    now = func.now()
    fits = (
        col(Upload.state) == "open",
        col(Upload.expires_at) < now,
        func.coalesce(col(Upload.writer_until), now) <= now,
    )
    async with db.transaction() as session:
        statement = update(Upload).where(*fits).values(state="expired").returning(col(Upload.id))
        ended = list(await session.exec(statement))
    for (upload_id,) in ended:
        _LOG.info("expired: upload %s", upload_id)
    return len(ended)


async def remove_leftovers(db: Database, objects: Objects, upload: Upload) -> None:
    """Remove the parts, the whole under `incoming/` and the tails of an upload that ended, and of what it joined.

    A store that is away is no error here: the sweep comes again.
    """
    all_of_it = (upload, *await _joined(db, upload))
    with suppress(StoreUnavailable, NotFound):
        for each in all_of_it:
            if each.s3_upload_id:
                await objects.abort_multipart(ASSETS, each.object_key, each.s3_upload_id)
            await objects.remove(ASSETS, each.object_key)
            if each.door == "tus":
                await objects.remove_prefix(ASSETS, tail_prefix(each.id))
        async with db.transaction() as session:
            ended = col(Upload.id).in_([each.id for each in all_of_it])
            await session.exec(update(Upload).where(ended).values(cleaned_at=func.now()))


async def _joined(db: Database, upload: Upload) -> list[Upload]:
    if not upload.joins:
        return []
    wanted = [UUID(each) for each in upload.joins]
    async with db.transaction() as session:
        return list(await session.exec(select(Upload).where(col(Upload.id).in_(wanted))))
