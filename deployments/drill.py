"""Whether a restored installation is the one that was backed up: its ledger, its proofs, its objects."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from deployments import ledger, verify_proof
from deployments.reconcile import examine, lines_of
from deployments.stack.errors import StackError
from states.text import Text
from storage.backup import Manifest
from storage.database import Database
from storage.keys import LEDGER
from storage.listing import listing
from storage.objects import Objects
from storage.proofs import proof_of
from storage.reconcile import Report
from storage.settings import Settings

_MOST_PROOFS = 1000  # 20 s on two cores; of a larger archive a sample
# Published ones first: their proofs are what others hold.
_SAMPLED = text("""
    SELECT head.submission_id FROM item_head AS head JOIN submission ON submission.id = head.submission_id
    ORDER BY live_revision_number IS NULL, random() LIMIT :limit
""")
Say = Callable[[Text], None]


class DrillFailed(StackError):
    """What was restored does not hold what it should."""


async def drill(settings: Settings, manifest: Manifest, say: Say) -> None:
    """Replay the ledger, check a sample of proofs offline, compare with the store. Raises DrillFailed.

    Objects that are missing are told and are no failure of the restore: they come back with the store.
    """
    await _check_ledger(settings, manifest, say)
    await _check_proofs(settings, say)
    await _look_ahead(settings, manifest, say)
    report = await examine(settings)
    zh, en = ("\n".join(lines_of(report, language)) for language in ("zh", "en"))
    say(Text(zh, en))
    if not report.is_clean:
        say(_objects_missing(report))


async def _check_ledger(settings: Settings, manifest: Manifest, say: Say) -> None:
    found = await ledger.verify(settings, (), None, None)
    if found.faults:
        first = found.faults[0]
        raise DrillFailed(
            Text(
                f"账本有 {len(found.faults)} 处问题，第一处 {first.where}：{first.text.zh}请改用另一份备份。",
                f"The ledger has {len(found.faults)} faults, the first at {first.where}: {first.text.en} Use another "
                "backup.",
            )
        )
    if (found.entries, found.events) != (manifest.about["log_size"], manifest.about["events"]):
        raise DrillFailed(
            Text(
                f"账本有 {found.entries} 条，备份清单写的是 {manifest.about['log_size']} 条。请改用另一份备份。",
                f"The ledger has {found.entries} entries, the manifest says {manifest.about['log_size']}. "
                "Use another backup.",
            )
        )
    say(
        Text(
            f"✓ 账本：{found.entries} 条，{found.events} 个事件，{found.items} 篇稿件，全部核对无误。",
            f"✓ Ledger: {found.entries} entries, {found.events} events, {found.items} items, all as recorded.",
        )
    )


async def _check_proofs(settings: Settings, say: Say) -> None:
    """As a stranger would: each proof as a file, by the verifier alone, with the key of this installation."""
    key, count = ledger.verifier_key(settings), 0
    with tempfile.TemporaryDirectory(prefix="sanshen-proof-") as folder:
        async for proof in _proofs(settings):
            problem = await asyncio.to_thread(_problem, proof, Path(folder) / "proof.json", key)
            if problem is not None:
                item = proof["submission_id"]
                raise DrillFailed(
                    Text(
                        f"稿件 {item} 的证明不成立：{problem}",
                        f"The proof of {item} does not hold: {problem}",
                    )
                )
            count += 1
    say(Text(f"✓ 离线核验了 {count} 份证明。", f"✓ {count} proofs verified offline."))


async def _proofs(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    db = Database(settings.require_database_url(), pool_size=1)
    try:
        async with db.transaction() as session:
            found = await (await session.connection()).execute(_SAMPLED, {"limit": _MOST_PROOFS})
            items = list(found.scalars())
        for item in items:
            async with db.transaction() as session:
                proof = await proof_of(session, item)
            yield proof
    finally:
        await db.close()


def _problem(proof: dict[str, Any], path: Path, key: str) -> str | None:
    path.write_text(json.dumps(proof), encoding="utf-8")
    try:
        verify_proof.check(path, key, None)
    except verify_proof.FAULTS as error:
        return str(error) or type(error).__name__
    return None


async def _look_ahead(settings: Settings, manifest: Manifest, say: Say) -> None:
    """Copies of later checkpoints tell that more was recorded after the backup, and how much of it is lost."""
    size = manifest.about["log_size"]
    names = [each.key async for each in listing(Objects(settings), LEDGER, 2, "checkpoints/")]
    latest = max((int(name[12:24]) for name in names if name.endswith(".note")), default=0)
    if latest > size:
        say(
            Text(
                f"⚠ 存储中有第 {latest} 条的检查点，备份只到第 {size} 条：其间的 {latest - size} 条记录已丢失。"
                "请保留这些检查点作为凭据，并先查明丢了什么；继续记录时请用 sanshen ledger checkpoint --new-key。",
                f"⚠ The store has a checkpoint of {latest} entries, the backup ends at {size}: the {latest - size} "
                "records between are lost. Keep those checkpoints as evidence and find out what is missing; go on "
                "with `sanshen ledger checkpoint --new-key`.",
            )
        )


def _objects_missing(report: Report) -> Text:
    left = sum(report.counts.values())
    return Text(
        f"⚠ 存储与数据库有 {left} 处不一致。备份里没有对象本身：请恢复存储（本机存储是 <HOME>/s3 目录），"
        "再运行 sanshen reconcile --repair。",
        f"⚠ Store and database differ in {left} places. A backup holds no objects: bring the store back (on this "
        "machine, the folder <HOME>/s3), then run `sanshen reconcile --repair`.",
    )
