"""What the object store can do, found by trying it on names that are removed again. For `prepare` and `doctor`."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import urllib3

from storage.errors import NotFound, StoreUnavailable
from storage.keys import ASSETS, BUCKETS, LEDGER, PACKAGES, PUBLIC, RENDITIONS
from storage.object_copies import copy_in_parts
from storage.object_writes import put_new
from storage.objects import Objects
from storage.settings import Settings

WRITERS = 8
# Long enough for the request that must be refused, short enough that the next probe finds nothing left over.
_LOCKED_FOR = timedelta(seconds=10)
_SMALLEST_PART_BYTES = 5 * 2**20


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What was found; each is True only where it was seen to work."""

    conditional_put: bool
    versioning: bool
    object_lock: bool
    lifecycle: bool
    cors: bool
    multipart: bool
    is_closed: bool  # strangers read nothing but public objects, by name

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of what does not work, in the order above."""
        return tuple(name for name in self.__slots__ if not getattr(self, name))


async def probe_store(settings: Settings) -> StoreFacts:
    """What the store of these settings can do. Takes half a second on the embedded one.

    Raises StoreUnavailable or NotFound when a bucket cannot be written, read and tidied at all.
    """
    objects = Objects(settings)
    for bucket in BUCKETS:
        await _write_and_read(objects, bucket)
    return StoreFacts(
        conditional_put=await _has_one_winner(objects),
        versioning=await _keeps_versions(objects),
        object_lock=await _holds_locks(objects),
        lifecycle=await _answers(objects, ASSETS, "lifecycle"),
        cors=await asyncio.to_thread(_lets_pages_in, objects, settings.reader_url),
        multipart=await _joins_parts(objects),
        is_closed=await _is_closed(objects),
    )


def _name() -> str:
    return f"probe/{uuid4()}"


async def _write_and_read(objects: Objects, bucket: str) -> None:
    key = _name()
    await objects.put_bytes(bucket, key, b"probe", "text/plain")
    if await objects.read(bucket, key) != b"probe":
        raise StoreUnavailable(f"bucket {bucket} gives back other bytes than were written")
    await objects.remove(bucket, key)


async def _has_one_winner(objects: Objects) -> bool:
    """Writers at one moment, each with other bytes: one is told that it stored its own, and those are there."""
    where = (RENDITIONS, _name())
    written = [f"writer {number}".encode() for number in range(WRITERS)]
    try:
        won = await asyncio.gather(*(put_new(objects, where, data) for data in written))
        return won.count(True) == 1 and await objects.read(*where) == written[won.index(True)]
    except StoreUnavailable as error:
        return _can_not(error)
    finally:
        await objects.remove(*where)


async def _keeps_versions(objects: Objects) -> bool:
    key = _name()
    try:
        for data in (b"first", b"second"):
            await objects.put_bytes(ASSETS, key, data, "text/plain")
        return len(await objects.versions(ASSETS, key)) == 2
    except StoreUnavailable as error:
        return _can_not(error)
    finally:
        await objects.remove(ASSETS, key)


async def _holds_locks(objects: Objects) -> bool:
    """A locked version is not removed by this very account. It is left to the sweep: nobody can remove it now."""
    key = _name()
    until = (datetime.now(UTC) + _LOCKED_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until}
    try:
        await put_new(objects, (LEDGER, key), b"locked", headers=lock)
        await objects.erase(LEDGER, key)
    except StoreUnavailable as error:
        _can_not(error)
    try:
        return await objects.read(LEDGER, key) == b"locked"
    except NotFound:
        return False


async def _answers(objects: Objects, bucket: str, part: str) -> bool:
    """Whether what `storage.buckets` set is there; that the store acts on it, no probe of seconds can see."""
    try:
        return b"<Rule>" in (await objects.request("GET", (bucket, None), {part: ""})).body
    except (StoreUnavailable, NotFound) as error:
        return _can_not(error)


def _lets_pages_in(objects: Objects, site_url: str) -> bool:
    """What a browser asks before it sends a part of an upload from a page of ours."""
    site = urlsplit(site_url)
    origin = f"{site.scheme}://{site.netloc}"
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    answer = urllib3.request("OPTIONS", f"{objects.endpoint}/{ASSETS}/{_name()}", headers=asked, timeout=10)
    return answer.status < 300 and answer.headers.get("access-control-allow-origin") in (origin, "*")


async def _joins_parts(objects: Objects) -> bool:
    """An object copied in two parts is the same object."""
    source, target = (RENDITIONS, _name()), (PACKAGES, _name())
    try:
        await objects.put_bytes(*source, b"a" * _SMALLEST_PART_BYTES + b"end", "text/plain")
        await copy_in_parts(objects, source, target, {"Content-Type": "text/plain"}, _SMALLEST_PART_BYTES)
        return await objects.hash_object(*target) == await objects.hash_object(*source)
    except StoreUnavailable as error:
        return _can_not(error)
    finally:
        await objects.remove(*source)
        await objects.remove(*target)


async def _is_closed(objects: Objects) -> bool:
    """Asked without a key: only a public object, and that by name."""
    key = _name()
    for bucket in BUCKETS:
        await objects.put_bytes(bucket, key, b"probe", "text/plain")
    try:
        looks = [(PUBLIC, key, True), (PUBLIC, "?list-type=2", False), (PUBLIC, "", False)]
        looks += [(bucket, key, False) for bucket in BUCKETS if bucket != PUBLIC]
        return all([await asyncio.to_thread(_is_open, objects, *look[:2]) == look[2] for look in looks])
    finally:
        for bucket in BUCKETS:
            await objects.remove(bucket, key)


def _is_open(objects: Objects, bucket: str, rest: str) -> bool:
    return urllib3.request("GET", f"{objects.endpoint}/{bucket}/{rest}", timeout=10).status == 200


def _can_not(error: StoreUnavailable | NotFound) -> bool:
    """False where the store said so itself; a store that is away has said nothing."""
    if isinstance(error, StoreUnavailable) and not error.code:
        raise error
    return False
