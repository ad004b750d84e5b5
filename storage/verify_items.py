"""The items replayed: every event and its chain, moves, what stands beside it, and the tables that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import GENESIS, LedgerEvent, NotCanonical, commitment
from states.submission import MOVES
from storage.findings import PERSONAL, Findings, erased_person, erased_value, json_of, rows_of

_KNOWN = frozenset((move.event.value, move.source.value, move.target.value) for move in MOVES)
_EVENTS = """
    SELECT event.submission_id, event.item_seq, event, from_state, to_state, actor_id, actor_roles,
        revision_sha256, facts::text AS facts, commitments::text AS commitments, event.at, prev_hash,
        event.hash, leaf.index, opened::text AS opened
    FROM event
    LEFT JOIN log_leaf AS leaf ON leaf.kind = 'event' AND leaf.row_id = event.id
    LEFT JOIN disclosure ON disclosure.submission_id = event.submission_id
        AND disclosure.item_seq = event.item_seq
    ORDER BY event.submission_id, event.item_seq
"""
_ERASED = "SELECT subject, at FROM journal WHERE action = 'erased' ORDER BY at"


@dataclass(frozen=True, slots=True)
class _Erased:
    """What journal entries say was erased, and when."""

    moments: Mapping[str, datetime]

    def explains(self, row: Any, name: str) -> bool:
        """Whether this value of an event may be missing."""
        subjects = [erased_value(row["submission_id"], row["item_seq"], name)]
        if name in PERSONAL:
            subjects.append(erased_person(row["actor_id"]))
        return any(row["at"] <= at for subject in subjects if (at := self.moments.get(subject)) is not None)


async def verify_items(session: AsyncSession, findings: Findings) -> None:
    """Replay every item; every fault is added to the findings with the item, its sequence and its index."""
    replay = _Replay(findings, await _read_erased(session))
    async for rows in rows_of(session, _EVENTS):
        for row in rows:
            replay.take(row)


async def _read_erased(session: AsyncSession) -> _Erased:
    moments: dict[str, datetime] = {}
    async for rows in rows_of(session, _ERASED):
        moments |= {row["subject"]: row["at"] for row in rows}
    return _Erased(moments)


class _Replay:
    """One item after the other, as its events tell it."""

    def __init__(self, findings: Findings, erased: _Erased) -> None:
        self.findings = findings
        self.erased = erased
        self.item: UUID | None = None
        self.seq = 0
        self.hash = GENESIS
        self.state: str | None = None

    def take(self, row: Any) -> None:
        """The next event."""
        if row["submission_id"] != self.item:
            self.item, self.seq, self.hash, self.state = row["submission_id"], 0, GENESIS, None
            self.findings.items += 1
        self.findings.events += 1
        self._check_chain(row)
        self._check_move(row)
        self._check_content(row)
        self.seq, self.hash, self.state = row["item_seq"], row["hash"], row["to_state"]

    def _check_chain(self, row: Any) -> None:
        if row["item_seq"] != self.seq + 1:
            gap = f"{self.item}/{self.seq + 1}"
            self.findings.add(
                f"{gap}, {_place(row)}", "其间的事件缺失。", "Events before this one are missing."
            )
        if row["prev_hash"] != self.hash:
            self.findings.add(_place(row), "不接前一事件。", "It does not follow the event before it.")

    def _check_move(self, row: Any) -> None:
        event, source, target = row["event"], row["from_state"], row["to_state"]
        if event == "create":
            is_known = (source, target, row["item_seq"]) == (None, "draft", 1)
        else:
            is_known = (event, source, target) in _KNOWN
        if not is_known or source != self.state:
            told = f"{event}: {source} → {target}"
            self.findings.add(
                _place(row), f"不是允许的流转：{told}。", f"This move cannot have happened: {told}."
            )

    def _check_content(self, row: Any) -> None:
        commitments = json_of(row["commitments"])
        try:
            is_same = _hash(row, commitments) == row["hash"]
        except NotCanonical:
            is_same = False
        if not is_same:
            self.findings.add(_place(row), "内容被改动。", "Its content was changed.")
        opened = json_of(row["opened"])
        for name, pair in opened.items():
            if name not in commitments or commitments[name] != _committed(name, pair):
                self.findings.add(_place(row), f"{name} 被改动。", f"Its {name} was changed.")
        if not commitments.keys() <= opened.keys():
            self._check_missing(row, commitments.keys() - opened.keys())

    def _check_missing(self, row: Any, names: set[str]) -> None:
        for name in sorted(names):
            if self.erased.explains(row, name):
                self.findings.erased += 1
            else:
                self.findings.add(
                    _place(row),
                    f"{name} 被删除，没有删除记录。",
                    f"Its {name} is gone, and no erasure is on record.",
                )


def _hash(row: Any, commitments: dict[str, Any]) -> str:
    return LedgerEvent(
        submission_id=str(row["submission_id"]),
        item_seq=row["item_seq"],
        event=row["event"],
        from_state=row["from_state"],
        to_state=row["to_state"],
        actor_id=None if row["actor_id"] is None else str(row["actor_id"]),
        actor_roles=row["actor_roles"],
        revision_sha256=row["revision_sha256"],
        facts=json_of(row["facts"]),
        commitments=commitments,
        at=row["at"],
        prev_hash=row["prev_hash"],
    ).hash()


def _committed(name: str, pair: Any) -> str | None:
    try:
        salt, value = pair
        return commitment(name, salt, value)
    except (TypeError, ValueError):
        return None


def _place(row: Any) -> str:
    where = f"{row['submission_id']}/{row['item_seq']}"
    return where if row["index"] is None else f"log {row['index']} · {where}"
