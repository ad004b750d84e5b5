"""Bytes in any pieces, with cuts and kills anywhere: what a row says is in the store, the whole is what was sent."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import col

from storage.database import Database
from storage.errors import NotFound, StoreUnavailable
from storage.keys import ASSETS
from storage.objects import Objects
from storage.quotas import Quotas
from storage.settings import Settings
from storage.tables import Upload
from storage.tus_writing import PartWriter
from storage.uploads import Terms, find_upload, open_upload, with_multipart
from storage.uploads_completing import complete_upload
from storage.uploads_lease import sole_writer

pytestmark = pytest.mark.slow

MIB = 2**20
SIZE = 11 * MIB + 321  # two whole parts and a bit
DATA = (hashlib.sha256(b"seed").digest() * (SIZE // 32 + 1))[:SIZE]
TERMS = Terms(Quotas(most_open=1000, most_open_bytes=10**12, most_day_bytes=10**13, most_a_minute=10_000))


class Killed(Exception):
    """The process is gone: nothing more of it is stored."""


@dataclass(frozen=True)
class Request:
    """One PATCH: so many bytes, in pieces of at most so many, and how it ends."""

    size: int
    piece: int
    end: str  # whole, killed, held_back


def _requests() -> Any:
    size = st.one_of(st.integers(0, 5000), st.integers(5000, 6 * MIB))
    end = st.sampled_from(["whole", "whole", "killed", "held_back"])
    piece = st.sampled_from([1 << 12, 65_536, 1_000_003])
    return st.lists(st.builds(Request, size, piece, end), max_size=8)


async def _arriving(data: bytes, piece: int, end: str) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), piece):
        yield data[begin : begin + piece]
    if end == "killed":
        raise Killed


async def _begun(db: Database, objects: Objects, newsroom: Any, item: UUID, size: int) -> Upload:
    announced = Upload(
        submission_id=item,
        person_id=newsroom.people["writer"].id,
        door="tus",
        filename="桥.mp4",
        size_bytes=size,
        sha256=hashlib.sha256(DATA[:size]).hexdigest(),
    )
    return (await open_upload(db, objects, newsroom.actor("writer"), announced, TERMS))[0]


async def _seen(db: Database, upload: Upload) -> Upload:
    async with db.transaction() as session:
        return await find_upload(session, upload.id)


async def _durable(objects: Objects, upload: Upload) -> bytes:
    """What a fresh process can read: the tails, behind the whole parts that the store lists."""
    parts = await objects.list_parts(ASSETS, upload.object_key, upload.s3_upload_id)
    whole, rest = divmod(upload.offset_bytes, upload.part_size_bytes)
    if upload.offset_bytes == upload.size_bytes and rest:
        whole, rest = whole + 1, 0
    listed = {part.number: part.size_bytes for part in parts}
    for number in range(1, whole + 1):
        begin = (number - 1) * upload.part_size_bytes
        assert listed[number] == min(upload.part_size_bytes, upload.size_bytes - begin)
    tail = b"".join([await objects.read(ASSETS, key) for key, _ in upload.tails])
    assert len(tail) == rest
    return tail


async def _send(db: Database, objects: Objects, upload: Upload, request: Request) -> None:
    """One request by a process of its own: it knows what the row says, and nothing else."""
    current = await with_multipart(db, objects, await _seen(db, upload))
    begin = current.offset_bytes
    data = DATA[begin : min(begin + request.size, current.size_bytes)]
    async with sole_writer(db, upload.id) as lease:
        writer = PartWriter(db, objects, current, lease)
        try:
            arriving = _arriving(data, request.piece, request.end)
            await writer.write(arriving, is_held_back=request.end == "held_back")
            if request.end == "whole":
                await writer.settle()
        except Killed:
            return
    if request.end == "held_back":  # its checksum did not fit
        assert (await _seen(db, upload)).offset_bytes == begin


@pytest.mark.parametrize("size", [SIZE, 5 * MIB])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(requests=_requests())
def test_whole_is_what_was_sent_and_the_offset_is_never_ahead(
    run_apart: Any, newsroom: Any, gateway: Settings, size: int, requests: list[Request]
) -> None:
    run_apart(lambda: _run(_play(newsroom, gateway, size, requests)))


def _run(work: Any) -> None:
    import asyncio

    asyncio.run(work)


async def _play(newsroom: Any, gateway: Settings, size: int, requests: list[Request]) -> None:
    db, objects = Database(newsroom.db.url, pool_size=3), Objects(gateway)
    try:
        async with db.transaction() as session:
            item = (await _draft(session, newsroom)).id
        upload = await _begun(db, objects, newsroom, item, size)
        reached = 0
        for request in requests:
            await _send(db, objects, upload, request)
            row = await _seen(db, upload)
            assert reached <= row.offset_bytes <= size
            reached = row.offset_bytes
            tail = await _durable(objects, row)
            assert tail == DATA[reached - len(tail) : reached]
        await _send(db, objects, upload, Request(size, 1 << 20, "whole"))
        asset, _ = await complete_upload(db, objects, await _seen(db, upload), newsroom.actor("writer"))
        assert asset.sha256 == hashlib.sha256(DATA[:size]).hexdigest()
    finally:
        await db.close()


async def _draft(session: Any, newsroom: Any) -> Any:
    from states.content import Content
    from storage.drafts import create_submission

    return await create_submission(session, newsroom.actor("writer"), Content(title="新桥", ai_label="none"))


async def test_crumbs_are_gathered_so_that_a_part_is_not_a_thousand_objects(
    newsroom: Any, objects: Objects
) -> None:
    item = (await newsroom.draft()).id
    upload = await _begun(newsroom.db, objects, newsroom, item, 100)
    for _ in range(100):
        await _send(newsroom.db, objects, upload, Request(1, 4096, "whole"))
        row = await _seen(newsroom.db, upload)
        assert len(row.tails) <= 32
    assert row.offset_bytes == 100
    asset, _ = await complete_upload(newsroom.db, objects, row, newsroom.actor("writer"))
    assert await objects.read(ASSETS, asset.object_key) == DATA[:100]


async def test_store_that_is_away_moves_no_offset(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await _begun(newsroom.db, objects, newsroom, (await newsroom.draft()).id, SIZE)
    await _send(newsroom.db, objects, upload, Request(1000, 4096, "whole"))

    async def away(*given: Any) -> None:
        raise StoreUnavailable("away")

    for step in ("put_part", "put_bytes"):
        with monkeypatch.context() as patch:
            patch.setattr(objects, step, away)
            with pytest.raises(StoreUnavailable):
                await _send(
                    newsroom.db, objects, upload, Request(SIZE if step == "put_part" else 9, 65_536, "whole")
                )
        assert (await _seen(newsroom.db, upload)).offset_bytes == 1000
    await _send(newsroom.db, objects, upload, Request(SIZE, 65_536, "whole"))
    assert (await _seen(newsroom.db, upload)).offset_bytes == SIZE


async def test_write_to_an_upload_that_was_dropped_meanwhile_stores_nothing(
    newsroom: Any, objects: Objects
) -> None:
    upload = await _begun(newsroom.db, objects, newsroom, (await newsroom.draft()).id, SIZE)
    async with newsroom.db.transaction() as session:
        await session.exec(update(Upload).where(col(Upload.id) == upload.id).values(state="aborted"))
    await objects.abort_multipart(ASSETS, upload.object_key, upload.s3_upload_id)
    with pytest.raises(NotFound):
        await _send(newsroom.db, objects, upload, Request(SIZE, 65_536, "whole"))
    assert (await _seen(newsroom.db, upload)).offset_bytes == 0
