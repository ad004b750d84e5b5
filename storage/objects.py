"""The door to the object store: the only importer of minio. Every call runs in a thread and may be repeated."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import ComposeSource
from minio.datatypes import Part
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from storage import object_copies
from storage.errors import NotFound, StoreFull, StoreUnavailable
from storage.keys import is_temporary
from storage.presigned import Account, presigned_put
from storage.room import lacks_room
from storage.settings import Settings
from storage.store_calls import Calls, pool
from storage.store_failures import from_answer, from_silence
from storage.stored import Answer, Begun, StoredObject, StoredPart

T = TypeVar("T")
URL_LIFETIME = timedelta(hours=1)
_CHUNK_BYTES = 1 << 20
_READ_BYTES = 256 << 10  # what a reader's connection holds in memory at a time
_MISSING = ("NoSuchKey", "NoSuchUpload", "NoSuchBucket")


class Objects:
    """One account on one S3 server. Raises NotFound for what is not there, StoreUnavailable for the rest."""

    def __init__(self, settings: Settings) -> None:
        if settings.s3_endpoint is None or settings.s3_secret_key is None:
            raise StoreUnavailable("SANSHEN_S3_ENDPOINT and its keys are not set; start `sanshen up` first")
        address = urlsplit(settings.s3_endpoint)
        self.endpoint = settings.s3_endpoint.rstrip("/")
        self.region = settings.s3_region
        secret_key = settings.s3_secret_key.get_secret_value()
        self._account = Account(self.endpoint, settings.s3_region, settings.s3_access_key or "", secret_key)
        self._client = Minio(
            address.netloc,
            access_key=settings.s3_access_key,
            secret_key=secret_key,
            secure=address.scheme == "https",
            region=settings.s3_region,  # given, so that presigning asks nobody
            http_client=pool(),
        )
        self.calls = Calls()
        self._folder = settings.s3_folder

    async def _run(self, call: Callable[[], T], what: str = "object") -> T:
        try:
            return await self.calls.run(call)
        except S3Error as error:
            if error.code in _MISSING:
                raise NotFound("object", what) from error
            said = (error.response.status, error.code or "", error.message or "")
            raise from_answer(*said, self._folder) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise from_silence(error, self._folder) from error

    def check_room(self, size_bytes: int = 0) -> None:
        """Nothing, or StoreFull: so many bytes more do not fit where the store lies on this machine's disk."""
        if self._folder is not None and lacks_room(self._folder, size_bytes):
            raise StoreFull(f"no room for {size_bytes} bytes in {self._folder}")

    async def request(
        self,
        method: str,
        where: tuple[str, str | None],
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One signed request to a bucket or an object, for what the SDK has no call for.

        StoreUnavailable carries the store's `code`.
        """
        given: Any = dict(headers or {})
        asked: Any = dict(query or {})
        found = await self._run(
            lambda: self._client._execute(method, *where, body=body, headers=given, query_params=asked),
            where[1] or where[0],
        )
        return Answer(found.status, _lower(found.headers), [found.data or b""])

    # Uploads in parts: the client sends them to presigned addresses, never through us.

    async def create_multipart(self, bucket: str, key: str, about: Mapping[str, str] | None = None) -> str:
        """Begin an upload in parts, of an object with the headers `about`; returns the store's id for it."""
        # The SDK has no public call for single steps of a multipart upload; these four names are stable
        # since minio-py 7.0 and held by tests/storage/test_objects.py.
        headers: Any = {"Content-Type": "application/octet-stream", **(about or {})}
        return await self._run(lambda: self._client._create_multipart_upload(bucket, key, headers))

    def presign_part(self, where: tuple[str, str], upload_id: str, number: int, size_bytes: int) -> str:
        """An address that takes this one part (bucket and key, number), of exactly this size, by PUT for one hour."""
        query = {"uploadId": upload_id, "partNumber": str(number)}
        return presigned_put(self._account, "/".join(("", *where)), query, size_bytes, URL_LIFETIME)

    async def put_part(self, where: tuple[str, str], upload_id: str, number: int, data: bytearray) -> None:
        """Store one part (bucket and key, number) from memory. Raises NotFound when the upload is gone."""
        body: Any = data  # sent as it is: a copy would double the memory of every writer
        await self._run(lambda: self._client._upload_part(*where, body, None, upload_id, number), "upload")

    async def join(self, bucket: str, keys: Iterable[str], target: str) -> None:
        """Join objects inside the store, in this order; all but the last are of 5 MiB or more."""
        sources = [ComposeSource(bucket, key) for key in keys]
        await self._run(lambda: self._client.compose_object(bucket, target, sources), target)

    async def list_parts(self, bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """The parts that have arrived, by number, each once. Raises NotFound when the upload is finished or gone."""
        # SeaweedFS lists a part that was sent twice twice. Named twice in the end of the upload, it would free the
        # bytes that it had just put together (4.47 and 4.48; tests/storage/test_objects.py).
        return await self._run(lambda: list(dict.fromkeys(self._parts(bucket, key, upload_id))), "upload")

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

    def _chunks(self, bucket: str, key: str, first: int = 0, most_bytes: int = 0) -> Iterable[bytes]:
        response = self._client.get_object(bucket, key, first, most_bytes)
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

    async def read(self, bucket: str, key: str, first: int = 0, most_bytes: int = 0) -> bytes:
        """A small object, whole; or at most `most_bytes` of a large one, from byte `first` on."""
        return await self._run(lambda: b"".join(self._chunks(bucket, key, first, most_bytes)), key)

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

    async def copy(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Copy inside the store, of any size; bucket and key of each. What the target was is replaced."""
        await object_copies.copy(self, source, target, {"Content-Type": media_type, **(headers or {})})

    async def stat(self, bucket: str, key: str) -> Answer:
        """The headers of an object. Raises NotFound."""
        return await self.request("HEAD", (bucket, key))

    @asynccontextmanager
    async def opened(self, bucket: str, key: str, range_: str | None = None) -> AsyncIterator[Answer]:
        """An object to be read in pieces (in threads), or the part that `range_` names. Raises NotFound."""
        asked: Any = {"Range": range_} if range_ else {}
        found = await self._run(lambda: self._client.get_object(bucket, key, request_headers=asked), key)
        try:
            yield Answer(found.status, _lower(found.headers), found.stream(_READ_BYTES))
        finally:
            await asyncio.to_thread(_release, found)

    async def remove(self, bucket: str, key: str) -> None:
        """Remove one object; one that is gone already is removed. Of a temporary one no version is left."""
        if is_temporary(key):
            return await self._run(lambda: self._erase(bucket, key, exactly=key))
        return await self._run(lambda: self._client.remove_object(bucket, key))

    async def names(self, bucket: str, prefix: str) -> list[str]:
        """The keys that begin with `prefix`."""
        return [each.key for each in await self.listed(bucket, prefix)]

    async def listed(self, bucket: str, prefix: str) -> list[Begun]:
        """The objects whose key begins with `prefix`, with the time at which each was stored."""
        return await self._run(lambda: list(self._listed(bucket, prefix)))

    def _listed(self, bucket: str, prefix: str) -> Iterable[Begun]:
        for each in self._client.list_objects(bucket, prefix, recursive=True):
            if each.object_name and each.last_modified:
                yield Begun(each.object_name, each.last_modified)

    async def unfinished(self, bucket: str) -> list[Begun]:
        """Uploads in parts that were begun and neither finished nor dropped; the first thousand."""
        found = await self._run(lambda: self._client._list_multipart_uploads(bucket).uploads)
        return [
            Begun(each.object_name, each.initiated_time, each.upload_id or "")
            for each in found
            if each.initiated_time
        ]

    async def versions(self, bucket: str, key: str) -> list[str]:
        """The ids of what is kept of one object, newest first, marks of removal among them."""
        return await self._run(lambda: [version for _, version in self._versions(bucket, key, exactly=key)])

    async def erase(self, bucket: str, key: str) -> None:
        """Remove one object with all its versions, for good."""
        await self._run(lambda: self._erase(bucket, key, exactly=key))

    def _erase(self, bucket: str, prefix: str, exactly: str | None = None) -> None:
        for name, version in list(self._versions(bucket, prefix, exactly)):
            self._client.remove_object(bucket, name, version)

    def _versions(self, bucket: str, prefix: str, exactly: str | None = None) -> Iterable[tuple[str, str]]:
        for each in self._client.list_objects(bucket, prefix, recursive=True, include_version=True):
            if each.object_name and exactly in (None, each.object_name):
                yield each.object_name, each.version_id or "null"

    async def remove_prefix(self, bucket: str, prefix: str) -> None:
        """Remove everything whose key begins with `prefix`; of what is temporary no version is left."""
        remove = self._erase if is_temporary(prefix) else self._remove_prefix
        await self._run(lambda: remove(bucket, prefix))

    def _remove_prefix(self, bucket: str, prefix: str) -> None:
        found = self._client.list_objects(bucket, prefix, recursive=True)
        names = [DeleteObject(each.object_name) for each in found if each.object_name]
        for error in self._client.remove_objects(bucket, names):
            raise StoreUnavailable(f"{error.code}: {error.name}")

    def presign_get(self, bucket: str, key: str, filename: str) -> str:
        """An address at which the object can be read for one hour, offered under `filename`."""
        shown = f"inline; filename*=UTF-8''{quote(filename.rsplit('/', 1)[-1], safe='')}"  # RFC 8187 section 3.2.1
        return self._client.get_presigned_url(
            "GET", bucket, key, URL_LIFETIME, response_headers={"response-content-disposition": shown}
        )


def _release(response: Any) -> None:
    response.close()
    response.release_conn()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
