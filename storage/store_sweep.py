"""Tidying up the object store from its own side: what nobody finished, what was only on its way, and old versions.

Lifecycle rules ask the store for the same (`storage.buckets`); whether it acts on them differs, and this always does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.buckets import TEMPORARY_DAYS
from storage.database import Database
from storage.errors import NotFound, StoreUnavailable
from storage.keys import BUCKETS, LEDGER, PACKAGES, PUBLIC, TEMPORARY_PREFIXES
from storage.objects import Objects
from storage.old_versions import OldVersions, outlived


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was removed."""

    unfinished: int = 0
    temporary: int = 0
    old_files: int = 0


async def sweep_store(objects: Objects, age: timedelta = timedelta(days=TEMPORARY_DAYS)) -> Swept:
    """Drop unfinished uploads and temporary objects older than `age`, in every bucket. May be repeated.

    The sweep of uploads (`storage.uploads_leftovers`) goes by the database; this finds what no row knows, too.
    Raises StoreUnavailable when the store is away.
    """
    before = datetime.now(UTC) - age
    unfinished = temporary = 0
    for bucket in BUCKETS:
        for each in await objects.unfinished(bucket):
            if each.at < before:
                await objects.abort_multipart(bucket, each.key, each.upload_id)
                unfinished += 1
        for prefix in TEMPORARY_PREFIXES:
            for found in await objects.listed(bucket, prefix):
                # What a probe had locked is free after seconds.
                if found.at < before or bucket == LEDGER:
                    temporary += await _remove(objects, bucket, found.key)
    return Swept(unfinished, temporary)


async def _remove(objects: Objects, bucket: str, key: str) -> bool:
    """False while it is locked, or when another sweep was faster."""
    try:
        await objects.remove(bucket, key)
    except NotFound:
        return False
    except StoreUnavailable as error:
        if not error.code:
            raise
        return False
    return True


async def sweep_old_versions(db: Database, objects: Objects, since: timedelta | None = None) -> Swept:
    """Remove the public files of versions that a confirmed newer one has replaced (`storage.old_versions`).

    The archive keeps their renditions. Raises StoreUnavailable when the store is away.
    """
    async with db.transaction() as session:
        found = await outlived(session, since)
    return Swept(old_files=sum([await _remove_old(objects, each) for each in found]))


async def _remove_old(objects: Objects, old: OldVersions) -> int:
    removed = 0
    for bucket in (PUBLIC, PACKAGES):
        for key in await objects.names(bucket, old.folder):
            if old.is_old(key):
                await objects.remove(bucket, key)
                removed += 1
    return removed
