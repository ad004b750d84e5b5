"""What a repair does with each difference, and what it says of it; bytes that are lost for good are named."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from states.events import Effect
from states.text import Text
from storage.database import Database
from storage.effects import enqueue
from storage.keys import ASSETS, LEDGER, PACKAGES, PUBLIC, RENDITIONS, TEMPORARY_PREFIXES
from storage.listing import Source, bring_back, keeps_versions, look_at, older_copies
from storage.log_copies import LOCKED_FOR, copy_of
from storage.object_claims import Owns, take_away_unless_owned
from storage.object_writes import put_locked
from storage.objects import Objects
from storage.reconcile import YOUNG, Expected, Finding
from storage.stored import StoredObject

# What lies elsewhere is not ours to remove.
_OURS = {
    ASSETS: ("sha256/",),
    RENDITIONS: ("made/", "handoffs/"),
    PUBLIC: ("stories/",),
    PACKAGES: ("stories/",),
}
Elsewhere = Callable[[Expected], AsyncIterator[Source]]

_PUT_BACK = Text(
    "已从另一份副本或旧版本恢复，并重新读出核对。", "Put back from another copy or version, and read back."
)
_REMOVED = Text(
    "已移入 removed/，一天后由下一次修复彻底删除。",
    "Moved below removed/; the next repair after a day removes it for good.",
)
_MARKED = Text(
    "已写入删除标记；旧版本由存储桶的生命周期规则清除。",
    "A delete marker was written; the older version stays until the bucket's lifecycle rule lets it go.",
)
_KEPT = Text(
    "不删除：数据库里没有这份检查点，可能有记录丢失，请运行 sanshen ledger verify。",
    "Not removed: the database has no such checkpoint, so records may be lost. Run `sanshen ledger verify`.",
)
_STRANGE = Text(
    "不删除：不是本系统存放的位置。请查明来源后自行处理。",
    "Not removed: it lies where this system puts nothing. Find out whose it is, and remove it yourself.",
)
_OWNED_NOW = Text("刚刚有了归属，已保留。", "It has an owner by now, and stays.")
_ASKED_AGAIN = Text("已要求重新制作。", "It was asked to be made again.")
_WANTED_AGAIN = Text(
    "已标记为待制作，稿件下次制作成品时补齐。",
    "It is marked as wanted; the next render of the piece makes it.",
)
_SIGNED_LOST = Text(
    "这是已签发的成品，没有任何副本，重新制作的字节不会相同。请更正或撤回签发后重新签发。",
    "It was signed and no copy is left; made anew it would be other bytes. Correct the piece, or recall and sign it.",
)
_ASSET_LOST = Text(
    "没有任何副本，无法修复。请向作者重新索取此文件。",
    "No copy is left; it cannot be repaired. Ask the author for the file.",
)
_COPIED = Text("已按数据库重新复制。", "Copied again from the database.")
_NO_COPY = Text("没有可用的副本，无法修复。", "No copy is left; it cannot be repaired.")
_UNPUBLISHED = Text("稿件已不再公开，未恢复。", "The story is no longer before readers; nothing was put.")


@dataclass(frozen=True, slots=True)
class Repair:
    """Mends one finding after the other; `elsewhere` names further copies of what a database row expects."""

    db: Database
    objects: Objects
    owns: Owns
    elsewhere: Elsewhere
    now: datetime

    async def mend(self, finding: Finding, expected: Expected | None) -> Finding:
        """The finding with what was done about it."""
        if expected is None:
            said, is_mended = await self._remove(finding)
        else:
            said, is_mended = await self._put_back(expected)
        return replace(finding, repair=said, is_mended=is_mended)

    async def _remove(self, finding: Finding) -> tuple[Text, bool]:
        """An orphan, looked at once more; nothing younger than a day goes."""
        bucket, key = finding.bucket, finding.key
        if bucket == LEDGER:
            return _KEPT, False
        if not key.startswith(_OURS.get(bucket, ()) + TEMPORARY_PREFIXES):
            return _STRANGE, False
        listed = await look_at(self.objects, bucket, key)
        if listed is None:
            return _REMOVED, True
        if self.now - listed.modified_at < YOUNG or await self.owns(bucket, key):
            return _OWNED_NOW, True
        if not await take_away_unless_owned(self.db, self.objects, self.owns, bucket, key):
            return _OWNED_NOW, True
        return (_MARKED if await keeps_versions(self.objects, bucket) else _REMOVED), True

    async def _put_back(self, expected: Expected) -> tuple[Text, bool]:
        if await self._restore(expected):
            if await take_away_unless_owned(self.db, self.objects, self.owns, expected.bucket, expected.key):
                return _UNPUBLISHED, True
            return _PUT_BACK, True
        if expected.bucket == RENDITIONS and expected.key.startswith("made/"):
            async with self.db.transaction() as session:
                return await _make_again(session, expected.key.split("/")[2])
        if expected.bucket == LEDGER and await self._copy_checkpoint(expected.key):
            return _COPIED, True
        return (_ASSET_LOST if expected.bucket == ASSETS else _NO_COPY), False

    async def _copy_checkpoint(self, key: str) -> bool:
        """Both files of a copy follow from the database; one that is there with other bytes stays, and is told."""
        name = key.rpartition("/")[2]
        async with self.db.transaction() as session:
            copied = await copy_of(session, int(name[:12]))
        if copied is None or await look_at(self.objects, LEDGER, key) is not None:
            return False
        await put_locked(self.objects, (LEDGER, key), copied.files()[name], self.now + LOCKED_FOR)
        return True

    async def _restore(self, expected: Expected) -> bool:
        if expected.sha256 is None or expected.size_bytes is None:
            return False
        wanted = StoredObject(expected.sha256, expected.size_bytes)
        target = (expected.bucket, expected.key)
        if not await self.owns(*target):
            return False
        for source in await older_copies(self.objects, *target):
            if await bring_back(self.objects, source, target, wanted, expected.media_type):
                return True
        async for source in self.elsewhere(expected):
            if await bring_back(self.objects, source, target, wanted, expected.media_type):
                return True
        return False


_FORGET = text("""
    UPDATE rendition SET state = 'wanted', files = '[]', ready_at = NULL
    WHERE key = :key AND state = 'ready' AND NOT EXISTS (
        SELECT FROM rendition_use AS use JOIN approval
            ON approval.submission_id = use.submission_id AND approval.revision_sha256 = use.revision_sha256
        WHERE use.rendition_key = rendition.key AND approval.stage = 'final_review'
    )
""")
_WAITING = text("""
    SELECT DISTINCT item.id, item.revision_number, item.revision_sha256, item.is_fast_track
    FROM rendition_use AS use JOIN submission AS item
        ON item.id = use.submission_id AND item.revision_sha256 = use.revision_sha256
    WHERE use.rendition_key = :key AND NOT EXISTS (
        SELECT FROM outbox WHERE outbox.submission_id = item.id AND effect = 'render' AND finished_at IS NULL
        AND leased_until IS NULL
    )
""")
_IS_WANTED = text("SELECT state = 'wanted' FROM rendition WHERE key = :key")


async def _make_again(session: AsyncSession, key: str) -> tuple[Text, bool]:
    """A rendition whose files are lost is forgotten and asked for anew, unless it was signed as it was."""
    connection = await session.connection()
    await connection.execute(_FORGET, {"key": key})
    if not await connection.scalar(_IS_WANTED, {"key": key}):
        return _SIGNED_LOST, False
    rows = (await connection.execute(_WAITING, {"key": key})).all()
    for row in rows:
        payload = {"revision_number": row.revision_number, "revision_sha256": row.revision_sha256}
        await enqueue(session, Effect.RENDER, row.id, payload=payload, urgency=0 if row.is_fast_track else 1)
    return (_ASKED_AGAIN if rows else _WANTED_AGAIN), True
