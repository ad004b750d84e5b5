"""Content that is removed as nobody's while somebody begins to use it: it is there in the end, whoever was first."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from flows.reconcile import Reconciler
from states.events import Effect
from storage.assets import assets_of
from storage.effects import enqueue
from storage.keys import ASSETS, RENDITIONS, asset_key, rendition_key
from storage.listing import empty_aside
from storage.making import take
from storage.object_claims import erase_unless_owned, take_away_unless_owned
from storage.objects import Objects
from storage.outbox import Fence
from storage.quotas import Quotas
from storage.reconcile_rows import owners_in
from storage.retention import remove
from storage.settings import Settings
from storage.tables import Upload
from storage.uploads import Terms, open_upload
from storage.uploads_completing import complete_upload

pytestmark = pytest.mark.slow

TOMORROW = timedelta(days=1, hours=1)
TERMS = Terms(Quotas(most_open=1000, most_open_bytes=10**12, most_day_bytes=10**13, most_a_minute=10_000))
_WAITERS = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


@dataclass
class Gate:
    """A place at which somebody stops: `reached` when it is there, and goes on after `go`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self) -> None:
        self.reached.set()
        await self.go.wait()


class StopsAfterLooking(Objects):
    """Looks whether an asset is there, and stops with the answer in hand, once."""

    gate: Gate | None = None

    async def hash_object(self, bucket: str, key: str) -> Any:
        found = await super().hash_object(bucket, key)
        if self.gate and key.startswith("sha256/"):
            gate, self.gate = self.gate, None
            await gate.pass_through()
        return found


class StopsBeforeRemoving(Objects):
    """Has decided to remove an object, and stops right before it does, once."""

    gate: Gate | None = None

    async def remove(self, bucket: str, key: str) -> None:
        await self._stop(key)
        await super().remove(bucket, key)

    async def erase(self, bucket: str, key: str) -> None:
        await self._stop(key)
        await super().erase(bucket, key)

    async def _stop(self, key: str) -> None:
        if self.gate and not key.startswith("incoming/"):
            gate, self.gate = self.gate, None
            await gate.pass_through()


@dataclass(frozen=True)
class Scene:
    """A newsroom with a store of its own."""

    newsroom: Any
    settings: Settings

    async def sent(self, data: bytes) -> Upload:
        """An upload whose bytes have all arrived; nobody has completed it."""
        objects, item = Objects(self.settings), (await self.newsroom.draft()).id
        announced = Upload(
            submission_id=item,
            person_id=self.newsroom.people["writer"].id,
            size_bytes=len(data),
            filename="桥.mp4",
        )
        actor = self.newsroom.actor("writer")
        upload, _ = await open_upload(self.newsroom.db, objects, actor, announced, TERMS)
        url = objects.presign_part((ASSETS, upload.object_key), upload.s3_upload_id, 1, len(data))
        async with httpx.AsyncClient() as client:
            assert (await client.put(url, content=data)).status_code == 200
        return upload

    async def complete(self, upload: Upload, objects: Objects) -> Any:
        return await complete_upload(self.newsroom.db, objects, upload, self.newsroom.actor("writer"))

    async def orphan(self, data: bytes) -> str:
        key = asset_key(hashlib.sha256(data).hexdigest())
        await Objects(self.settings).put_bytes(ASSETS, key, data, "image/png")
        return key

    async def repair(self, objects: Objects) -> None:
        await Reconciler(self.newsroom.db, objects, datetime.now(UTC) + TOMORROW).run(repairs=True)

    async def retain(self, objects: Objects) -> None:
        assert len(await remove(self.newsroom.db, objects, ["drafts"])) == 1

    async def outdated(self, data: bytes) -> str:
        """The file of a draft that nobody touched for so long that retention removes it."""
        upload = await self.sent(data)
        await self.complete(upload, Objects(self.settings))
        async with self.newsroom.db.transaction() as session:
            connection = await session.connection()
            await connection.execute(
                text("UPDATE submission SET updated_at = now() - interval '1000 days' WHERE id = :item"),
                {"item": upload.submission_id},
            )
        return asset_key(hashlib.sha256(data).hexdigest())

    async def is_whole(self, upload: Upload, data: bytes) -> None:
        """The database knows the file, and its bytes are there."""
        async with self.newsroom.db.transaction() as session:
            (asset,) = await assets_of(session, upload.submission_id)
        assert await Objects(self.settings).read(ASSETS, asset.object_key) == data

    async def waits_or_ends(self, task: asyncio.Task[Any]) -> None:
        """Until this task waits for a lock of the database, or is done."""
        async with asyncio.timeout(20):
            while not task.done():
                async with self.newsroom.db.transaction() as session:
                    if await (await session.connection()).scalar(_WAITERS):
                        return
                await asyncio.sleep(0.02)


@pytest.fixture
async def scene(newsroom: Any, own_gateway: Settings) -> Scene:
    async with newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("UPDATE retention_rule SET is_on = true WHERE name = 'drafts'"))
    return Scene(newsroom, own_gateway)


@asynccontextmanager
async def stopped(gate: Gate, work: Awaitable[Any]) -> AsyncIterator[None]:
    """While `work` stands at the gate; afterwards it is done."""
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(20):
            await gate.reached.wait()
        yield
    finally:
        gate.go.set()
        await task


Begin = Callable[[Scene, bytes], Awaitable[str]]
Sweep = Callable[[Scene, Objects], Awaitable[None]]
SWEEPS = [
    pytest.param(Scene.orphan, Scene.repair, id="repair"),
    pytest.param(Scene.outdated, Scene.retain, id="retention"),
]


@pytest.mark.parametrize(("begin", "sweep"), SWEEPS)
async def test_sweep_that_comes_while_an_upload_has_found_its_content_there_leaves_it(
    scene: Scene, begin: Begin, sweep: Sweep
) -> None:
    data = f"found there, {sweep.__name__}".encode()
    key = await begin(scene, data)
    upload, objects, gate = await scene.sent(data), StopsAfterLooking(scene.settings), Gate()
    objects.gate = gate
    async with stopped(gate, scene.complete(upload, objects)):
        await sweep(scene, Objects(scene.settings))
        assert await objects.exists(ASSETS, key)
    await scene.is_whole(upload, data)


@pytest.mark.parametrize(("begin", "sweep"), SWEEPS)
async def test_upload_that_comes_while_a_sweep_is_about_to_remove_its_content_stores_it_again(
    scene: Scene, begin: Begin, sweep: Sweep
) -> None:
    data = f"about to go, {sweep.__name__}".encode()
    await begin(scene, data)
    upload, objects, gate = await scene.sent(data), StopsBeforeRemoving(scene.settings), Gate()
    objects.gate = gate
    async with stopped(gate, sweep(scene, objects)):
        completing = asyncio.create_task(scene.complete(upload, Objects(scene.settings)))
        await scene.waits_or_ends(completing)
    await completing
    await scene.is_whole(upload, data)


async def test_upload_that_comes_while_what_was_removed_long_ago_goes_for_good_keeps_its_bytes(
    scene: Scene,
) -> None:
    data, objects, gate = b"gone for good", StopsBeforeRemoving(scene.settings), Gate()
    key, owns = await scene.orphan(data), owners_in(scene.newsroom.db)
    assert await take_away_unless_owned(scene.newsroom.db, objects, owns, ASSETS, key)
    upload, objects.gate = await scene.sent(data), gate

    async def erase(bucket: str, key: str) -> bool:
        return await erase_unless_owned(scene.newsroom.db, objects, owns, bucket, key)

    later = datetime.now(UTC) + timedelta(days=31)
    async with stopped(gate, empty_aside(objects, ASSETS, later, erase)):
        completing = asyncio.create_task(scene.complete(upload, Objects(scene.settings)))
        await scene.waits_or_ends(completing)
    await completing
    await scene.is_whole(upload, data)
    assert len(await objects.versions(ASSETS, key)) == 1


async def test_upload_that_ends_without_its_file_protects_nothing_any_more(scene: Scene) -> None:
    data = b"dropped in the end"
    key, upload = await scene.orphan(data), await scene.sent(data)
    objects, gate = StopsAfterLooking(scene.settings), Gate()
    objects.gate = gate
    completing = asyncio.ensure_future(scene.complete(upload, objects))
    await gate.reached.wait()
    completing.cancel()
    await asyncio.wait([completing])
    await scene.repair(objects)
    assert await objects.exists(ASSETS, key)
    async with scene.newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            text("UPDATE upload SET state = 'expired' WHERE id = :id"), {"id": upload.id}
        )
    await scene.repair(objects)
    assert not await objects.exists(ASSETS, key)


async def _fence(scene: Scene, item: UUID) -> Fence:
    """The lease of a render that runs."""
    async with scene.newsroom.db.transaction() as session:
        row = await enqueue(session, Effect.RENDER, item, payload={})
        connection = await session.connection()
        await connection.execute(
            text("UPDATE outbox SET attempt = 1, leased_until = now() + interval '1 hour' WHERE id = :id"),
            {"id": row},
        )
    return Fence(row, 1)


async def test_files_of_a_rendition_in_the_making_stay_and_one_that_is_being_removed_is_made_later(
    scene: Scene,
) -> None:
    db, key = scene.newsroom.db, "ab" * 32
    place, fence = rendition_key(key, "0123/a.mp4"), await _fence(scene, (await scene.newsroom.draft()).id)
    objects, gate = StopsBeforeRemoving(scene.settings), Gate()
    await objects.put_bytes(RENDITIONS, place, b"of an attempt that died", "video/mp4")
    objects.gate, owns = gate, owners_in(db)
    async with stopped(gate, take_away_unless_owned(db, objects, owns, RENDITIONS, place)):
        async with db.transaction() as session:
            share = await take(session, fence, [key, "cd" * 32])
        assert (share.ours, share.theirs) == ({"cd" * 32}, {key})
    await objects.put_bytes(RENDITIONS, place, b"made again", "video/mp4")
    async with db.transaction() as session:
        assert (await take(session, fence, [key])).ours == {key}
    assert not await take_away_unless_owned(db, objects, owns, RENDITIONS, place)
    assert await objects.read(RENDITIONS, place) == b"made again"
