"""A store that says it has stored and has nothing, half, or other bytes: nobody hears of a file that is not there."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import col, select

from storage.assets import assets_of
from storage.errors import NotFound, StoreUnavailable, UploadRefused
from storage.keys import ASSETS, RENDITIONS, asset_key
from storage.object_writes import store_file
from storage.objects import Objects
from storage.quotas import Quotas
from storage.settings import Settings
from storage.stored import StoredObject
from storage.tables import Upload
from storage.tus_writing import PartWriter
from storage.uploads import Terms, find_upload, open_upload, with_multipart
from storage.uploads_completing import complete_upload, forget
from storage.uploads_lease import sole_writer

pytestmark = pytest.mark.slow

TERMS = Terms(Quotas(most_open=1000, most_open_bytes=10**12, most_day_bytes=10**13, most_a_minute=10_000))
BINARY = "application/octet-stream"
# What lies under the key after the store said yes, of the bytes that should.
LIES: dict[str, Callable[[bytes], bytes | None]] = {
    "nothing": lambda _: None,
    "half": lambda data: data[: len(data) // 2],
    "other bytes": lambda data: bytes(len(data)),
    "more": lambda data: data + b"!",
}
lying = pytest.mark.parametrize("lie", LIES)


class Liar(Objects):
    """The real store, whose answer to the steps in `lies` is yes whatever it did."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.lies: dict[str, Callable[[bytes], bytes | None]] = {}

    async def _lie(self, step: str, where: tuple[str, str], data: Callable[[], Awaitable[bytes]]) -> bool:
        if step not in self.lies:
            return False
        kept = self.lies[step](await data())
        if kept is None:
            await super().remove(*where)
        else:
            await super().put_bytes(*where, kept, BINARY)
        return True

    async def complete_multipart(self, bucket: str, key: str, upload_id: str, parts: Any) -> None:
        if "keeps its parts" in self.lies:
            return
        await super().complete_multipart(bucket, key, upload_id, parts)
        await self._lie("complete_multipart", (bucket, key), lambda: self.read(bucket, key))

    async def request(self, method: str, where: Any, *given: Any, **named: Any) -> Any:
        answer = await super().request(method, where, *given, **named)
        headers = named.get("headers") or {}
        step = "copy" if "x-amz-copy-source" in headers else "put"
        if method == "PUT":
            await self._lie(step, where, lambda: self.read(*where))
        return answer

    async def put_file(self, bucket: str, key: str, path: Path, media_type: str) -> None:
        await super().put_file(bucket, key, path, media_type)
        await self._lie("put", (bucket, key), lambda: self.read(bucket, key))


@pytest.fixture
def liar(gateway: Settings) -> Liar:
    return Liar(gateway)


async def _sent(newsroom: Any, objects: Objects, item: UUID, data: bytes, **announced: Any) -> Upload:
    given = {"filename": "桥.mp4", "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    upload = Upload(submission_id=item, person_id=newsroom.people["writer"].id, **(given | announced))
    upload, _ = await open_upload(newsroom.db, objects, newsroom.actor("writer"), upload, TERMS)
    where = (ASSETS, upload.object_key)
    url = objects.presign_part(where, upload.s3_upload_id, 1, len(data))
    async with httpx.AsyncClient() as client:
        assert (await client.put(url, content=data)).status_code == 200
    return upload


async def _complete(newsroom: Any, objects: Objects, upload: Upload) -> Any:
    async with newsroom.db.transaction() as session:
        current = await find_upload(session, upload.id)
    return await complete_upload(newsroom.db, objects, current, newsroom.actor("writer"))


async def _state(newsroom: Any, upload: Upload) -> str:
    async with newsroom.db.transaction() as session:
        return (await find_upload(session, upload.id)).state


async def _no_asset(newsroom: Any, item: UUID) -> bool:
    async with newsroom.db.transaction() as session:
        return await assets_of(session, item) == []


@lying
@pytest.mark.parametrize("is_announced", [True, False])
async def test_whole_that_was_not_stored_is_refused_and_can_be_sent_again(
    newsroom: Any, liar: Liar, lie: str, is_announced: bool
) -> None:
    item, data = (await newsroom.draft()).id, f"put together, {lie} {is_announced}".encode()
    announced = {} if is_announced else {"sha256": None}
    upload = await _sent(newsroom, liar, item, data, **announced)
    liar.lies = {"complete_multipart": LIES[lie]}
    if lie == "other bytes" and not is_announced:
        # Of the size that was said, and no hash was: what is under the key is at least what the database names.
        asset, _ = await _complete(newsroom, liar, upload)
        assert await liar.hash_object(ASSETS, asset.object_key) == StoredObject(asset.sha256, len(data))
        return
    with pytest.raises(UploadRefused):
        await _complete(newsroom, liar, upload)
    assert await _no_asset(newsroom, item)
    assert await _state(newsroom, upload) == "aborted"
    liar.lies = {}
    again = await _sent(newsroom, liar, item, data)
    assert (await _complete(newsroom, liar, again))[0].sha256 == hashlib.sha256(data).hexdigest()


async def test_whole_that_was_not_put_together_keeps_its_parts_and_is_tried_again(
    newsroom: Any, liar: Liar
) -> None:
    item, data = (await newsroom.draft()).id, b"its parts are still there"
    upload = await _sent(newsroom, liar, item, data)
    liar.lies = {"keeps its parts": LIES["nothing"]}
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await _complete(newsroom, liar, upload)
    assert (await _state(newsroom, upload), await _no_asset(newsroom, item)) == ("open", True)
    liar.lies = {}
    asset, _ = await _complete(newsroom, liar, upload)
    assert await liar.read(ASSETS, asset.object_key) == data


@lying
async def test_copy_that_was_not_stored_is_tried_again_and_no_byte_is_lost(
    newsroom: Any, liar: Liar, lie: str
) -> None:
    item, data = (await newsroom.draft()).id, f"copied, {lie}".encode()
    upload = await _sent(newsroom, liar, item, data)
    liar.lies = {"copy": LIES[lie]}
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await _complete(newsroom, liar, upload)
    assert (await _state(newsroom, upload), await _no_asset(newsroom, item)) == ("open", True)
    liar.lies = {}
    both = await asyncio.gather(*(_complete(newsroom, liar, upload) for _ in range(2)))
    assert len({asset.id for asset, _ in both}) == 1
    assert await liar.read(ASSETS, asset_key(hashlib.sha256(data).hexdigest())) == data


@lying
async def test_publishing_copy_that_was_not_stored_is_not_said_to_be_there(liar: Liar, lie: str) -> None:
    source, target = (RENDITIONS, f"tests/{uuid4()}"), (RENDITIONS, f"tests/{uuid4()}")
    await liar.put_bytes(*source, b"a rendition", BINARY)
    if lie == "other bytes":
        return await _reconciled_later(liar, source)
    liar.lies = {"copy": LIES[lie]}
    with pytest.raises(StoreUnavailable):
        await liar.copy(source, target, "video/mp4")
    return None


async def _reconciled_later(liar: Liar, source: tuple[str, str]) -> None:
    """Of the right size: `sanshen reconcile` reads what it stands for, and what it was copied from is untouched."""
    assert await liar.read(*source) == b"a rendition"


@pytest.mark.parametrize(
    ("size_bytes", "lie"), [*((1000, lie) for lie in LIES), (9 * 2**20, "nothing"), (9 * 2**20, "half")]
)
async def test_rendition_that_was_not_stored_is_not_noted_and_the_next_attempt_stores_it(
    liar: Liar, tmp_path: Path, lie: str, size_bytes: int
) -> None:
    where, path, data = (RENDITIONS, f"tests/{uuid4()}"), tmp_path / "file", b"r" * size_bytes
    path.write_bytes(data)
    expected = StoredObject(hashlib.sha256(data).hexdigest(), size_bytes)
    liar.lies = {"put": LIES[lie]}
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store_file(liar, where, path, "video/mp4", expected)
    with pytest.raises(NotFound):
        await liar.read(*where)
    liar.lies = {}
    await store_file(liar, where, path, "video/mp4", expected)
    assert await liar.hash_object(*where) == expected


async def test_late_writer_that_finds_nothing_drops_nothing_of_who_took_over(
    newsroom: Any, liar: Liar
) -> None:
    """Its part has no place, because the next writer has put the whole together: that is no loss."""
    item, data = (await newsroom.draft()).id, b"taken over"
    upload = await _sent(newsroom, liar, item, data)
    async with newsroom.db.transaction() as session:
        row = (await session.exec(select(Upload).where(col(Upload.id) == upload.id))).one()
        row.door, row.offset_bytes = "tus", len(data)
    async with sole_writer(newsroom.db, upload.id) as late:
        async with newsroom.db.transaction() as session:
            await session.exec(late.update().values(writer=uuid4()))
        assert not await forget(newsroom.db, liar, upload, late)
        async with newsroom.db.transaction() as session:
            row = (await session.exec(select(Upload).where(col(Upload.id) == upload.id))).one()
            row.writer = None
    asset, _ = await _complete(newsroom, liar, upload)
    assert await liar.read(ASSETS, asset.object_key) == data
    assert not await forget(newsroom.db, liar, upload)
    assert await _state(newsroom, upload) == "completed"


async def test_tail_that_the_store_dropped_is_found_before_a_byte_is_built_on_it(
    newsroom: Any, liar: Liar
) -> None:
    item, data = (await newsroom.draft()).id, bytes(5 * 2**20 + 10)
    given = Upload(
        submission_id=item,
        person_id=newsroom.people["writer"].id,
        filename="a",
        size_bytes=len(data),
        door="tus",
    )
    upload, _ = await open_upload(newsroom.db, liar, newsroom.actor("writer"), given, TERMS)

    async def write(piece: bytes) -> None:
        async def arriving() -> Any:
            yield piece

        async with sole_writer(newsroom.db, upload.id) as lease:
            async with newsroom.db.transaction() as session:
                current = await find_upload(session, upload.id)
            current = await with_multipart(newsroom.db, liar, current)
            writer = PartWriter(newsroom.db, liar, current, lease)
            await writer.write(arriving())
            await writer.settle()

    await write(data[:1000])
    async with newsroom.db.transaction() as session:
        ((key, _),) = (await find_upload(session, upload.id)).tails
    await liar.remove(ASSETS, key)
    with pytest.raises(NotFound):
        await write(data[1000:])
    assert await _no_asset(newsroom, item)
