"""What `sanshen reconcile` does, and its report in words."""

from collections.abc import Iterator
from datetime import UTC, datetime

from flows.reconcile import Reconciler
from states.text import Language, Text
from storage.database import Database
from storage.objects import Objects
from storage.reconcile import Difference, Finding, Report
from storage.settings import Settings

_MOST_SHOWN = 200
_WORDS = {
    Difference.MISSING: Text("缺失", "missing"),
    Difference.ORPHANED: Text("无主（超过一天）", "orphaned, older than a day"),
    Difference.WRONG_SIZE: Text("大小不符", "wrong size"),
    Difference.WRONG_HASH: Text("内容不符", "wrong hash"),
}


async def examine(settings: Settings, *, reads_back: bool = False, repairs: bool = False) -> Report:
    """One comparison, now. Raises StoreUnavailable."""
    db = Database(settings.require_database_url(), pool_size=2)
    try:
        reconciler = Reconciler(db, Objects(settings), datetime.now(UTC))
        return await reconciler.run(reads_back=reads_back, repairs=repairs)
    finally:
        await db.close()


def lines_of(report: Report, language: Language) -> Iterator[str]:
    """The report in words, a line for each finding and the counts last."""
    for finding in report.findings[:_MOST_SHOWN]:
        yield f"{'✓' if finding.is_mended else '✗'} {_told(finding, language)}"
        if finding.repair is not None:
            yield f"    → {finding.repair.in_language(language)}"
    if len(report.findings) > _MOST_SHOWN:
        yield f"… {len(report.findings)}"
    yield f"{'✓' if report.is_clean else '✗'} {_summary(report).in_language(language)}"


def _told(finding: Finding, language: Language) -> str:
    told = f"{_WORDS[finding.difference].in_language(language)}: {finding.bucket}/{finding.key}"
    if finding.difference is Difference.WRONG_SIZE:
        told += f" ({finding.expected_size_bytes} → {finding.found_size_bytes} B)"
    if finding.difference is Difference.WRONG_HASH:
        told += f" ({finding.expected_sha256} → {finding.found_sha256})"
    return f"{told} · {finding.owner}" if finding.owner else told


def _summary(report: Report) -> Text:
    counts = [(_WORDS[each], report.counts[each]) for each in Difference]
    zh = "，".join(f"{words.zh} {number}" for words, number in counts)
    en = ", ".join(f"{number} {words.en}" for words, number in counts)
    return Text(
        f"共 {report.objects} 个对象，已核对哈希 {report.hashed} 个；{zh}；已修复 {report.mended}；"
        f"不满一天暂不处理 {report.young}。",
        f"{report.objects} objects, {report.hashed} hashed: {en}; {report.mended} mended; "
        f"{report.young} younger than a day left alone.",
    )
