"""The object store through its door: steps of a multipart upload, who can read what, copies and removals."""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from minio import Minio
from pydantic import SecretStr

from storage.errors import NotFound, StoreUnavailable
from storage.keys import ASSETS, PUBLIC, RENDITIONS
from storage.objects import Objects, StoredPart

PART = b"a" * (5 * 2**20)


def _key() -> str:
    return f"tests/{uuid4()}"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_create_multipart_upload", ["bucket_name", "object_name", "headers"]),
        ("_list_parts", ["bucket_name", "object_name", "upload_id", "part_number_marker"]),
        ("_complete_multipart_upload", ["bucket_name", "object_name", "upload_id", "parts"]),
        ("_abort_multipart_upload", ["bucket_name", "object_name", "upload_id"]),
    ],
)
def test_single_steps_of_a_multipart_upload_are_still_in_the_sdk(name: str, parameters: list[str]) -> None:
    method: Callable[..., Any] = getattr(Minio, name)
    assert set(parameters) <= set(inspect.signature(method).parameters)


async def _put(url: str, data: bytes) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.put(url, content=data)).status_code


async def test_parts_sent_to_presigned_addresses_become_the_object(objects: Objects) -> None:
    key = _key()
    upload = await objects.create_multipart(ASSETS, key)
    assert await objects.list_parts(ASSETS, key, upload) == []
    for number, data in ((2, b"end"), (1, PART)):
        assert await _put(objects.presign_part((ASSETS, key), upload, number, len(data)), data) == 200
    parts = await objects.list_parts(ASSETS, key, upload)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, len(PART)), (2, 3)]
    await objects.complete_multipart(ASSETS, key, upload, parts)
    stored = await objects.hash_object(ASSETS, key)
    assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(PART + b"end").hexdigest(), len(PART) + 3)
    with pytest.raises(NotFound):
        await objects.list_parts(ASSETS, key, upload)


@pytest.mark.parametrize("first", [PART, b"b" * len(PART)])
async def test_part_that_was_sent_twice_keeps_its_bytes(objects: Objects, first: bytes) -> None:
    key = _key()
    upload = await objects.create_multipart(ASSETS, key)
    for number, data in ((1, first), (2, b"end"), (1, PART), (2, b"end")):
        assert await _put(objects.presign_part((ASSETS, key), upload, number, len(data)), data) == 200
    parts = await objects.list_parts(ASSETS, key, upload)
    assert len(set(parts)) == len(parts)
    await objects.complete_multipart(ASSETS, key, upload, parts)
    # SeaweedFS still reads what it has freed until it is swept away; a copy inside the store does not.
    await objects.copy((ASSETS, key), (ASSETS, f"{key}-copy"), "text/plain")
    assert (await objects.hash_object(ASSETS, f"{key}-copy")).sha256 == hashlib.sha256(
        PART + b"end"
    ).hexdigest()


async def test_dropped_upload_is_gone_and_can_be_dropped_again(objects: Objects) -> None:
    key = _key()
    upload = await objects.create_multipart(ASSETS, key)
    assert await _put(objects.presign_part((ASSETS, key), upload, 1, 1), b"x") == 200
    for _ in range(2):
        await objects.abort_multipart(ASSETS, key, upload)
    with pytest.raises(NotFound):
        await objects.list_parts(ASSETS, key, upload)
    with pytest.raises(NotFound):
        await objects.complete_multipart(ASSETS, key, upload, [StoredPart(1, 1, "x")])


async def test_presigned_part_takes_no_other_part_and_no_other_method(objects: Objects) -> None:
    key = _key()
    upload = await objects.create_multipart(ASSETS, key)
    url = objects.presign_part((ASSETS, key), upload, 1, 1)
    assert await _put(url.replace("partNumber=1", "partNumber=2"), b"x") == 403
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 403
    await objects.abort_multipart(ASSETS, key, upload)


async def test_the_world_reads_public_objects_by_name_and_nothing_else(objects: Objects) -> None:
    key = _key()
    for bucket in (PUBLIC, ASSETS, RENDITIONS):
        await objects.put_bytes(bucket, key, b"story", "text/plain")
    async with httpx.AsyncClient(base_url=objects.endpoint) as client:
        public = await client.get(f"/{PUBLIC}/{key}")
        assert (public.status_code, public.content) == (200, b"story")
        assert (await client.get(f"/{ASSETS}/{key}")).status_code == 403
        assert (await client.get(f"/{RENDITIONS}/{key}")).status_code == 403
        assert (await client.get(f"/{PUBLIC}/")).status_code == 403
        assert (await client.put(f"/{PUBLIC}/{key}", content=b"!")).status_code == 403
        assert (await client.delete(f"/{PUBLIC}/{key}")).status_code == 403
    assert await objects.read(PUBLIC, key) == b"story"


async def test_presigned_reading_address_offers_the_name(objects: Objects) -> None:
    key = _key()
    await objects.put_bytes(ASSETS, key, b"story", "application/octet-stream")
    async with httpx.AsyncClient() as client:
        answer = await client.get(objects.presign_get(ASSETS, key, '新桥 "1".mp4'))
    assert (answer.status_code, answer.content) == (200, b"story")
    assert "%E6%96%B0%E6%A1%A5%20%221%22.mp4" in answer.headers["content-disposition"]


async def test_file_copy_and_removals(objects: Objects, tmp_path: Path) -> None:
    prefix = _key()
    source = tmp_path / "source"
    source.write_bytes(b"bytes")
    await objects.put_file(RENDITIONS, f"{prefix}/a", source, "text/plain")
    await objects.copy((RENDITIONS, f"{prefix}/a"), (PUBLIC, f"{prefix}/b"), "video/mp4")
    await objects.download(PUBLIC, f"{prefix}/b", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"bytes"
    async with httpx.AsyncClient(base_url=objects.endpoint) as client:
        assert (await client.get(f"/{PUBLIC}/{prefix}/b")).headers["content-type"] == "video/mp4"
    await objects.remove_prefix(PUBLIC, f"{prefix}/")
    assert not await objects.exists(PUBLIC, f"{prefix}/b")
    for _ in range(2):
        await objects.remove(RENDITIONS, f"{prefix}/a")
    with pytest.raises(NotFound):
        await objects.read(RENDITIONS, f"{prefix}/a")


async def test_wrong_keys_and_no_server_are_said_to_be_unavailable(gateway: Any) -> None:
    wrong = Objects(gateway.model_copy(update={"s3_secret_key": SecretStr("x" * 20)}))
    with pytest.raises(StoreUnavailable):
        await wrong.put_bytes(ASSETS, _key(), b"x", "text/plain")
    with pytest.raises(StoreUnavailable):
        Objects(gateway.model_copy(update={"s3_endpoint": None}))
