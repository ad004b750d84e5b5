"""The proof of one submission: all its events with their places in the log, in one file that is checked offline."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.merkle import Range, consistency_path, inclusion_path, join, perfect_subtrees
from states.text import Text
from storage.board import approvals_of, revisions_of
from storage.errors import StorageError
from storage.log import node_hashes
from storage.record import ledger_event
from storage.renditions import manifest, of_revision
from storage.tables import Disclosure, EventRow, ItemHeadRow, LogLeaf, Workflow


class NotInLogYet(StorageError):
    """The submission is newer than the last checkpoint; that takes a moment."""

    def __init__(self) -> None:
        super().__init__(
            Text(
                "本稿尚未写入日志，请稍候一分钟再试；若一直如此，请检查派发进程是否在运行。",
                "This submission is not in the log yet. Try again in a minute; if that does not help, see whether "
                "the dispatcher runs.",
            )
        )


class NoSuchCheckpoint(StorageError):
    """A consistency proof was asked from a size that the log has not reached."""

    def __init__(self, since: int, size: int) -> None:
        super().__init__(
            Text(
                f"日志现有 {size} 条，无法与第 {since} 条的检查点比对，请检查数目。",
                f"The log has {size} entries and cannot be compared with a checkpoint of {since}; check the number.",
            )
        )


_CHECKPOINT = text("SELECT size, note, verifier_key FROM checkpoint ORDER BY size DESC LIMIT 1")
_Event = tuple[EventRow, int, dict[str, tuple[str, str]]]


async def proof_of(
    session: AsyncSession, submission_id: UUID, since: int | None = None, withhold: Sequence[str] = ()
) -> dict[str, Any]:
    """The proof file, as JSON values: what deployments/verify_proof.py reads.

    `since`: the size of an older checkpoint with which the log is to be compared; `withhold`: fields of
    people's data that are left out. Raises NotInLogYet and NoSuchCheckpoint.
    """
    connection = await session.connection()
    head = await session.get(ItemHeadRow, submission_id, populate_existing=True)
    checkpoint = (await connection.execute(_CHECKPOINT)).first()
    if head is None or checkpoint is None:
        raise NotInLogYet
    if since is not None and not 0 < since <= checkpoint.size:
        raise NoSuchCheckpoint(since, checkpoint.size)
    events = await _events(session, submission_id, head.item_seq)
    paths = [inclusion_path(index, checkpoint.size) for _, index, _ in events]
    if since is not None:
        paths.append(consistency_path(since, checkpoint.size))
    hashes = await _paths(connection, paths)
    return {
        "format": "sanshen-proof-1",
        "submission_id": str(submission_id),
        "verifier_key": checkpoint.verifier_key,
        "checkpoint": checkpoint.note,
        "item_head": head.note,
        "consistency": None if since is None else {"old_size": since, "path": hashes[-1]},
        "events": [_event(event, path, withhold) for event, path in zip(events, hashes, strict=False)],
        **await _signed(session, submission_id, [row for row, _, _ in events]),
    }


async def _events(session: AsyncSession, submission_id: UUID, last: int) -> list[_Event]:
    statement = (
        select(EventRow, LogLeaf.index, Disclosure.opened)
        .join(LogLeaf, (col(LogLeaf.row_id) == col(EventRow.id)) & (col(LogLeaf.kind) == "event"))
        .outerjoin(
            Disclosure,
            (col(Disclosure.submission_id) == col(EventRow.submission_id))
            & (col(Disclosure.item_seq) == col(EventRow.item_seq)),
        )
        .where(col(EventRow.submission_id) == submission_id, col(EventRow.item_seq) <= last)
        .order_by(col(EventRow.item_seq))
    )
    found = (await session.exec(statement)).all()
    return [(row, index, dict(opened or {})) for row, index, opened in found]


def _event(event: _Event, path: list[str], withhold: Sequence[str]) -> dict[str, Any]:
    row, index, opened = event
    shown = {name: list(pair) for name, pair in opened.items() if name not in withhold}
    return {
        "index": index,
        "body": ledger_event(row).body(),
        "path": path,
        "opened": shown,
    }


async def _paths(connection: AsyncConnection, paths: Sequence[Sequence[Range]]) -> list[list[str]]:
    """The hashes of the subtrees that each path names, in hexadecimal; all read at once."""
    ranges = {each for path in paths for each in path}
    parts = {each: list(perfect_subtrees(*each)) for each in ranges}
    hashes = await node_hashes(connection, (node for nodes in parts.values() for node in nodes))
    joined = {each: join([hashes[node] for node in nodes]).hex() for each, nodes in parts.items()}
    return [[joined[each] for each in path] for path in paths]


async def _signed(session: AsyncSession, submission_id: UUID, events: list[EventRow]) -> dict[str, Any]:
    """The contents, what was signed of them, under which reviews, and with which files."""
    last = events[-1].item_seq
    contents = [event.revision_sha256 for event in events]
    count = sum(content != before for before, content in zip([None, *contents], contents, strict=False))
    revisions = await revisions_of(session, submission_id)
    approvals = [each for each in await approvals_of(session, submission_id) if each.item_seq <= last]
    signed = sorted({each.revision_sha256 for each in approvals if each.manifest_sha256 is not None})
    workflows = sorted({event.facts["workflow"] for event in events if "workflow" in event.facts})
    return {
        "approvals": [
            [each.item_seq, str(each.person_id), each.stage, each.revision_sha256] for each in approvals
        ],
        "revisions": [each.content for each in revisions[:count]],
        "manifests": [manifest(await of_revision(session, submission_id, each)) for each in signed],
        "workflows": [
            {"id": row.id, "column": row.column_name, "number": row.number, "definition": row.definition}
            for row in await session.exec(select(Workflow).where(col(Workflow.id).in_(workflows)))
        ],
    }
