"""Who begins to use an object and who removes it come one after the other, by a lock for each content in PostgreSQL.

Who begins to use what may be there already commits a row that names it, under the lock (an open upload, a rendition
in the making, a delivery that is sent), and looks at the store only after that. Who removes asks for such rows and
removes under the lock. So either the remover sees the row and leaves the object, or the user sees that it is gone
and stores it. The user's lock ends with its row; nobody but the remover holds it across a call to the store.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from sqlalchemy import func, text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database
from storage.listing import ASIDE, keeps_versions, put_aside
from storage.objects import Objects

Owns = Callable[[str, str], Awaitable[bool]]
# Names in a key up to the content: one hash, one rendition, one story.
_DEPTHS = {"stories": 2}
_DEPTH = 3
# One statement locks in the order of its rows.
_TRY = text("""
    SELECT key FROM unnest(CAST(:keys AS text[]), CAST(:names AS text[])) AS wanted (key, name)
    WHERE pg_try_advisory_xact_lock(hashtextextended(name, 0))
""")


def _name(key: str) -> str:
    names = key.removeprefix(ASIDE).split("/")
    return "object:" + "/".join(names[: _DEPTHS.get(names[0], _DEPTH)])


async def lock_object(session: AsyncSession, key: str) -> None:
    """Wait until nobody removes this content, and keep it so until the caller's transaction ends."""
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(_name(key), 0))))


async def try_lock_objects(session: AsyncSession, keys: Iterable[str]) -> frozenset[str]:
    """As `lock_object` for those that nobody else holds at this moment; which these are. Never waits."""
    wanted = list(keys)
    names = [_name(key) for key in wanted]
    connection = await session.connection()
    found = await connection.execute(_TRY, {"keys": wanted, "names": names})
    return frozenset(found.scalars())


@asynccontextmanager
async def _unowned(db: Database, owns: Owns, bucket: str, key: str) -> AsyncIterator[bool]:
    """Whether nobody needs the object; if so, nobody begins to before the context ends."""
    async with db.transaction() as session:
        await lock_object(session, key)
        yield not await owns(bucket, key)


async def take_away_unless_owned(db: Database, objects: Objects, owns: Owns, bucket: str, key: str) -> bool:
    """Remove an object that nobody needs, so that for a day at the least it can be brought back; False: it stays.

    Raises StoreUnavailable.
    """
    if await owns(bucket, key):
        return False
    if not await keeps_versions(objects, bucket):
        await put_aside(objects, bucket, key)  # before the lock: a film takes its time
    async with _unowned(db, owns, bucket, key) as is_free:
        if is_free:
            await objects.remove(bucket, key)
    return is_free


async def erase_unless_owned(db: Database, objects: Objects, owns: Owns, bucket: str, key: str) -> bool:
    """Remove all versions of an object that nobody needs, for good; False: it stays. Raises StoreUnavailable."""
    async with _unowned(db, owns, bucket, key) as is_free:
        if is_free:
            await objects.erase(bucket, key)
    return is_free
