"""What a bucket holds: its listing in order, older versions of an object, and removal that can be taken back.

Beside storage/objects.py, which owns the connection; nothing here knows the database.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.buckets import KEPT_VERSIONS_DAYS
from storage.errors import NotFound
from storage.objects import Objects
from storage.stored import StoredObject

_AT_ONCE = 1000  # what an S3 server gives in one answer (Amazon S3 API reference, ListObjectsV2)
_CHUNK_BYTES = 1 << 20
# Where an object lies for a day before it is gone for good, in a bucket that keeps no older versions.
ASIDE = "removed/"
ASIDE_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as the listing tells it."""

    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of an object may still be: a key, or an older version of it."""

    bucket: str
    key: str
    version_id: str | None = None


async def listing(objects: Objects, bucket: str, depth: int, prefix: str = "") -> AsyncIterator[Listed]:
    """Every object below `prefix`, in the order of bytes within each folder of `depth` names.

    Stores differ on whether `a.b` comes before `a/b`, so that a folder is sorted here before it is given; no
    more than one folder is held at a time. Folders themselves come as the store lists them.
    """
    folder: list[Listed] = []
    name: tuple[str, ...] = ()
    async for each in _raw(objects, bucket, prefix):
        its = tuple(each.key.split("/")[:depth])
        if its != name:
            for ready in _sorted(folder):
                yield ready
            folder, name = [], its
        folder.append(each)
    for ready in _sorted(folder):
        yield ready


def _sorted(folder: list[Listed]) -> Iterator[Listed]:
    yield from sorted(folder, key=lambda each: each.key.encode())


async def _raw(objects: Objects, bucket: str, prefix: str) -> AsyncIterator[Listed]:
    found = objects._client.list_objects(bucket, prefix or None, recursive=True)
    while batch := await objects._run(lambda: list(islice(found, _AT_ONCE)), bucket):
        for each in batch:
            if each.object_name and not each.is_dir:
                yield Listed(each.object_name, each.size or 0, each.last_modified or datetime.now(UTC))


async def look_at(objects: Objects, bucket: str, key: str) -> Listed | None:
    """One object as it is at this moment, None when it is not there."""
    try:
        found = await objects._run(lambda: objects._client.stat_object(bucket, key), key)
    except NotFound:
        return None
    return Listed(key, found.size or 0, found.last_modified or datetime.now(UTC))


async def keeps_versions(objects: Objects, bucket: str) -> bool:
    """Whether the bucket is versioned: a removed object is then an older version, and can be brought back."""
    config = await objects._run(lambda: objects._client.get_bucket_versioning(bucket), bucket)
    return str(config.status) == "Enabled"


async def older_copies(objects: Objects, bucket: str, key: str) -> list[Source]:
    """Where this object may still be, the newest first: older versions, and what was put aside."""
    found = await objects._run(
        lambda: list(objects._client.list_objects(bucket, key, recursive=True, include_version=True)), key
    )
    versions = [each for each in found if each.object_name == key and not each.is_delete_marker]
    versions.sort(key=lambda each: each.last_modified or datetime.now(UTC), reverse=True)
    copies = [
        Source(bucket, key, each.version_id) for each in versions if each.version_id not in (None, "null")
    ]
    if await objects.exists(bucket, ASIDE + key):
        copies.append(Source(bucket, ASIDE + key))
    return copies


async def put_aside(objects: Objects, bucket: str, key: str) -> None:
    """Have a copy below `removed/` for a day, which `empty_aside` clears, of what a bucket without versions loses."""
    with suppress(NotFound):
        await objects.copy((bucket, key), (bucket, ASIDE + key), "application/octet-stream")


async def bring_back(
    objects: Objects, source: Source, target: tuple[str, str], wanted: StoredObject, media_type: str
) -> bool:
    """Put an object again from another copy; False when that copy is not what is wanted, or is gone.

    The copy is hashed before anything is written, and the object is read back afterwards.
    """
    async with _fetched(objects, source) as (path, found):
        if found != wanted:
            return False
        await objects.put_file(*target, path, media_type)
    return await objects.hash_object(*target) == wanted


@asynccontextmanager
async def _fetched(objects: Objects, source: Source) -> AsyncIterator[tuple[Path, StoredObject | None]]:
    with TemporaryDirectory(prefix="sanshen-copy-") as folder:
        path = Path(folder) / "copy"
        try:
            found = await objects._run(lambda: _fetch(objects, source, path), source.key)
        except NotFound:
            found = None
        yield path, found


def _fetch(objects: Objects, source: Source, path: Path) -> StoredObject:
    digest, size_bytes = hashlib.sha256(), 0
    response = objects._client.get_object(source.bucket, source.key, version_id=source.version_id)
    try:
        with path.open("wb") as file:
            for chunk in response.stream(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                size_bytes += len(chunk)
    finally:
        response.close()
        response.release_conn()
    return StoredObject(digest.hexdigest(), size_bytes)


async def empty_aside(
    objects: Objects, bucket: str, now: datetime, erase: Callable[[str, str], Awaitable[bool]]
) -> int:
    """Remove for good what was taken away long enough ago: a day where it was put aside, thirty days where the
    bucket keeps it as an older version (its lifecycle rule asks the store for the same); how many objects.

    `erase` removes all versions of an object (bucket and key), unless somebody needs it again by now: False.
    """
    gone = 0
    async for each in _raw(objects, bucket, ASIDE):
        if each.modified_at < now - ASIDE_FOR:
            await objects.erase(bucket, each.key)
            gone += 1
    if await keeps_versions(objects, bucket):
        async for key in _removed_before(objects, bucket, now - timedelta(days=KEPT_VERSIONS_DAYS)):
            gone += await erase(bucket, key)
    return gone


async def _removed_before(objects: Objects, bucket: str, before: datetime) -> AsyncIterator[str]:
    """Keys whose newest version is a mark of removal from before that time."""
    found = objects._client.list_objects(bucket, recursive=True, include_version=True)
    while batch := await objects._run(lambda: list(islice(found, _AT_ONCE)), bucket):
        for each in batch:
            marked = each.is_delete_marker and str(each.is_latest).lower() == "true"
            if marked and each.object_name and each.last_modified and each.last_modified < before:
                yield each.object_name
