"""Uploads and the store: addresses that fit one size, completion in spite of failures, what is left at the end."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, update
from sqlmodel import col

from storage.errors import NotFound, StoreUnavailable, UploadBusy, UploadRefused
from storage.keys import ASSETS, asset_key
from storage.objects import Objects
from storage.quotas import Quotas
from storage.tables import Upload
from storage.uploads import Terms, abort_upload, find_upload, open_upload, with_multipart
from storage.uploads_completing import complete_upload
from storage.uploads_lease import sole_writer
from storage.uploads_leftovers import expire_uploads, tail_prefix

TERMS = Terms(Quotas(most_open=1000, most_open_bytes=10**12, most_day_bytes=10**13, most_a_minute=10_000))
DATA = b"the bytes of a clip"

pytestmark = pytest.mark.slow


async def _opened(newsroom: Any, objects: Objects, item: UUID, **given: Any) -> Upload:
    values = {
        "filename": "桥.mp4",
        "size_bytes": len(DATA),
        "sha256": hashlib.sha256(DATA).hexdigest(),
    } | given
    announced = Upload(submission_id=item, person_id=newsroom.people["writer"].id, **values)
    return (await open_upload(newsroom.db, objects, newsroom.actor("writer"), announced, TERMS))[0]


async def _put(objects: Objects, upload: Upload, data: bytes, **headers: str) -> int:
    where = (ASSETS, upload.object_key)
    url = objects.presign_part(where, upload.s3_upload_id, 1, upload.size_bytes)
    async with httpx.AsyncClient() as client:
        return (await client.put(url, content=data, headers=headers)).status_code


async def _now(newsroom: Any, upload: Upload) -> Upload:
    async with newsroom.db.transaction() as session:
        return await find_upload(session, upload.id)


async def _set(newsroom: Any, upload: Upload, **values: Any) -> None:
    async with newsroom.db.transaction() as session:
        await session.exec(update(Upload).where(col(Upload.id) == upload.id).values(**values))


def _under(objects: Objects, prefix: str) -> list[str]:
    return [str(each.object_name) for each in objects._client.list_objects(ASSETS, prefix, recursive=True)]


async def _parts(objects: Objects, upload: Upload) -> int:
    return len(await objects.list_parts(ASSETS, upload.object_key, upload.s3_upload_id))


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"!", b"", DATA * 1000])
async def test_address_takes_no_other_size(newsroom: Any, objects: Objects, data: bytes) -> None:
    upload = await _opened(newsroom, objects, (await newsroom.draft()).id)
    assert await _put(objects, upload, data) == 403
    assert await _parts(objects, upload) == 0
    assert await _put(objects, upload, DATA) == 200
    assert await _parts(objects, upload) == 1


async def test_address_takes_no_stream_of_unsaid_length(newsroom: Any, objects: Objects) -> None:
    upload = await _opened(newsroom, objects, (await newsroom.draft()).id)

    async def unsaid() -> Any:
        yield DATA

    url = objects.presign_part((ASSETS, upload.object_key), upload.s3_upload_id, 1, len(DATA))
    async with httpx.AsyncClient() as client:
        assert (await client.put(url, content=unsaid())).status_code in (403, 411)
    assert await _parts(objects, upload) == 0


async def test_address_takes_no_other_key_part_or_upload(newsroom: Any, objects: Objects) -> None:
    item = (await newsroom.draft()).id
    upload, other = await _opened(newsroom, objects, item), await _opened(newsroom, objects, item)
    url = objects.presign_part((ASSETS, upload.object_key), upload.s3_upload_id, 1, len(DATA))
    changed = (
        url.replace("partNumber=1", "partNumber=2"),
        url.replace(upload.s3_upload_id, other.s3_upload_id),
        url.replace(str(upload.id), str(other.id)),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=360000"),
        url.replace("content-length%3Bhost", "host"),
    )
    assert url not in changed
    async with httpx.AsyncClient() as client:
        for each in changed:
            assert (await client.put(each, content=DATA)).status_code in (400, 403, 404)
    assert (await _parts(objects, upload), await _parts(objects, other)) == (0, 0)


async def test_creation_that_the_store_failed_goes_on_with_the_same_key(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, terms = (await newsroom.draft()).id, Terms(TERMS.quotas, "a key of one phone")

    async def create() -> tuple[Upload, bool]:
        announced = Upload(
            submission_id=item, person_id=newsroom.people["writer"].id, filename="a", size_bytes=len(DATA)
        )
        return await open_upload(newsroom.db, objects, newsroom.actor("writer"), announced, terms)

    async def away(bucket: str, key: str) -> str:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(objects, "create_multipart", away)
        with pytest.raises(StoreUnavailable):
            await create()
    (first, was_known), (second, _) = await create(), await create()
    assert was_known
    assert first.id == second.id
    assert first.s3_upload_id == second.s3_upload_id != ""
    assert await _put(objects, first, DATA) == 200
    assert (await complete_upload(newsroom.db, objects, first, newsroom.actor("writer")))[
        0
    ].size_bytes == len(DATA)


async def test_creations_at_once_with_one_key_are_one_upload(newsroom: Any, objects: Objects) -> None:
    item, terms = (await newsroom.draft()).id, Terms(TERMS.quotas, "five at once")

    async def create() -> Upload:
        announced = Upload(
            submission_id=item, person_id=newsroom.people["writer"].id, filename="a", size_bytes=5
        )
        return (await open_upload(newsroom.db, objects, newsroom.actor("writer"), announced, terms))[0]

    found = await asyncio.gather(*(create() for _ in range(5)))
    assert len({(each.id, each.s3_upload_id) for each in found}) == 1
    assert await with_multipart(newsroom.db, objects, found[0]) is found[0]


@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["list_parts", "complete_multipart", "hash_object", "copy", "remove"])
async def test_completion_that_fails_at_any_step_is_done_by_the_next_call(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch, step: str, is_done_first: bool
) -> None:
    """`after`: the store did the work, and its answer was lost."""
    item = (await newsroom.draft()).id
    data = f"{step} {is_done_first}".encode()
    upload = await _opened(
        newsroom, objects, item, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    assert await _put(objects, upload, data) == 200
    real = getattr(objects, step)

    async def failing(*given: Any) -> Any:
        if is_done_first:
            await real(*given)
        raise StoreUnavailable("killed in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(objects, step, failing)
        try:
            await complete_upload(newsroom.db, objects, upload, newsroom.actor("writer"))
        except StoreUnavailable:
            assert (await _now(newsroom, upload)).state == "open"
        else:
            assert step == "remove"  # what it leaves behind is swept up later
    asset, _ = await complete_upload(
        newsroom.db, objects, await _now(newsroom, upload), newsroom.actor("writer")
    )
    assert (asset.sha256, asset.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert await objects.read(ASSETS, asset_key(asset.sha256)) == data
    await expire_uploads(newsroom.db, objects)
    assert _under(objects, upload.object_key) == []


async def test_copy_that_differs_is_not_known_to_the_database(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was killed behind its copy may have left anything under the key: it is read, not trusted."""
    item, data = (await newsroom.draft()).id, b"not what was copied"
    upload = await _opened(
        newsroom, objects, item, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    assert await _put(objects, upload, data) == 200
    key = asset_key(hashlib.sha256(data).hexdigest())
    await objects.put_bytes(ASSETS, key, b"half of", "application/octet-stream")
    asset, _ = await complete_upload(newsroom.db, objects, upload, newsroom.actor("writer"))
    assert await objects.read(ASSETS, asset.object_key) == data


async def test_second_completion_waits_for_the_first_and_gives_up_with_words(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await _opened(newsroom, objects, (await newsroom.draft()).id)
    monkeypatch.setattr("storage.uploads_lease._MOST_WAIT_S", 0.3)
    async with sole_writer(newsroom.db, upload.id):
        with pytest.raises(UploadBusy):
            await complete_upload(newsroom.db, objects, upload, newsroom.actor("writer"))
        with pytest.raises(UploadBusy):
            await abort_upload(newsroom.db, objects, upload)
    await abort_upload(newsroom.db, objects, upload)
    assert (await _now(newsroom, upload)).state == "aborted"


async def test_lease_of_a_dead_writer_ends_and_its_late_write_changes_nothing(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await _opened(newsroom, objects, (await newsroom.draft()).id)
    stopped = asyncio.Event()
    async with sole_writer(newsroom.db, upload.id, stopped.set) as late:
        await _set(newsroom, upload, writer_until=func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 1))
        async with sole_writer(newsroom.db, upload.id):
            async with newsroom.db.transaction() as session:
                assert (await session.exec(late.update().values(offset_bytes=7))).rowcount == 0
            await asyncio.wait_for(stopped.wait(), 20)
    assert (await _now(newsroom, upload)).offset_bytes == 0


@pytest.mark.parametrize("door", ["parts", "tus"])
async def test_upload_past_its_time_is_ended_and_its_bytes_are_removed(
    newsroom: Any, objects: Objects, door: str
) -> None:
    item = (await newsroom.draft()).id
    late, early = [await _opened(newsroom, objects, item, door=door) for _ in range(2)]
    for upload in (late, early):
        assert await _put(objects, upload, DATA) == 200
        await objects.put_bytes(ASSETS, f"{tail_prefix(upload.id)}x", b"tail", "application/octet-stream")
    past = func.now() - func.make_interval(0, 0, 0, 0, 1)
    await _set(newsroom, late, expires_at=past)
    assert await expire_uploads(newsroom.db, objects) == 1
    assert await expire_uploads(newsroom.db, objects) == 0
    assert ((await _now(newsroom, late)).state, (await _now(newsroom, early)).state) == ("expired", "open")
    with pytest.raises(NotFound):
        await objects.list_parts(ASSETS, late.object_key, late.s3_upload_id)
    assert await _parts(objects, early) == 1
    with pytest.raises(UploadRefused, match="expired"):
        await complete_upload(newsroom.db, objects, late, newsroom.actor("writer"))
    if door == "tus":
        assert _under(objects, tail_prefix(late.id)) == []
        assert _under(objects, tail_prefix(early.id)) != []


async def test_upload_that_is_being_written_does_not_expire(newsroom: Any, objects: Objects) -> None:
    upload = await _opened(newsroom, objects, (await newsroom.draft()).id)
    await _set(newsroom, upload, expires_at=func.now())
    async with sole_writer(newsroom.db, upload.id):
        assert await expire_uploads(newsroom.db, objects) == 0
    assert await expire_uploads(newsroom.db, objects) == 1


async def test_leftovers_wait_for_a_store_that_is_away(
    newsroom: Any, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await _opened(newsroom, objects, (await newsroom.draft()).id)
    assert await _put(objects, upload, DATA) == 200

    async def away(*given: Any) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(objects, "abort_multipart", away)
        await abort_upload(newsroom.db, objects, upload)
        await expire_uploads(newsroom.db, objects)
    kept = await _now(newsroom, upload)
    assert (kept.state, kept.cleaned_at) == ("aborted", None)
    assert await _parts(objects, upload) == 1
    await expire_uploads(newsroom.db, objects)
    assert (await _now(newsroom, upload)).cleaned_at is not None
