"""An upload against the real gateway: what arrives is what was announced, or it is refused and can be sent again."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import httpx
import pytest

from states.events import Event
from states.refusals import GuardRefused
from storage.assets import assets_of
from storage.errors import NotFound, UploadRefused
from storage.items import load_item
from storage.keys import ASSETS, asset_key
from storage.objects import Objects
from storage.quotas import Quotas
from storage.tables import Upload
from storage.uploads import (
    MOST_PARTS,
    SMALLEST_PART_BYTES,
    Terms,
    abort_upload,
    arrived_parts,
    find_upload,
    open_upload,
    open_uploads,
    part_bytes,
    part_count,
    part_size,
)
from storage.uploads_completing import complete_upload

pytestmark = pytest.mark.slow

MIB = 2**20
TERMS = Terms(Quotas(most_open=1000, most_open_bytes=10**12, most_day_bytes=10**13, most_a_minute=10_000))


@pytest.mark.parametrize("size_bytes", [1, 8 * MIB, 8 * MIB + 1, 50 * 10**9, 5 * 10**12])
def test_parts_cover_the_file_within_the_stores_limits(size_bytes: int) -> None:
    upload = Upload(size_bytes=size_bytes, part_size_bytes=part_size(size_bytes))
    count = part_count(upload)
    assert count <= MOST_PARTS
    assert upload.part_size_bytes >= SMALLEST_PART_BYTES
    assert upload.part_size_bytes * (count - 1) + part_bytes(upload, count) == size_bytes
    assert 0 < part_bytes(upload, count) <= upload.part_size_bytes


async def _open(newsroom: Any, objects: Objects, item: UUID, data: bytes, **announced: Any) -> Upload:
    given = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "filename": "桥.mp4"}
    upload = Upload(submission_id=item, person_id=newsroom.people["writer"].id, **(given | announced))
    return (await open_upload(newsroom.db, objects, newsroom.actor("writer"), upload, TERMS))[0]


async def _send(
    objects: Objects, upload: Upload, data: bytes, numbers: tuple[int, ...] | None = None
) -> None:
    async with httpx.AsyncClient() as client:
        for number in numbers or range(1, part_count(upload) + 1):
            begin = (number - 1) * upload.part_size_bytes
            part = data[begin : begin + upload.part_size_bytes]
            url = objects.presign_part((ASSETS, upload.object_key), upload.s3_upload_id, number, len(part))
            assert (await client.put(url, content=part)).status_code == 200


async def _complete(newsroom: Any, objects: Objects, upload: Upload) -> Any:
    async with newsroom.db.transaction() as session:
        current = await find_upload(session, upload.id, upload.submission_id)
    return await complete_upload(newsroom.db, objects, current, newsroom.actor("writer"))


async def _content(newsroom: Any, item: UUID) -> Any:
    async with newsroom.db.transaction() as session:
        return (await load_item(session, item)).content


async def test_file_that_arrives_as_announced_becomes_an_asset_of_the_draft(
    newsroom: Any, objects: Objects
) -> None:
    item, data = (await newsroom.draft()).id, b"\x00\x01" * 5000
    upload = await _open(newsroom, objects, item, data, caption="现场")
    await _send(objects, upload, data)
    asset, moved = await _complete(newsroom, objects, upload)
    sha256 = hashlib.sha256(data).hexdigest()
    assert (asset.sha256, asset.size_bytes, moved.revision_number) == (sha256, len(data), 2)
    (listed,) = (await _content(newsroom, item)).assets
    assert (listed.sha256, listed.filename, listed.caption) == (sha256, "桥.mp4", "现场")
    assert await objects.read(ASSETS, asset_key(sha256)) == data
    assert not await objects.exists(ASSETS, upload.object_key)


async def test_wrong_hash_is_refused_and_the_file_can_be_sent_again(newsroom: Any, objects: Objects) -> None:
    item, data = (await newsroom.draft()).id, b"what was announced"
    upload = await _open(newsroom, objects, item, data)
    await _send(objects, upload, b"what was aNNounced")
    with pytest.raises(UploadRefused, match="SHA-256"):
        await _complete(newsroom, objects, upload)
    assert (await _content(newsroom, item)).assets == ()
    assert not await objects.exists(ASSETS, upload.object_key)
    again = await _open(newsroom, objects, item, data)
    await _send(objects, again, data)
    asset, _ = await _complete(newsroom, objects, again)
    assert asset.sha256 == hashlib.sha256(data).hexdigest()


async def test_missing_part_is_named_and_the_upload_goes_on(newsroom: Any, objects: Objects) -> None:
    item, data = (await newsroom.draft()).id, bytes(8 * MIB) + b"tail"
    upload = await _open(newsroom, objects, item, data)
    await _send(objects, upload, data, (1,))
    with pytest.raises(UploadRefused, match=r"1 parts have not arrived.*: 2\."):
        await _complete(newsroom, objects, upload)
    await _send(objects, upload, data, (2,))
    asset, _ = await _complete(newsroom, objects, upload)
    assert asset.size_bytes == len(data)


async def test_part_of_the_wrong_size_counts_as_missing(newsroom: Any, objects: Objects) -> None:
    item, data = (await newsroom.draft()).id, b"twelve bytes"
    upload = await _open(newsroom, objects, item, data)
    await _send(objects, upload, b"eleven byte")
    assert await arrived_parts(objects, upload) == []
    with pytest.raises(UploadRefused, match="wrong size"):
        await _complete(newsroom, objects, upload)
    await _send(objects, upload, data)
    assert (await _complete(newsroom, objects, upload))[0].size_bytes == 12


async def test_complete_twice_in_a_row_and_at_once_gives_one_asset(newsroom: Any, objects: Objects) -> None:
    item, data = (await newsroom.draft()).id, b"only once"
    upload = await _open(newsroom, objects, item, data)
    await _send(objects, upload, data)
    both = await asyncio.gather(
        *(_complete(newsroom, objects, upload) for _ in range(2)), return_exceptions=True
    )
    done = [each[0].id for each in both if not isinstance(each, BaseException)]
    assert done, both
    later, moved = await _complete(newsroom, objects, upload)
    assert {*done, later.id} == {later.id}
    assert moved is None
    async with newsroom.db.transaction() as session:
        assert len(await assets_of(session, item)) == 1
    assert len((await _content(newsroom, item)).assets) == 1


async def test_uploads_that_finish_together_all_end_in_the_draft(newsroom: Any, objects: Objects) -> None:
    item = (await newsroom.draft()).id
    files = [bytes([number]) * 100 for number in range(5)]
    uploads = [await _open(newsroom, objects, item, data) for data in files]
    for upload, data in zip(uploads, files, strict=True):
        await _send(objects, upload, data)
    await asyncio.gather(*(_complete(newsroom, objects, upload) for upload in uploads))
    listed = {asset.sha256 for asset in (await _content(newsroom, item)).assets}
    assert listed == {hashlib.sha256(data).hexdigest() for data in files}


async def test_same_content_in_two_submissions_is_stored_once(newsroom: Any, objects: Objects) -> None:
    data = b"the same clip"
    keys = set()
    for _ in range(2):
        item = (await newsroom.draft()).id
        upload = await _open(newsroom, objects, item, data)
        await _send(objects, upload, data)
        keys.add((await _complete(newsroom, objects, upload))[0].object_key)
    assert keys == {asset_key(hashlib.sha256(data).hexdigest())}


async def test_open_upload_keeps_the_piece_from_being_sent_in_until_it_is_dropped(
    newsroom: Any, objects: Objects
) -> None:
    item = (await newsroom.draft()).id
    upload = await _open(newsroom, objects, item, b"never sent")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.SUBMIT, "writer")
    assert refused.value.guard == "uploads_finished"
    await abort_upload(newsroom.db, objects, upload)
    async with newsroom.db.transaction() as session:
        assert await open_uploads(session, submission_id=item) == []
        with pytest.raises(NotFound):
            await find_upload(session, upload.id, (await newsroom.draft()).id)
    await newsroom.send(item, Event.SUBMIT, "writer")


async def test_upload_to_a_piece_under_review_is_refused_before_any_byte(
    newsroom: Any, objects: Objects
) -> None:
    item = await newsroom.received()
    with pytest.raises(Exception, match="takes no edit"):
        await _open(newsroom, objects, item, b"too late")
