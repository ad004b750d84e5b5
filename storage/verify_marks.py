"""What stands beside the log: rows that are not in it, rows that wait, heads of items, and the journal."""

from collections.abc import Callable
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import JournalEntry, NotCanonical
from storage.findings import Against, Findings, json_of, rows_of
from storage.notes import ItemHead, NoteInvalid, Verifier, open_note

_UNLOGGED = """
    SELECT row.kind, row.id, row.submission_id, row.item_seq
    FROM (
        SELECT 'event' AS kind, id, submission_id, item_seq FROM event
        UNION ALL SELECT 'journal', id, NULL, NULL FROM journal
    ) AS row
    WHERE NOT EXISTS (SELECT FROM log_leaf AS leaf WHERE leaf.kind = row.kind AND leaf.row_id = row.id)
    AND NOT EXISTS (SELECT FROM log_pending AS wait WHERE wait.kind = row.kind AND wait.row_id = row.id)
"""
_WAITING = """
    SELECT wait.kind, wait.row_id, leaf.index, event.id IS NULL AND journal.id IS NULL AS is_nothing
    FROM log_pending AS wait
    LEFT JOIN log_leaf AS leaf ON leaf.kind = wait.kind AND leaf.row_id = wait.row_id
    LEFT JOIN event ON wait.kind = 'event' AND event.id = wait.row_id
    LEFT JOIN journal ON wait.kind = 'journal' AND journal.id = wait.row_id
"""
_HEADS = """
    SELECT coalesce(last.submission_id, head.submission_id) AS item, last.item_seq AS last_seq,
        last.hash AS last_hash, last.index, head.item_seq, head.hash, head.log_size, head.note,
        EXISTS (SELECT FROM checkpoint WHERE size = head.log_size) AS is_checkpoint
    FROM (
        SELECT DISTINCT ON (submission_id) submission_id, item_seq, event.hash, leaf.index
        FROM event JOIN log_leaf AS leaf ON leaf.kind = 'event' AND leaf.row_id = event.id
        ORDER BY submission_id, item_seq DESC
    ) AS last FULL JOIN item_head AS head ON head.submission_id = last.submission_id
"""
_GONE = """
    SELECT DISTINCT size FROM checkpoint_copy AS copy
    WHERE NOT EXISTS (SELECT FROM checkpoint WHERE checkpoint.size = copy.size) ORDER BY size
"""
_JOURNAL = """
    SELECT journal.id, action, actor_id, subject, facts::text AS facts, at, journal.hash, leaf.index
    FROM journal LEFT JOIN log_leaf AS leaf ON leaf.kind = 'journal' AND leaf.row_id = journal.id
"""


async def verify_marks(session: AsyncSession, against: Against, findings: Findings) -> None:
    """Every row is in the log or waits for it; every item has its signed head; the journal is what was hashed."""
    checks: tuple[tuple[str, Callable[[Any], None]], ...] = (
        (_UNLOGGED, lambda row: _check_unlogged(row, findings)),
        (_WAITING, lambda row: _check_waiting(row, findings)),
        (_GONE, lambda row: _check_gone(row, findings)),
        (_HEADS, lambda row: _check_head(row, against.keys, findings)),
        (_JOURNAL, lambda row: _check_journal(row, findings)),
    )
    for query, check in checks:
        async for rows in rows_of(session, query):
            for row in rows:
                check(row)


def _check_unlogged(row: Any, findings: Findings) -> None:
    where = f"{row['submission_id']}/{row['item_seq']}" if row["submission_id"] else ""
    where = f"{row['kind']} {row['id']} {where}".strip()
    findings.add(where, "不在日志中，也不在等待。", "It is not in the log, nor waiting for it.")


def _check_gone(row: Any, findings: Findings) -> None:
    where = f"checkpoint {row['size']}"
    findings.add(where, "已复制到别处，库中却没有。", "It was copied elsewhere and is gone here.")


def _check_waiting(row: Any, findings: Findings) -> None:
    where = f"waiting {row['kind']} {row['row_id']}"
    if row["is_nothing"]:
        findings.add(where, "等待写入日志的事件不存在。", "What waits for the log does not exist.")
    elif row["index"] is not None:
        findings.add(f"log {row['index']}, {where}", "已在日志中。", "It is in the log already.")
    else:
        findings.waiting += 1


def _check_head(row: Any, keys: tuple[Verifier, ...], findings: Findings) -> None:
    where = f"item head {row['item']}"
    if row["note"] is None:
        findings.add(where, "稿件末端声明缺失。", "The item has no signed head.")
        return
    name = _signed_by(row["note"], keys)
    if name is None:
        findings.add(where, "签名无效，或密钥未知。", "Its signature does not hold, or its key is not known.")
        return
    if row["note"].rpartition("\n\n")[0] != _text(name, row):
        findings.add(where, "与其签署的内容不符。", "It is not what was signed.")
    if (row["item_seq"], row["hash"]) != (row["last_seq"], row["last_hash"]):
        findings.add(
            f"log {row['index']}, {where}",
            f"签署时本稿有 {row['item_seq']} 个事件，现有 {row['last_seq'] or 0} 个，或末端不同。",
            f"The item had {row['item_seq']} events when this was signed; it has {row['last_seq'] or 0} now, "
            "or the last one is another.",
        )
    elif not row["is_checkpoint"] or row["log_size"] <= row["index"]:
        findings.add(where, "所述日志条数没有检查点。", "There is no checkpoint of the size that it names.")


def _signed_by(note: str, keys: tuple[Verifier, ...]) -> str | None:
    for key in keys:
        try:
            open_note(note, key)
        except NoteInvalid:
            continue
        return key.name
    return None


def _text(name: str, row: Any) -> str:
    """What the note must say, without its last line break."""
    try:
        hash_ = bytes.fromhex(row["hash"])
    except ValueError:
        return ""
    return ItemHead(name, row["item"], row["item_seq"], hash_, row["log_size"]).text()[:-1]


def _check_journal(row: Any, findings: Findings) -> None:
    findings.journal += 1
    where = f"journal {row['id']}" if row["index"] is None else f"log {row['index']} · journal {row['id']}"
    try:
        actor = None if row["actor_id"] is None else str(row["actor_id"])
        entry = JournalEntry(row["action"], actor, row["subject"], json_of(row["facts"]), row["at"])
        is_same = entry.hash() == row["hash"]
    except NotCanonical:
        is_same = False
    if not is_same:
        findings.add(where, "内容被改动。", "Its content was changed.")
