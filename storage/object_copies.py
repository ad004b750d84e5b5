"""Copies inside the store, of any size: in one call up to what S3 allows, in parts above."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from storage.errors import NotFound, StoreUnavailable
from storage.stored import Answer, StoredPart

if TYPE_CHECKING:
    from storage.objects import Objects

Where = tuple[str, str]  # bucket and key
# Amazon S3 API reference, CopyObject: up to 5 GiB in one call; "Amazon S3 multipart upload limits": at most
# 10,000 parts (both read 2026-11-22). But the store is silent while it copies, and at the 20 MB/s of a busy disk
# 5 GiB take four minutes: each call has to be over long before we give up waiting for its answer (60 s).
_LARGEST_COPY_BYTES = 2**28
_PART_BYTES = 2**27
_MOST_PARTS = 10_000
_ETAG = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([^<&\"]+)")


async def copy(objects: "Objects", source: Where, target: Where, about: Mapping[str, str]) -> None:
    """Copy with the headers `about` in place of the source's. Raises NotFound, and StoreUnavailable where the
    copy is of another size than its source.
    """
    found = await objects.stat(*source)
    if found.size_bytes > _LARGEST_COPY_BYTES:
        await copy_in_parts(objects, source, target, about, _PART_BYTES)
    else:
        named = {"x-amz-copy-source": _named(source), "x-amz-metadata-directive": "REPLACE"}
        await objects.request("PUT", target, headers={**about, **named})
    try:
        copied = await objects.stat(*target)
    except NotFound as error:
        raise StoreUnavailable(f"{target[1]} is not there, though it was said to be copied") from error
    if copied.size_bytes != found.size_bytes:
        raise StoreUnavailable(f"{target[1]}: {copied.size_bytes} of {found.size_bytes} bytes were copied")


async def copy_in_parts(
    objects: "Objects",
    source: Where,
    target: Where,
    about: Mapping[str, str],
    part_bytes: int,
) -> None:
    """The same as an upload in parts, whose bytes the store takes from the source."""
    found = await objects.stat(*source)
    upload = await objects.create_multipart(*target, about)
    try:
        parts = [
            await _copy_part(objects, (source, found), (target, upload, number), range_)
            for number, range_ in enumerate(part_ranges(found.size_bytes, part_bytes), 1)
        ]
        await objects.complete_multipart(*target, upload, parts)
    except BaseException:
        await objects.abort_multipart(*target, upload)
        raise


def part_ranges(size_bytes: int, part_bytes: int) -> Iterator[tuple[int, int]]:
    """First and last byte of each part; the parts are larger than asked where there would be over 10,000."""
    step = max(part_bytes, -(-size_bytes // _MOST_PARTS))
    for first in range(0, size_bytes, step):
        yield first, min(first + step, size_bytes) - 1


async def _copy_part(
    objects: "Objects",
    source: tuple[Where, Answer],
    target: tuple[Where, str, int],
    range_: tuple[int, int],
) -> StoredPart:
    where, found = source
    into, upload, number = target
    headers = {
        "x-amz-copy-source": _named(where),
        "x-amz-copy-source-range": f"bytes={range_[0]}-{range_[1]}",
        # A source that is replaced meanwhile would be sewn together from two.
        "x-amz-copy-source-if-match": found.headers["etag"],
    }
    query = {"partNumber": str(number), "uploadId": upload}
    answer = await objects.request("PUT", into, query, headers)
    etag = _ETAG.search(answer.body)
    if etag is None:  # S3 may answer 200 and an error inside
        raise StoreUnavailable(f"part {number} of {into[1]} was not copied")
    return StoredPart(number, range_[1] - range_[0] + 1, etag[1].decode())


def _named(where: Where) -> str:
    return quote("/" + "/".join(where))
