"""The end of an upload: put together, read back and hashed, and only then known to the database.

Every step may be done again: a store that was slow or a process that was killed between two of them costs a repeat.
"""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import AssetRef
from states.events import Event
from states.item import Request
from states.roles import Actor
from states.text import Text
from storage.advance import Advanced, Change, advance
from storage.assets import add_asset
from storage.database import Database
from storage.errors import Conflict, NotFound, StoreUnavailable, UploadRefused
from storage.items import load_item
from storage.keys import ASSETS, asset_key
from storage.object_claims import lock_object
from storage.objects import Objects
from storage.stored import StoredObject
from storage.tables import Asset, Upload
from storage.uploads import SMALLEST_PART_BYTES, arrived_parts, find_upload, part_bytes, part_count
from storage.uploads_lease import Lease, sole_writer
from storage.uploads_leftovers import remove_leftovers

_EDIT_TRIES = 20


async def complete_upload(
    db: Database, objects: Objects, upload: Upload, actor: Actor
) -> tuple[Asset, Advanced | None]:
    """Put the parts together, read the whole back, and add the file to the draft. May be called again.

    Raises UploadRefused when parts are missing or size or hash differ (the upload stays open or can be
    begun anew), UploadBusy, StoreUnavailable, and what `advance` raises for an edit.
    """
    if (asset := await finished_asset(db, upload)) is not None:
        return asset, None
    async with sole_writer(db, upload.id):
        return await complete_held(db, objects, upload.id, actor)


async def complete_held(
    db: Database, objects: Objects, upload_id: UUID, actor: Actor
) -> tuple[Asset, Advanced | None]:
    """As `complete_upload`, for who is the sole writer of the upload."""
    async with db.transaction() as session:
        upload = await find_upload(session, upload_id)
    if (asset := await finished_asset(db, upload)) is not None:
        return asset, None
    if upload.state != "open":
        raise _over()
    asset = await _verified(db, objects, upload)
    done = await _add_to_draft(db, upload, asset, actor)
    await remove_leftovers(db, objects, upload)
    return done


async def finished_asset(db: Database, upload: Upload) -> Asset | None:
    """What a completed upload became; None while it is not completed."""
    if upload.state != "completed" or upload.asset_id is None:
        return None
    async with db.transaction() as session:
        return await session.get(Asset, upload.asset_id)


async def _verified(db: Database, objects: Objects, upload: Upload) -> Asset:
    """The bytes under the key of their hash, read back from there; the row that says so is not stored yet."""
    stored = await _whole(db, objects, upload)
    if problem := _difference(upload, stored):
        await forget(db, objects, upload)
        raise problem
    key = asset_key(stored.sha256)
    await _claim(db, upload, stored.sha256)
    if not await _is_there(objects, key, stored):
        await objects.copy((ASSETS, upload.object_key), (ASSETS, key), "application/octet-stream")
        if not await _is_there(objects, key, stored):  # what was sent is still there, and is copied again
            raise StoreUnavailable(f"{key} reads back differently from what was copied there")
    return Asset(
        submission_id=upload.submission_id,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        filename=upload.filename,
        object_key=key,
    )


async def _claim(db: Database, upload: Upload, sha256: str) -> None:
    """Announce the content before we look for it: from here on nobody removes it (`storage.object_claims`)."""
    async with db.transaction() as session:
        await lock_object(session, asset_key(sha256))
        fits = (col(Upload.id) == upload.id, col(Upload.state) == "open")
        if not (await session.exec(update(Upload).where(*fits).values(content_sha256=sha256))).rowcount:
            raise _over()


async def _is_there(objects: Objects, key: str, stored: StoredObject) -> bool:
    """Read back too where the key is known: a call that was killed may have copied and not looked."""
    try:
        return await objects.hash_object(ASSETS, key) == stored
    except NotFound:
        return False


async def _whole(db: Database, objects: Objects, upload: Upload) -> StoredObject:
    """Put the upload together under its key, and read back what is there."""
    if not upload.joins or await _lacks_joining(db, objects, upload):
        await _assemble(objects, upload)
    try:
        return await objects.hash_object(ASSETS, upload.object_key)
    except NotFound as error:
        raise await _not_there(db, objects, upload) from error


async def _not_there(db: Database, objects: Objects, upload: Upload) -> UploadRefused | StoreUnavailable:
    """What the store said it had put together is not there: its parts may be, and then the next call tries again."""
    with suppress(NotFound):
        if upload.joins or await arrived_parts(objects, upload):
            return StoreUnavailable(f"{upload.object_key} is not there, though it was said to be stored")
    await forget(db, objects, upload)
    return _refused(
        "存储没有保住已收到的内容，请重新上传。", "The store lost what had arrived. Upload the file again."
    )


async def _assemble(objects: Objects, upload: Upload) -> None:
    """Complete the multipart upload, unless an earlier call did."""
    if upload.door == "tus" and upload.offset_bytes < upload.size_bytes:
        missing_bytes = upload.size_bytes - upload.offset_bytes
        raise _refused(
            f"还有 {missing_bytes} 字节没有收到，请继续上传。",
            f"{missing_bytes} bytes have not arrived; send them.",
        )
    try:
        parts = await arrived_parts(objects, upload)
    except NotFound:
        return
    missing = sorted(set(range(1, part_count(upload) + 1)) - {part.number for part in parts})
    if missing:
        raise _missing(missing)
    with suppress(NotFound):  # another call completed it in between
        await objects.complete_multipart(ASSETS, upload.object_key, upload.s3_upload_id, parts)


async def _lacks_joining(db: Database, objects: Objects, upload: Upload) -> bool:
    """Put each part of a joined upload together and join them; True: their bytes are parts of `upload` now."""
    async with db.transaction() as session:
        pieces = await joined_parts(session, upload.joins)
    for piece in pieces:
        await _assemble(objects, piece)
    if all(piece.size_bytes >= SMALLEST_PART_BYTES for piece in pieces[:-1]):
        await objects.join(ASSETS, [piece.object_key for piece in pieces], upload.object_key)
        return False
    await _cut_anew(objects, upload, pieces)
    return True


async def _cut_anew(objects: Objects, upload: Upload, pieces: Sequence[Upload]) -> None:
    """Pieces that are too small for the store to join: through memory, a part at a time."""
    try:
        there = {part.number for part in await arrived_parts(objects, upload)}
    except NotFound:
        return  # an earlier call has put them together
    for number in sorted(set(range(1, part_count(upload) + 1)) - there):
        first = (number - 1) * upload.part_size_bytes
        data = await _span(objects, pieces, first, part_bytes(upload, number))
        await objects.put_part((ASSETS, upload.object_key), upload.s3_upload_id, number, data)


async def _span(objects: Objects, pieces: Sequence[Upload], first: int, size_bytes: int) -> bytearray:
    """So many bytes of the pieces, one behind the other, from byte `first` on."""
    found = bytearray()
    for piece in pieces:
        wanted = min(size_bytes - len(found), piece.size_bytes - first)
        if wanted > 0:
            found += await objects.read(ASSETS, piece.object_key, max(0, first), wanted)
            first = 0
        else:
            first = max(0, first - piece.size_bytes)
    return found


async def joined_parts(session: AsyncSession, ids: Sequence[str]) -> list[Upload]:
    """The uploads of these ids, in their order. Raises NotFound."""
    wanted = [UUID(each) for each in ids]
    found = {each.id: each for each in await session.exec(select(Upload).where(col(Upload.id).in_(wanted)))}
    for each in wanted:
        if each not in found:
            raise NotFound("upload", each)
    return [found[each] for each in wanted]


def _missing(numbers: Sequence[int]) -> UploadRefused:
    shown = ", ".join(map(str, numbers[:20])) + (" …" if len(numbers) > 20 else "")
    return _refused(
        f"还有 {len(numbers)} 个分片没有收到或大小不符：{shown}。请重传这些分片后再完成。",
        f"{len(numbers)} parts have not arrived or are of the wrong size: {shown}. Send them, then complete.",
    )


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


def _over() -> UploadRefused:
    return _refused(
        "此上传已取消或过期，请重新开始上传。", "This upload was dropped or expired; begin a new one."
    )


async def forget(db: Database, objects: Objects, upload: Upload, lease: Lease | None = None) -> bool:
    """Drop bytes that are not the announced ones, or of which some were lost; the client begins a new upload.

    False: it is over already, or another writer has it now (`lease`: ours), and nothing was dropped.
    """
    ours = lease.update() if lease else update(Upload).where(col(Upload.id) == upload.id)
    async with db.transaction() as session:
        done = await session.exec(ours.where(col(Upload.state) == "open").values(state="aborted"))
    if done.rowcount:
        await remove_leftovers(db, objects, upload)
    return bool(done.rowcount)


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
    done = update(Upload).where(col(Upload.id) == upload.id, col(Upload.state) == "open")
    if not (await session.exec(done.values(state="completed", asset_id=kept.id))).rowcount:
        raise _over()
    return kept, moved
