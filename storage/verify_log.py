"""The log replayed: its entries, subtrees and checkpoints, and what was kept of it elsewhere."""

import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from states.merkle import Frontier, Node, leaf_hash
from storage.findings import Against, Findings, rows_of
from storage.log_copies import read_copies
from storage.notes import NoteInvalid, TreeHead, Verifier

_LEAVES = """
    SELECT leaf.index, leaf.hash, leaf.kind, leaf.row_id, coalesce(event.hash, journal.hash) AS row_hash,
        event.submission_id, event.item_seq
    FROM log_leaf AS leaf
    LEFT JOIN event ON leaf.kind = 'event' AND event.id = leaf.row_id
    LEFT JOIN journal ON leaf.kind = 'journal' AND journal.id = leaf.row_id
    ORDER BY leaf.index
"""
# In the order in which they are completed.
_NODES = "SELECT (index + 1) << level AS end, level, index, hash FROM log_node ORDER BY 1, 2"
_CHECKPOINTS = "SELECT size, root, note, verifier_key FROM checkpoint ORDER BY size"


@dataclass(frozen=True, slots=True)
class _Statement:
    """What somebody outside the database holds: so many entries, under this root."""

    size: int
    root: bytes
    where: str


class _Stream:
    """Rows of a query that are read as far as they are needed, and then taken one at a time."""

    def __init__(self, batches: AsyncIterator[list[Any]], key: str) -> None:
        self._batches = batches
        self._key = key
        self._rows: deque[Any] = deque()
        self._is_read = False

    async def read_to(self, key: float) -> None:
        """Have every row up to this key at hand, and the one after it."""
        while not self._is_read and (not self._rows or self._rows[-1][self._key] <= key):
            rows = await anext(self._batches, None)
            self._is_read = rows is None
            self._rows.extend(rows or ())

    def peek(self) -> Any:
        """The next row that is at hand, or None."""
        return self._rows[0] if self._rows else None

    def skip(self) -> None:
        """Go on to the row after it."""
        self._rows.popleft()


async def verify_log(session: AsyncSession, against: Against, findings: Findings) -> None:
    """Replay the log; every fault is added to the findings with the indexes of the entries concerned."""
    replay = _Replay(session, against, findings)
    async for rows in rows_of(session, _LEAVES):
        await replay.read_to(rows[-1]["index"] + 1)
        for row in rows:
            replay.take(row)
    await replay.finish()
    findings.entries = replay.frontier.size


class _Replay:
    """The tree as it grows, and what is held against it."""

    def __init__(self, session: AsyncSession, against: Against, findings: Findings) -> None:
        self.findings = findings
        self.keys = {str(key): key for key in against.keys}
        self.frontier = Frontier()
        self.last_bad = -1  # the last entry that was named; subtrees over it follow from it
        self.agreed = self.agreed_outside = 0  # the largest sizes that fit what was signed
        self.last_checkpoint = 0  # its size
        self.is_torn = False  # a checkpoint did not fit, so later ones cannot
        self.nodes = _Stream(rows_of(session, _NODES), "end")
        self.checkpoints = _Stream(rows_of(session, _CHECKPOINTS), "size")
        self.statements = deque(sorted(_statements(against, findings), key=lambda each: each.size))
        self.copied = _copied_entries(against)
        self.next_copied = next(self.copied, None)

    async def read_to(self, size: float) -> None:
        """Have at hand what the log is held against, up to this size."""
        await self.nodes.read_to(size)
        await self.checkpoints.read_to(size)

    def take(self, row: Any) -> None:
        """The next entry: in its place, and the hash of its event or journal entry."""
        index, entry = row["index"], bytes(row["hash"])
        if index < self.frontier.size:
            self._name(index, _place(row), "序号不可能出现。", "No entry can have this index.")
            return
        if index > self.frontier.size:
            gap = f"log {self.frontier.size}–{index - 1}"
            self._name(index - 1, gap, "条目缺失。", "Entries are missing.")
        while self.frontier.size < index:
            self._add(bytes(32))
        if row["row_hash"] is None:
            self._name(index, _place(row), "对应的事件已不存在。", "Its event or journal row is gone.")
        elif row["row_hash"] != entry.hex():
            self._name(index, _place(row), "与其事件的哈希不符。", "It is not the hash of its event.")
        self._check_copied(index, entry, row)
        self._add(entry)

    def _name(self, index: int, where: str, zh: str, en: str) -> None:
        self.last_bad = max(self.last_bad, index)
        self.findings.add(where, zh, en)

    def _check_copied(self, index: int, entry: bytes, row: Any) -> None:
        while self.next_copied is not None and self.next_copied[0] < index:
            self.next_copied = next(self.copied, None)
        if self.next_copied is not None and self.next_copied[0] == index and self.next_copied[1] != entry:
            self._name(index, _place(row), "与副本不符：被改写。", "It was rewritten: the copy has another.")

    def _add(self, entry: bytes) -> None:
        """One more entry, and everything that is complete with it."""
        for place, hash_ in self.frontier.append(leaf_hash(entry)):
            self._check_node(place, hash_)
        while (row := self.checkpoints.peek()) is not None and row["size"] <= self.frontier.size:
            self._check_checkpoint(row)
            self.checkpoints.skip()
        while self.statements and self.statements[0].size <= self.frontier.size:
            self._check_statement(self.statements.popleft())

    def _check_node(self, place: Node, hash_: bytes) -> None:
        level, index = place
        key = ((index + 1) << level, level)
        while (row := self.nodes.peek()) is not None and (row["end"], row["level"]) < key:
            self._drop_node(row)
        if row is None or (row["level"], row["index"]) != place:
            self._bad_node(level, index, "缺失", "is missing")
            return
        if row["hash"] != hash_:
            self._bad_node(level, index, "被改动", "was changed")
        self.nodes.skip()

    def _bad_node(self, level: int, index: int, zh: str, en: str) -> None:
        first, last = index << level, ((index + 1) << level) - 1
        if self.last_bad < first:
            where = f"log {first}–{last}"
            self._name(last, where, f"第 {level} 层子树{zh}。", f"The subtree at level {level} {en}.")

    def _drop_node(self, row: Any) -> None:
        where = f"subtree {row['level']}/{row['index']}"
        self.findings.add(where, "子树多余。", "There is no such subtree.")
        self.nodes.skip()

    def _check_checkpoint(self, row: Any) -> None:
        size, where = row["size"], f"checkpoint {row['size']}"
        self.findings.checkpoints += 1
        self.last_checkpoint = size
        signed = _opened(row["note"], row["verifier_key"], self.keys)
        if signed is None:
            self.findings.add(
                where, "签名无效，或密钥未知。", "Its signature does not hold, or its key is not known."
            )
        elif (signed.size, signed.root) != (size, row["root"]):
            self.findings.add(where, "与其签署的内容不符。", "It is not what was signed.")
        if self.is_torn:
            return
        if size == self.frontier.size and row["root"] == self.frontier.root():
            self.agreed = size
        else:
            self.is_torn = True
            self._tear(self.agreed, size, where)

    def _check_statement(self, statement: _Statement) -> None:
        if statement.size != self.last_checkpoint:
            self.findings.add(
                f"checkpoint {statement.size}, {statement.where}", "已被删除。", "It was removed."
            )
        if statement.size == self.frontier.size and statement.root == self.frontier.root():
            self.agreed_outside = statement.size
        else:
            self.statements.clear()  # later ones contradict the log for the same reason
            self._tear(self.agreed_outside, statement.size, statement.where)

    def _tear(self, agreed: int, size: int, where: str) -> None:
        self.findings.add(
            f"log {agreed}–{size - 1}, {where}",
            f"第 {agreed} 至 {size - 1} 条中有条目在签署后被改写。",
            f"Something among the entries {agreed} to {size - 1} was changed after it was signed.",
        )

    async def finish(self) -> None:
        """What is left in the tables, and outside, beyond the last entry."""
        await self.read_to(math.inf)
        while (row := self.nodes.peek()) is not None:
            self._drop_node(row)
        while (row := self.checkpoints.peek()) is not None:
            self._beyond(row["size"], f"checkpoint {row['size']}")
            self.checkpoints.skip()
        for statement in self.statements:
            self._beyond(statement.size, statement.where)
        if self.agreed < self.frontier.size and not self.is_torn:
            where = f"log {self.agreed}–{self.frontier.size - 1}"
            self.findings.add(where, "没有检查点。", "They are under no checkpoint.")

    def _beyond(self, size: int, where: str) -> None:
        there = self.frontier.size
        self.findings.add(
            f"log {there}–{size - 1}, {where}",
            f"日志只有 {there} 条，签署时有 {size} 条：末尾被删除。",
            f"The log has {there} entries and had {size} when this was signed: its end was cut off.",
        )


def _place(row: Any) -> str:
    where = f"log {row['index']}"
    if row["submission_id"] is not None:
        return f"{where} · {row['submission_id']}/{row['item_seq']}"
    return f"{where} · {row['kind']} {row['row_id']}"


def _opened(note: str, named: str, keys: dict[str, Verifier]) -> TreeHead | None:
    """What a checkpoint says, if the key that it names is known and has signed it."""
    try:
        return TreeHead.open(note, keys[named])
    except (KeyError, NoteInvalid):
        return None


def _statements(against: Against, findings: Findings) -> Iterator[_Statement]:
    """Older checkpoints from outside; one that none of the keys has signed is a fault and says nothing."""
    notes = [] if against.checkpoint is None else [("--checkpoint", against.checkpoint)]
    if against.copies is not None:
        notes += [(f"copy {copied.size}", copied.note) for copied in read_copies(against.copies)]
    for where, note in notes:
        for key in against.keys:
            try:
                head = TreeHead.open(note, key)
            except NoteInvalid:
                continue
            yield _Statement(head.size, head.root, where)
            break
        else:
            findings.add(where, "不是用已知密钥签署的检查点。", "It is no checkpoint of a known key.")


def _copied_entries(against: Against) -> Iterator[tuple[int, bytes]]:
    if against.copies is not None:
        for copied in read_copies(against.copies):
            yield from enumerate(copied.entries, copied.first)
