"""Quotas: each limit is said in the refusal, with the time after which it may be possible."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from storage.database import Database
from storage.errors import QuotaExceeded
from storage.objects import Objects
from storage.quotas import Quotas
from storage.tables import Upload
from storage.uploads import Terms, abort_upload, open_upload, open_uploads

WIDE = Quotas(most_open=1000, most_open_bytes=10**12, most_day_bytes=10**13, most_a_minute=10_000)
GB = 10**9


@pytest.fixture(autouse=True)
async def empty(newsroom: Any, owner_db: Database) -> None:
    """Nobody has sent anything yet."""
    async with owner_db.transaction() as session:
        await session.exec(delete(Upload))


async def _open(newsroom: Any, objects: Objects, size: int, who: str = "writer", **limits: int) -> Upload:
    item: UUID = (await newsroom.draft(who)).id
    announced = Upload(submission_id=item, person_id=newsroom.people[who].id, filename="a", size_bytes=size)
    terms = Terms(replace(WIDE, **limits))
    return (await open_upload(newsroom.db, objects, newsroom.actor(who), announced, terms))[0]


async def _age(newsroom: Any, hours: float) -> None:
    """All that is there was begun so many hours ago."""
    begun = datetime.now(UTC) - timedelta(hours=hours)
    async with newsroom.db.transaction() as session:
        await session.exec(update(Upload).values(created_at=begun))


async def test_open_uploads_are_limited_until_one_ends(newsroom: Any, objects: Objects) -> None:
    first = await _open(newsroom, objects, 1, most_open=2)
    await _open(newsroom, objects, 1, most_open=2)
    with pytest.raises(QuotaExceeded, match="2 unfinished") as refused:
        await _open(newsroom, objects, 1, most_open=2)
    assert refused.value.retry_after_s == 60
    await _open(newsroom, objects, 1, "other_writer", most_open=2)
    await abort_upload(newsroom.db, objects, first)
    await _open(newsroom, objects, 1, most_open=2)


async def test_open_bytes_are_limited(newsroom: Any, objects: Objects) -> None:
    await _open(newsroom, objects, 6 * GB, most_open_bytes=10 * GB)
    with pytest.raises(QuotaExceeded, match="10 GB unfinished"):
        await _open(newsroom, objects, 4 * GB + 1, most_open_bytes=10 * GB)
    await _open(newsroom, objects, 4 * GB, most_open_bytes=10 * GB)


async def test_bytes_of_a_day_are_limited_dropped_or_not(newsroom: Any, objects: Objects) -> None:
    for size in (3 * GB, 3 * GB):
        await abort_upload(newsroom.db, objects, await _open(newsroom, objects, size))
    await _age(newsroom, 23)
    await _open(newsroom, objects, 3 * GB, most_day_bytes=10 * GB)
    with pytest.raises(QuotaExceeded, match="10 GB within 24 hours") as refused:
        await _open(newsroom, objects, 2 * GB, most_day_bytes=10 * GB)
    assert 3000 < refused.value.retry_after_s <= 3600  # when the first of them is a day old
    await _age(newsroom, 24.1)
    await _open(newsroom, objects, 2 * GB, most_day_bytes=10 * GB, most_open_bytes=10 * GB)


async def test_creations_of_a_minute_are_limited(newsroom: Any, objects: Objects) -> None:
    for _ in range(3):
        await _open(newsroom, objects, 1, most_a_minute=3)
    with pytest.raises(QuotaExceeded, match="3 a minute") as refused:
        await _open(newsroom, objects, 1, most_a_minute=3)
    assert 1 <= refused.value.retry_after_s <= 60
    await _age(newsroom, 0.1)
    await _open(newsroom, objects, 1, most_a_minute=3)


async def test_creations_at_once_do_not_pass_the_limit_together(newsroom: Any, objects: Objects) -> None:
    found = await asyncio.gather(
        *(_open(newsroom, objects, 1, most_open=3) for _ in range(9)), return_exceptions=True
    )
    assert sum(isinstance(each, QuotaExceeded) for each in found) == 6
    async with newsroom.db.transaction() as session:
        assert len(await open_uploads(session, person_id=newsroom.people["writer"].id)) == 3
