"""Writes that leave what is there alone: for names that stand for their content, and for the ledger."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from storage.errors import NotFound, StoredDiffers, StoreUnavailable
from storage.object_copies import Where
from storage.objects import Objects
from storage.stored import StoredObject

# A writer was first; the second is what Amazon's answers while the first one is still writing.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
# What S3 servers answer when a bucket was made without object lock, or when they know none.
_NO_LOCK = ("InvalidRequest", "InvalidArgument", "NotImplemented", "ObjectLockConfigurationNotFoundError")
_ONE_CALL_BYTES = 8 * 2**20
_BINARY = "application/octet-stream"


async def put_new(
    objects: Objects,
    where: Where,
    data: bytes,
    media_type: str = _BINARY,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Store a small object unless one is there; False: there is one, and it was left alone.

    A store that knows no conditional put stores it all the same (`storage.store_probe` tells).
    """
    sent = {"Content-Type": media_type, "If-None-Match": "*", **_hashed(data), **(headers or {})}
    try:
        await objects.request("PUT", where, headers=sent, body=data)
    except StoreUnavailable as error:
        if error.code not in _TAKEN:
            raise
        return False
    return True


async def put_locked(objects: Objects, where: Where, data: bytes, until: datetime) -> bool:
    """Store a small object that nobody can change or remove before `until`. May be repeated.

    False: the store or the bucket has no object lock; then a conditional put is all that holds it. Raises
    StoredDiffers when other bytes have this name already.
    """
    moment = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": moment}
    is_locked = True
    try:
        is_new = await put_new(objects, where, data, headers=lock)
    except StoreUnavailable as error:
        if error.code not in _NO_LOCK:
            raise
        is_locked, is_new = False, await put_new(objects, where, data)
    if not is_new and await objects.read(*where) != data:
        raise StoredDiffers(*where)
    return is_locked


async def store_file(
    objects: Objects, where: Where, path: Path, media_type: str, expected: StoredObject
) -> None:
    """Store a local file under a key that names its content, and read it back: nobody hears of it before.

    What has this name and these bytes stays; a file of one call is put conditionally, a larger one is looked
    for first. Raises StoreUnavailable when the store gives back nothing, or other bytes; they are removed.
    """
    if expected.size_bytes <= _ONE_CALL_BYTES:
        await put_new(objects, where, await asyncio.to_thread(path.read_bytes), media_type)
    elif not await objects.exists(*where):
        await objects.put_file(*where, path, media_type)
    try:
        if await objects.hash_object(*where) == expected:
            return
    except NotFound as error:
        raise StoreUnavailable(f"{where[1]} is not there, though it was said to be stored") from error
    await objects.remove(*where)
    raise StoreUnavailable(f"{where[1]} reads back differently from what was written; it was removed")


def _hashed(data: bytes) -> dict[str, str]:
    # Stores want it beside object lock (Amazon S3 user guide, "Object Lock considerations"); MD5 is the protocol's.
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}
