"""Bytes that arrive in order become parts in the store; the offset moves when they are there, never before.

The store takes parts of 5 MiB and more, so what comes after the last whole part is kept in objects of its own
("tails") until a part is full. Memory: one part for each writer.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

from sqlmodel import col

from storage.database import Database
from storage.errors import StoreUnavailable, UploadBusy
from storage.keys import ASSETS
from storage.objects import Objects
from storage.tables import Upload
from storage.uploads import part_bytes
from storage.uploads_lease import Lease
from storage.uploads_leftovers import tail_prefix

_MOST_TAILS = 32  # a client that sends crumbs: they are gathered into one object now and then


class PartWriter:
    """Writes behind what an upload has. `offset_bytes`: how far the row says that it is, for good."""

    def __init__(self, db: Database, objects: Objects, upload: Upload, lease: Lease) -> None:
        self._db, self._objects, self._upload, self._lease = db, objects, upload, lease
        self.offset_bytes = upload.offset_bytes
        self._tails: list[Any] = list(upload.tails)
        self._tail_bytes = upload.offset_bytes % upload.part_size_bytes
        self._number = upload.offset_bytes // upload.part_size_bytes + 1
        self._fresh = bytearray()  # of the part that is being filled, behind its tails
        self._outdated: list[str] = []

    async def write(self, arriving: AsyncIterator[bytes], *, is_held_back: bool = False) -> None:
        """Take all that comes and store each part as it fills. `is_held_back`: the row learns of it by `settle` only.

        Raises StoreUnavailable, and UploadBusy when somebody else has taken the upload over.
        """
        async for chunk in arriving:
            rest = memoryview(chunk)
            while rest:
                room = self._room()
                self._fresh += rest[:room]
                rest = rest[room:]
                if not self._room():
                    await self._store_part()
                    if not is_held_back:
                        await self._commit()

    async def settle(self) -> None:
        """Make durable what is left, and say so: in the row, then by removing tails that are parts now."""
        if self._fresh:
            await self._store_tail()
        await self._commit()
        outdated, self._outdated = self._outdated, []
        with suppress(StoreUnavailable):  # what stays goes with the upload's other leftovers
            for key in outdated:
                await self._objects.remove(ASSETS, key)

    def _room(self) -> int:
        return part_bytes(self._upload, self._number) - self._tail_bytes - len(self._fresh)

    def _reached(self) -> int:
        """The offset behind all that is stored, whether the row knows it or not."""
        behind_parts = (self._number - 1) * self._upload.part_size_bytes
        return min(behind_parts + self._tail_bytes, self._upload.size_bytes)

    async def _store_part(self) -> None:
        data = await self._gathered()
        where = (ASSETS, self._upload.object_key)
        await self._objects.put_part(where, self._upload.s3_upload_id, self._number, data)
        self._outdated += [key for key, _ in self._tails]
        self._tails, self._tail_bytes = [], 0
        self._fresh = bytearray()
        self._number += 1

    async def _gathered(self) -> bytearray:
        """The part so far: its tails from the store, and what came now."""
        if not self._tails:
            return self._fresh
        found = bytearray()
        for key, size_bytes in self._tails:
            found += await self._objects.read(ASSETS, key, 0, size_bytes)
        found += self._fresh
        return found

    async def _store_tail(self) -> None:
        data, kept = self._fresh, self._tails
        if len(kept) >= _MOST_TAILS:
            data, kept = await self._gathered(), []
            self._outdated += [key for key, _ in self._tails]
        # A name that nobody had before: a writer that lost its lease can spoil nothing.
        key = f"{tail_prefix(self._upload.id)}{uuid4()}"
        await self._objects.put_bytes(ASSETS, key, bytes(data), "application/octet-stream")
        self._tails = [*kept, [key, len(data)]]
        self._tail_bytes += len(self._fresh)
        self._fresh = bytearray()

    async def _commit(self) -> None:
        reached = self._reached()
        if reached == self.offset_bytes:
            return
        moved = self._lease.update().where(col(Upload.state) == "open")
        async with self._db.transaction() as session:
            done = await session.exec(moved.values(offset_bytes=reached, tails=self._tails))
        if not done.rowcount:
            raise UploadBusy(self._upload.id)
        self.offset_bytes = reached
