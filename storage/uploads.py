"""An upload from its creation to an asset: parts go straight to the store, and are read back before we know them.

These use cases need several short transactions, as none may stay open across the object store.
"""

import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import AssetRef
from states.decide import decide
from states.events import Event
from states.item import Request
from states.roles import Actor
from states.text import Text
from storage.advance import Advanced, Change, advance
from storage.assets import add_asset
from storage.database import Database
from storage.errors import Conflict, NotFound, UploadRefused
from storage.items import load_item
from storage.keys import ASSETS, asset_key, incoming_key
from storage.objects import Objects, StoredObject, StoredPart
from storage.tables import Asset, Upload

# Amazon S3 user guide, "Amazon S3 multipart upload limits" (read 2026-11-22): parts of 5 MiB to 5 GiB
# except the last, at most 10,000 of them.
SMALLEST_PART_BYTES = 5 * 2**20
MOST_PARTS = 10_000
_PREFERRED_PART_BYTES = 8 * 2**20
_LIFETIME = timedelta(days=7)
_EDIT_TRIES = 20


def part_size(size_bytes: int) -> int:
    """Bytes in each part but the last: 8 MiB, or as much more as 10,000 parts need."""
    needed = math.ceil(size_bytes / MOST_PARTS)
    return max(_PREFERRED_PART_BYTES, math.ceil(needed / 2**20) * 2**20)


def part_count(upload: Upload) -> int:
    """How many parts the upload has; an empty file is refused before it comes to this."""
    return max(1, math.ceil(upload.size_bytes / upload.part_size_bytes))


def part_bytes(upload: Upload, number: int) -> int:
    """The exact size of part `number` (from 1)."""
    before = (number - 1) * upload.part_size_bytes
    return min(upload.part_size_bytes, upload.size_bytes - before)


async def open_upload(
    db: Database, objects: Objects, submission_id: UUID, actor: Actor, announced: Upload
) -> Upload:
    """Begin an upload for a submission that the actor may edit now; `announced` holds name, size and hash.

    Raises what `advance` raises for an edit, and StoreUnavailable.
    """
    async with db.transaction() as session:
        await _check_editable(session, submission_id, actor)
    announced.id = uuid4()
    announced.submission_id = submission_id
    announced.object_key = incoming_key(announced.id)
    announced.part_size_bytes = part_size(announced.size_bytes)
    announced.expires_at = datetime.now(UTC) + _LIFETIME
    announced.s3_upload_id = await objects.create_multipart(ASSETS, announced.object_key)
    async with db.transaction() as session:
        session.add(announced)
    return announced


async def _check_editable(session: AsyncSession, submission_id: UUID, actor: Actor) -> None:
    """Refuse what the edit at the end of the upload would refuse, before the bytes are sent."""
    loaded = await load_item(session, submission_id, Event.EDIT)
    decide(loaded.item, Event.EDIT, Request(actor))


async def find_upload(session: AsyncSession, submission_id: UUID, upload_id: UUID) -> Upload:
    """One upload of a submission. Raises NotFound."""
    statement = select(Upload).where(col(Upload.id) == upload_id, col(Upload.submission_id) == submission_id)
    found = (await session.exec(statement.execution_options(populate_existing=True))).first()
    if found is None:
        raise NotFound("upload", upload_id)
    return found


async def uploads_of(session: AsyncSession, submission_id: UUID) -> list[Upload]:
    """The uploads of a submission that are not finished."""
    statement = select(Upload).where(col(Upload.submission_id) == submission_id, col(Upload.state) == "open")
    return list(await session.exec(statement))


async def arrived_parts(objects: Objects, upload: Upload) -> list[StoredPart]:
    """The parts that need not be sent again: there, and of the right size."""
    parts = await objects.list_parts(ASSETS, upload.object_key, upload.s3_upload_id)
    last = part_count(upload)
    return [p for p in parts if p.number <= last and p.size_bytes == part_bytes(upload, p.number)]


async def complete_upload(
    db: Database, objects: Objects, upload: Upload, actor: Actor
) -> tuple[Asset, Advanced | None]:
    """Put the parts together, read the whole back, and add the file to the draft. May be called again.

    Raises UploadRefused when parts are missing or size or hash differ (the upload stays open or can be
    begun anew), StoreUnavailable, and what `advance` raises for an edit.
    """
    if upload.state == "completed" and upload.asset_id is not None:
        async with db.transaction() as session:
            asset = await session.get(Asset, upload.asset_id)
        if asset is not None:
            return asset, None
    stored = await _assemble(objects, upload)
    if problem := _difference(upload, stored):
        await _forget(db, objects, upload)
        raise problem
    key = asset_key(stored.sha256)
    if not await objects.exists(ASSETS, key):
        await objects.copy((ASSETS, upload.object_key), (ASSETS, key), "application/octet-stream")
        if await objects.hash_object(ASSETS, key) != stored:
            await objects.remove(ASSETS, key)
            raise _refused(
                "存储副本与原件不一致，请重试。", "The stored copy differs from what was sent; try again."
            )
    asset = Asset(
        submission_id=upload.submission_id,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        filename=upload.filename,
        object_key=key,
    )
    done = await _add_to_draft(db, upload, asset, actor)
    await objects.remove(ASSETS, upload.object_key)
    return done


async def _assemble(objects: Objects, upload: Upload) -> StoredObject:
    """Complete the multipart upload, unless an earlier call did; then read back what is there."""
    try:
        parts = await arrived_parts(objects, upload)
    except NotFound:
        return await objects.hash_object(ASSETS, upload.object_key)
    missing = sorted(set(range(1, part_count(upload) + 1)) - {part.number for part in parts})
    if missing:
        shown = ", ".join(map(str, missing[:20])) + (" …" if len(missing) > 20 else "")
        raise _refused(
            f"还有 {len(missing)} 个分片没有收到或大小不符：{shown}。请重传这些分片后再完成。",
            f"{len(missing)} parts have not arrived or are of the wrong size: {shown}. Send them, then complete.",
        )
    with suppress(NotFound):  # a second call completed it in between
        await objects.complete_multipart(ASSETS, upload.object_key, upload.s3_upload_id, parts)
    return await objects.hash_object(ASSETS, upload.object_key)


def _difference(upload: Upload, stored: StoredObject) -> UploadRefused | None:
    if stored.size_bytes != upload.size_bytes:
        return _refused(
            f"文件大小不符：声明 {upload.size_bytes} 字节，收到 {stored.size_bytes} 字节。请重新上传。",
            f"Announced {upload.size_bytes} bytes, received {stored.size_bytes}. Upload the file again.",
        )
    if upload.sha256 is not None and stored.sha256 != upload.sha256:
        return _refused(
            f"文件校验值不符：声明 {upload.sha256}，收到 {stored.sha256}。请重新上传。",
            f"Announced SHA-256 {upload.sha256}, received {stored.sha256}. Upload the file again.",
        )
    return None


def _refused(zh: str, en: str) -> UploadRefused:
    return UploadRefused(Text(zh, en))


async def _forget(db: Database, objects: Objects, upload: Upload) -> None:
    """Drop bytes that are not the announced ones; the client begins a new upload."""
    async with db.transaction() as session:
        await _set_state(session, upload.id, "aborted")
    await objects.remove(ASSETS, upload.object_key)


async def _set_state(
    session: AsyncSession, upload_id: UUID, state: str, asset_id: UUID | None = None
) -> None:
    statement = update(Upload).where(col(Upload.id) == upload_id).values(state=state, asset_id=asset_id)
    await session.exec(statement)


async def _add_to_draft(
    db: Database, upload: Upload, asset: Asset, actor: Actor
) -> tuple[Asset, Advanced | None]:
    """The asset row, the new revision that lists it, and the end of the upload, together.

    Several uploads of one draft may finish at the same time; each finds the draft as the last one left it.
    """
    for attempt in range(_EDIT_TRIES):
        try:
            async with db.transaction() as session:
                return await _add_once(session, upload, asset, actor)
        except Conflict:
            if attempt == _EDIT_TRIES - 1:
                raise
    raise AssertionError("unreachable")


async def _add_once(
    session: AsyncSession, upload: Upload, asset: Asset, actor: Actor
) -> tuple[Asset, Advanced | None]:
    kept = await add_asset(session, asset)
    loaded = await load_item(session, upload.submission_id, Event.EDIT)
    content = loaded.content.with_asset(AssetRef(kept.sha256, upload.filename, upload.caption))
    # On the version that the list was read from, or another upload's file would be dropped from it.
    change = Change(content, seen_version=loaded.row.version)
    moved = await advance(session, upload.submission_id, Event.EDIT, Request(actor), change)
    await _set_state(session, upload.id, "completed", kept.id)
    return kept, moved


async def abort_upload(db: Database, objects: Objects, upload: Upload) -> None:
    """Drop an unfinished upload. One that is finished stays."""
    if upload.state != "open":
        return
    await objects.abort_multipart(ASSETS, upload.object_key, upload.s3_upload_id)
    async with db.transaction() as session:
        await _set_state(session, upload.id, "aborted")
