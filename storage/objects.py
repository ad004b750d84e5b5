"""The door to the object store: the only importer of minio. Every call runs in a thread and may be repeated."""

import asyncio
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, REPLACE, ComposeSource, CopySource
from minio.datatypes import Part
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from minio.retention import Retention

from storage.errors import NotFound, StoreUnavailable
from storage.keys import BUCKETS, LEDGER, PUBLIC
from storage.settings import Settings

T = TypeVar("T")
URL_LIFETIME = timedelta(hours=1)
_LARGEST_COPY_BYTES = 5 * 2**30  # Amazon S3 API reference, CopyObject: 5 GiB in one call
_CHUNK_BYTES = 1 << 20
# What S3 servers answer when a bucket was made without object lock, or when they know none.
_NO_LOCK = ("InvalidRequest", "InvalidArgument", "NotImplemented", "ObjectLockConfigurationNotFoundError")
_MISSING = ("NoSuchKey", "NoSuchUpload", "NoSuchBucket")


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an upload that the store holds."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store was found to hold when it was read back."""

    sha256: str
    size_bytes: int


class Objects:
    """One account on one S3 server. Raises NotFound for what is not there, StoreUnavailable for the rest."""

    def __init__(self, settings: Settings) -> None:
        if settings.s3_endpoint is None or settings.s3_secret_key is None:
            raise StoreUnavailable("SANSHEN_S3_ENDPOINT and its keys are not set; start `sanshen up` first")
        address = urlsplit(settings.s3_endpoint)
        self.endpoint = settings.s3_endpoint.rstrip("/")
        self._client = Minio(
            address.netloc,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=address.scheme == "https",
            region=settings.s3_region,  # given, so that presigning asks nobody
            http_client=_pool(),
        )

    async def _run(self, call: Callable[[], T], what: str = "object") -> T:
        try:
            return await asyncio.to_thread(call)
        except S3Error as error:
            if error.code in _MISSING:
                raise NotFound("object", what) from error
            raise StoreUnavailable(f"{error.code}: {error.message}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    async def ensure_buckets(self) -> None:
        """Make the buckets that are missing; the world may read what is in `public`, and nothing else."""
        for bucket in BUCKETS:
            if not await self._run(lambda name=bucket: self._client.bucket_exists(name)):  # type: ignore[misc]
                await self._make_bucket(bucket)
        await self._run(lambda: self._client.set_bucket_policy(PUBLIC, _readable_by_all(PUBLIC)))

    async def _make_bucket(self, bucket: str) -> None:
        """The ledger's bucket takes object lock, which can only be asked for when a bucket is made."""
        if bucket == LEDGER:
            try:
                return await self._run(lambda: self._client.make_bucket(bucket, object_lock=True))
            except StoreUnavailable:
                if await self._run(lambda: self._client.bucket_exists(bucket)):
                    return None  # another process made it at the same moment
        return await self._run(lambda: self._client.make_bucket(bucket))

    # Uploads in parts: the client sends them to presigned addresses, never through us.

    async def create_multipart(self, bucket: str, key: str) -> str:
        """Begin an upload in parts; returns the store's id for it."""
        # The SDK has no public call for single steps of a multipart upload; these four names are stable
        # since minio-py 7.0 and held by tests/storage/test_objects.py.
        headers: Any = {"Content-Type": "application/octet-stream"}
        return await self._run(lambda: self._client._create_multipart_upload(bucket, key, headers))

    def presign_part(self, bucket: str, key: str, upload_id: str, number: int) -> str:
        """An address that takes this one part by PUT for one hour."""
        query: Any = {"uploadId": upload_id, "partNumber": str(number)}
        return self._client.get_presigned_url("PUT", bucket, key, URL_LIFETIME, extra_query_params=query)

    async def list_parts(self, bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """The parts that have arrived, by number. Raises NotFound when the upload is finished or gone."""
        return await self._run(lambda: list(self._parts(bucket, key, upload_id)), "upload")

    def _parts(self, bucket: str, key: str, upload_id: str) -> Iterable[StoredPart]:
        marker: str | None = None
        while True:
            page = self._client._list_parts(bucket, key, upload_id, part_number_marker=marker)
            for part in page.parts:
                yield StoredPart(part.part_number, part.size or 0, part.etag)
            if not page.is_truncated or not page.parts:
                return
            marker = str(page.parts[-1].part_number)

    async def complete_multipart(
        self, bucket: str, key: str, upload_id: str, parts: Iterable[StoredPart]
    ) -> None:
        """Put the parts together. Raises NotFound when the upload is finished or gone."""
        listed = [Part(part.number, part.etag) for part in parts]
        await self._run(
            lambda: self._client._complete_multipart_upload(bucket, key, upload_id, listed), "upload"
        )

    async def abort_multipart(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop an unfinished upload and its parts; one that is gone already is dropped."""
        try:
            await self._run(lambda: self._client._abort_multipart_upload(bucket, key, upload_id))
        except NotFound:
            return

    # Whole objects.

    async def hash_object(self, bucket: str, key: str) -> StoredObject:
        """Read an object back from the store: what is really there."""
        return await self._run(lambda: self._hash(bucket, key), key)

    def _hash(self, bucket: str, key: str) -> StoredObject:
        digest, size_bytes = hashlib.sha256(), 0
        for chunk in self._chunks(bucket, key):
            digest.update(chunk)
            size_bytes += len(chunk)
        return StoredObject(digest.hexdigest(), size_bytes)

    def _chunks(self, bucket: str, key: str) -> Iterable[bytes]:
        response = self._client.get_object(bucket, key)
        try:
            yield from response.stream(_CHUNK_BYTES)
        finally:
            response.close()
            response.release_conn()

    async def download(self, bucket: str, key: str, path: Path) -> None:
        """Write an object to a local file."""
        await self._run(lambda: self._download(bucket, key, path), key)

    def _download(self, bucket: str, key: str, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in self._chunks(bucket, key):
                file.write(chunk)

    async def read(self, bucket: str, key: str) -> bytes:
        """A small object, whole."""
        return await self._run(lambda: b"".join(self._chunks(bucket, key)), key)

    async def exists(self, bucket: str, key: str) -> bool:
        """Whether the object is there."""
        try:
            await self._run(lambda: self._client.stat_object(bucket, key), key)
        except NotFound:
            return False
        return True

    async def put_file(self, bucket: str, key: str, path: Path, media_type: str) -> None:
        """Store a local file; what was there under this key is replaced."""
        await self._run(lambda: self._client.fput_object(bucket, key, str(path), content_type=media_type))

    async def put_bytes(self, bucket: str, key: str, data: bytes, media_type: str) -> None:
        """Store a small object; what was there under this key is replaced."""
        await self._run(
            lambda: self._client.put_object(bucket, key, io.BytesIO(data), len(data), content_type=media_type)
        )

    async def put_locked(self, bucket: str, key: str, data: bytes, until: datetime) -> bool:
        """Store a small object that nobody can change or remove before `until`.

        False: the store or the bucket has no object lock; then it is stored without.
        """
        lock = Retention(COMPLIANCE, until)
        try:
            await self._run(
                lambda: self._client.put_object(bucket, key, io.BytesIO(data), len(data), retention=lock)
            )
        except StoreUnavailable as error:
            if not error.why.startswith(_NO_LOCK):
                raise
            await self.put_bytes(bucket, key, data, "application/octet-stream")
            return False
        return True

    async def copy(self, source: tuple[str, str], target: tuple[str, str], media_type: str) -> None:
        """Copy inside the store, of any size; bucket and key of each."""
        await self._run(lambda: self._copy(source, target, media_type), source[1])

    def _copy(self, source: tuple[str, str], target: tuple[str, str], media_type: str) -> None:
        headers: Any = {"Content-Type": media_type}
        if (self._client.stat_object(*source).size or 0) > _LARGEST_COPY_BYTES:
            self._client.compose_object(*target, [ComposeSource(*source)], metadata=headers)
        else:
            self._client.copy_object(
                *target, CopySource(*source), metadata=headers, metadata_directive=REPLACE
            )

    async def remove(self, bucket: str, key: str) -> None:
        """Remove one object; one that is gone already is removed."""
        await self._run(lambda: self._client.remove_object(bucket, key))

    async def remove_prefix(self, bucket: str, prefix: str) -> None:
        """Remove everything whose key begins with `prefix`."""
        await self._run(lambda: self._remove_prefix(bucket, prefix))

    def _remove_prefix(self, bucket: str, prefix: str) -> None:
        found = self._client.list_objects(bucket, prefix, recursive=True)
        names = [DeleteObject(each.object_name) for each in found if each.object_name]
        for error in self._client.remove_objects(bucket, names):
            raise StoreUnavailable(f"{error.code}: {error.name}")

    def presign_get(self, bucket: str, key: str, filename: str) -> str:
        """An address at which the object can be read for one hour, offered under `filename`."""
        shown = f"inline; filename*=UTF-8''{quote(filename)}"
        return self._client.get_presigned_url(
            "GET", bucket, key, URL_LIFETIME, response_headers={"response-content-disposition": shown}
        )


def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=32,
        timeout=urllib3.Timeout(connect=3, read=60),
        retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )


def _readable_by_all(bucket: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def probe_store(settings: Settings) -> None:
    """Write, read and remove a small object in every bucket. Raises StoreUnavailable or NotFound."""
    objects, key = Objects(settings), f"probe/{uuid4()}"
    for bucket in BUCKETS:
        await objects.put_bytes(bucket, key, b"probe", "text/plain")
        if await objects.read(bucket, key) != b"probe":
            raise StoreUnavailable(f"bucket {bucket} gives back other bytes than were written")
        await objects.remove(bucket, key)
