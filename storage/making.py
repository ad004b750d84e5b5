"""Who makes a rendition: one attempt at a time for a key, over all workers and hosts; the others wait.

A key is held as long as the lease of the attempt that took it, so that there is one lease to renew and to lose.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.keys import rendition_key
from storage.object_claims import try_lock_objects
from storage.outbox import Fence
from storage.tables import Rendition
from storage.tables.making import Making

# As text, because the statement must name the row that is in the way. An earlier attempt at the same work is over.
_IS_FREE = text("""
    making.outbox_id = excluded.outbox_id OR NOT EXISTS (
        SELECT FROM outbox WHERE outbox.id = making.outbox_id AND outbox.attempt = making.attempt
        AND outbox.finished_at IS NULL AND outbox.leased_until > clock_timestamp()
    )
""")


@dataclass(frozen=True, slots=True)
class Share:
    """Of the keys asked for: which we make now, and which somebody else is making. The rest is ready."""

    ours: frozenset[str]
    theirs: frozenset[str]


async def take(session: AsyncSession, fence: Fence, keys: Iterable[str]) -> Share:
    """Take what is neither ready nor in somebody's hands. The caller holds `fence` in this transaction.

    Nobody waits for a key while a transaction is open, and keys are locked in one order, so two that want
    overlapping sets cannot block each other. Who removes files of a rendition has it in hands too: what we make
    may be there already, and counts once we have looked (`storage.object_claims`).
    """
    wanted = frozenset(keys)
    missing = wanted - await _ready(session, wanted)
    places = {rendition_key(key, ""): key for key in sorted(missing)}
    free = {places[place] for place in await try_lock_objects(session, places)}
    if not free:
        return Share(frozenset(), missing)
    rows = [
        {"rendition_key": key, "outbox_id": fence.outbox_id, "attempt": fence.attempt} for key in sorted(free)
    ]
    statement = insert(Making).values(rows)
    taking = statement.on_conflict_do_update(
        index_elements=["rendition_key"],
        set_={
            "outbox_id": statement.excluded.outbox_id,
            "attempt": statement.excluded.attempt,
            "taken_at": func.clock_timestamp(),
        },
        where=_IS_FREE,
    ).returning(col(Making.rendition_key))
    taken = frozenset((await session.exec(taking)).scalars().all())
    # Whoever held them may have been done between the two statements above.
    done = await _ready(session, taken)
    await _let_go(session, fence, done)
    return Share(taken - done, missing - taken)


async def give_back(session: AsyncSession, fence: Fence, key: str) -> bool:
    """The key is free again, or, when False, somebody took it over meanwhile: then nothing may be written for it."""
    return await _let_go(session, fence, (key,)) == 1


async def _ready(session: AsyncSession, keys: Iterable[str]) -> frozenset[str]:
    statement = select(Rendition.key).where(
        col(Rendition.key).in_(list(keys)), col(Rendition.state) == "ready"
    )
    return frozenset((await session.exec(statement)).all())


async def _let_go(session: AsyncSession, fence: Fence, keys: Iterable[str]) -> int:
    statement = delete(Making).where(
        col(Making.rendition_key).in_(list(keys)),
        col(Making.outbox_id) == fence.outbox_id,
        col(Making.attempt) == fence.attempt,
    )
    return int((await session.exec(statement)).rowcount)
