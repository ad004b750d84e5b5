"""Who makes a rendition, on a real PostgreSQL: one attempt a key, until it is done, gives up, or falls silent."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from states.events import Effect
from storage import making, outbox, renditions
from storage.effects import enqueue
from storage.making import Share
from storage.outbox import Fence
from storage.renditions import Wanted
from storage.tables.making import Making

NOTHING = Share(frozenset(), frozenset())


@dataclass
class Hands:
    """Attempts at work, and what they do with keys, each in a transaction of its own."""

    newsroom: Any

    async def attempt(self, lease_s: float = 60) -> Fence:
        item = (await self.newsroom.draft()).id
        async with self.newsroom.db.transaction() as session:
            outbox_id = await enqueue(session, Effect.RENDER, item)
            await (await session.connection()).execute(
                text(
                    "UPDATE outbox SET attempt = 1, leased_until = now() + :s * interval '1 s' WHERE id = :id"
                ),
                {"s": lease_s, "id": outbox_id},
            )
        return Fence(outbox_id, 1)

    async def take(self, fence: Fence, *keys: str) -> Share:
        async with self.newsroom.db.transaction() as session:
            return await making.take(session, fence, keys)

    async def give_back(self, fence: Fence, key: str) -> bool:
        async with self.newsroom.db.transaction() as session:
            return await making.give_back(session, fence, key)

    async def made(self, fence: Fence, key: str) -> None:
        async with self.newsroom.db.transaction() as session:
            assert await making.give_back(session, fence, key)
            await renditions.put_ready(session, Wanted(key, "s", "p"), [], {})

    async def execute(self, statement: str, **given: Any) -> None:
        async with self.newsroom.db.transaction() as session:
            await (await session.connection()).execute(text(statement), given)


@pytest.fixture
def hands(newsroom: Any) -> Hands:
    return Hands(newsroom)


@pytest.fixture
def key() -> str:
    return uuid4().hex


def ours(*keys: str) -> Share:
    return Share(frozenset(keys), frozenset())


def theirs(*keys: str) -> Share:
    return Share(frozenset(), frozenset(keys))


async def test_key_is_taken_by_one_and_seen_by_the_other(hands: Hands, key: str) -> None:
    first, second = await hands.attempt(), await hands.attempt()
    assert await hands.take(first, key) == ours(key)
    assert await hands.take(second, key) == theirs(key)
    assert await hands.take(first, key) == ours(key)  # asking again loses nothing


async def test_key_that_is_ready_is_nobodys(hands: Hands, key: str) -> None:
    first, second = await hands.attempt(), await hands.attempt()
    await hands.take(first, key)
    await hands.made(first, key)
    assert await hands.take(second, key) == NOTHING
    async with hands.newsroom.db.transaction() as session:
        left = (await session.exec(select(Making).where(col(Making.rendition_key) == key))).all()
    assert left == []


async def test_many_that_take_at_once_share_no_key(hands: Hands) -> None:
    keys = [uuid4().hex for _ in range(20)]
    fences = [await hands.attempt() for _ in range(8)]
    orders = [keys, keys[::-1]] * 4
    shares = await asyncio.gather(
        *(hands.take(fence, *order) for fence, order in zip(fences, orders, strict=True))
    )
    taken = [each for share in shares for each in share.ours]
    assert sorted(taken) == sorted(keys)
    assert all(share.ours | share.theirs == set(keys) for share in shares)


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE outbox SET leased_until = now() - interval '1 s' WHERE id = :id",
        "UPDATE outbox SET finished_at = now(), leased_until = NULL WHERE id = :id",
        "UPDATE outbox SET leased_until = NULL WHERE id = :id",
        "UPDATE outbox SET attempt = 2 WHERE id = :id",
    ],
    ids=["silent", "given up", "to be tried again", "another attempt"],
)
async def test_key_of_an_attempt_that_is_over_is_taken_over(hands: Hands, key: str, end: str) -> None:
    first, second = await hands.attempt(), await hands.attempt()
    await hands.take(first, key)
    await hands.execute(end, id=first.outbox_id)
    assert await hands.take(second, key) == ours(key)
    assert not await hands.give_back(first, key)  # so the old holder writes nothing
    assert await hands.give_back(second, key)


async def test_next_attempt_at_the_same_work_has_its_keys_at_once(hands: Hands, key: str) -> None:
    first = await hands.attempt()
    await hands.take(first, key)
    await hands.execute("UPDATE outbox SET attempt = 2 WHERE id = :id", id=first.outbox_id)
    assert await hands.take(replace(first, attempt=2), key) == ours(key)
    assert not await hands.give_back(first, key)


async def test_key_whose_holder_is_just_done_is_ready_not_ours(
    hands: Hands, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder's end falls between our look and our taking."""
    first, second = await hands.attempt(), await hands.attempt()
    await hands.take(first, key)
    real, looks = making._ready, []

    async def done_after_the_first_look(session: Any, keys: Any) -> Any:
        found = await real(session, keys)
        looks.append(found)
        if len(looks) == 1:
            monkeypatch.setattr(making, "_ready", real)
            await hands.made(first, key)
        return found

    monkeypatch.setattr(making, "_ready", done_after_the_first_look)
    assert await hands.take(second, key) == NOTHING
    assert not await hands.give_back(second, key)


async def test_check_of_an_attempt_that_is_not_current_is_a_lost_lease(hands: Hands) -> None:
    from storage.errors import LeaseLost

    fence = await hands.attempt()
    async with hands.newsroom.db.transaction() as session:
        await outbox.check(session, fence)
        with pytest.raises(LeaseLost):
            await outbox.check(session, replace(fence, attempt=2))
