"""The log: every event and journal entry, in batches, under signed checkpoints. Its readers are elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from states.merkle import Frontier, Node, leaf_hash, perfect_subtrees
from states.text import Text
from storage.database import Database
from storage.errors import StorageError
from storage.notes import ItemHead, Signer, TreeHead

_LOCK = 6_962_9_162  # one number for every sequencer of this database
_BATCH = 2000  # entries under one checkpoint at most; signing and writing them takes some 0.2 s


class LogDamaged(StorageError):
    """The log in the database is not the one that was signed; nothing is added to it until that is mended."""

    def __init__(self, index: int) -> None:
        super().__init__(
            Text(
                f"数据库中的日志与最后签署的检查点不符（自第 {index} 条起），停止签署。"
                "请运行 sanshen ledger verify 查明，并从备份恢复。",
                f"The log in the database is not the one that was last signed (from entry {index} on); "
                "nothing more is signed. Run `sanshen ledger verify` to see what was changed, and restore a backup.",
            )
        )
        self.index = index


class LedgerKeyChanged(StorageError):
    """The key at hand is not the one that signed the last checkpoint."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            Text(
                f"日志由密钥 {expected} 签署，本机的密钥是 {found}。请把原密钥文件放回（SANSHEN_LEDGER_KEY）；"
                "若已遗失，请运行 sanshen ledger checkpoint --new-key。",
                f"The log is signed with the key {expected}; the one here is {found}. Put the key file back "
                "(SANSHEN_LEDGER_KEY), or, if it is lost, run `sanshen ledger checkpoint --new-key`.",
            )
        )


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A new checkpoint: entries `first` to `size` - 1 came with it."""

    first: int
    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: str
    row_id: int
    hash: bytes
    submission_id: UUID | None
    item_seq: int | None


# OFFSET 0, and no sequential scan: each row costs one look into an index, whatever the planner thinks how many
# wait, and though it planned when the log was short. A scan would make every batch as slow as the log is long.
_BEGIN = text(
    "SELECT pg_try_advisory_xact_lock(:lock) FROM (SELECT set_config('enable_seqscan', 'off', true)) AS on_index"
)
_TAKE = text("""
    WITH taken AS (
        DELETE FROM log_pending WHERE id IN (SELECT id FROM log_pending ORDER BY id LIMIT :batch)
        RETURNING id, kind, row_id
    )
    SELECT taken.kind, taken.row_id, found.hash, found.submission_id, found.item_seq
    FROM taken CROSS JOIN LATERAL (
        SELECT hash, submission_id, item_seq FROM event WHERE taken.kind = 'event' AND event.id = taken.row_id
        UNION ALL
        SELECT hash, CAST(NULL AS uuid), NULL FROM journal WHERE taken.kind = 'journal' AND journal.id = taken.row_id
        OFFSET 0
    ) AS found
    WHERE NOT EXISTS (
        SELECT FROM log_leaf AS there WHERE there.kind = taken.kind AND there.row_id = taken.row_id OFFSET 0
    )
    ORDER BY taken.id
""")
_LAST = text("""
    SELECT (SELECT coalesce(max(index) + 1, 0) FROM log_leaf) AS leaves, size, root, note, verifier_key
    FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM checkpoint ORDER BY size DESC LIMIT 1) AS last ON true
""")
_ADD = text("""
    WITH leaves AS (
        INSERT INTO log_leaf (index, hash, kind, row_id)
        SELECT * FROM unnest(
            CAST(:indexes AS bigint[]), CAST(:hashes AS bytea[]), CAST(:kinds AS text[]),
            CAST(:row_ids AS bigint[])
        )
    ), nodes AS (
        INSERT INTO log_node (level, index, hash)
        SELECT * FROM unnest(
            CAST(:levels AS smallint[]), CAST(:node_indexes AS bigint[]), CAST(:node_hashes AS bytea[])
        )
    ), heads AS (
        INSERT INTO item_head (submission_id, item_seq, hash, log_size, note)
        SELECT item, seq, hash, :size, note FROM unnest(
            CAST(:items AS uuid[]), CAST(:seqs AS integer[]), CAST(:last_hashes AS text[]),
            CAST(:head_notes AS text[])
        ) AS head (item, seq, hash, note)
        ON CONFLICT (submission_id) DO UPDATE
        SET item_seq = excluded.item_seq, hash = excluded.hash, log_size = excluded.log_size,
            note = excluded.note
    )
    INSERT INTO checkpoint (size, root, note, verifier_key)
    VALUES (CAST(:size AS bigint), :root, :note, :verifier_key)
""")


async def sequence_waiting(db: Database, signer: Signer, *, is_new_key: bool = False) -> int:
    """Put everything that waits into the log, a batch in each transaction; how many entries came in.

    Raises what `sequence` raises.
    """
    count = 0
    while True:
        async with db.transaction() as session:
            made = await sequence(session, signer, is_new_key=is_new_key)
        if made is None:
            return count
        count += made.size - made.first
        if made.size - made.first < _BATCH:
            return count


async def sequence(session: AsyncSession, signer: Signer, *, is_new_key: bool = False) -> Sequenced | None:
    """Put one batch of what waits into the log, in the caller's transaction; None when nothing does.

    May be called by many at once and at any time: one works, the others get None; none waits, and nobody who
    writes an event waits for it. Entries of an item keep their order. Raises LogDamaged, and
    LedgerKeyChanged unless `is_new_key`.
    """
    connection = await session.connection()
    if not await connection.scalar(_BEGIN, {"lock": _LOCK}):
        return None
    entries = [_entry(row) for row in await connection.execute(_TAKE, {"batch": _BATCH})]
    if not entries:
        return None
    frontier = await _checked_frontier(connection, signer, is_new_key)
    first = frontier.size
    nodes = [made for entry in entries for made in frontier.append(leaf_hash(entry.hash))]
    sequenced = Sequenced(
        first, frontier.size, frontier.root(), signer.sign(_tree_head(signer, frontier).text())
    )
    values = _leaf_values(first, entries) | _node_values(nodes) | _head_values(signer, frontier.size, entries)
    values |= {"size": sequenced.size, "root": sequenced.root, "note": sequenced.note}
    await connection.execute(_ADD, values | {"verifier_key": str(signer.verifier)})
    return sequenced


def _entry(row: Any) -> _Entry:
    return _Entry(row.kind, row.row_id, bytes.fromhex(row.hash), row.submission_id, row.item_seq)


def _tree_head(signer: Signer, frontier: Frontier) -> TreeHead:
    return TreeHead(signer.name, frontier.size, frontier.root())


async def _checked_frontier(connection: AsyncConnection, signer: Signer, is_new_key: bool) -> Frontier:
    """The tree as it stands, which must be the one that was signed last: a log never contradicts itself."""
    last = (await connection.execute(_LAST)).one()
    has_key = last.verifier_key in (None, str(signer.verifier))
    if not has_key and not is_new_key:
        raise LedgerKeyChanged(last.verifier_key, str(signer.verifier))
    places = list(perfect_subtrees(0, last.leaves))
    hashes = await node_hashes(connection, places)
    frontier = Frontier(last.leaves, [hashes[place] for place in places])
    if last.size is None:
        is_signed = last.leaves == 0
    elif has_key:
        is_signed = TreeHead.open(last.note, signer.verifier) == _tree_head(signer, frontier)
    else:
        is_signed = (last.size, last.root) == (frontier.size, frontier.root())
    if not is_signed:
        raise LogDamaged(min(last.size or 0, last.leaves))
    return frontier


async def node_hashes(connection: AsyncConnection, places: Iterable[Node]) -> dict[Node, bytes]:
    """The hashes of these perfect subtrees (level 0: leaves). Raises LogDamaged when one is not there."""
    wanted = list(dict.fromkeys(places))
    values = {
        "leaves": [index for level, index in wanted if level == 0],
        "levels": [level for level, _ in wanted],
        "indexes": [index for _, index in wanted],
    }
    rows = await connection.execute(_NODES, values)
    found = {(level, index): leaf_hash(hash_) if level == 0 else hash_ for level, index, hash_ in rows}
    for level, index in wanted:
        if (level, index) not in found:
            raise LogDamaged(index << level)
    return found


_NODES = text("""
    SELECT 0 AS level, index, hash FROM log_leaf WHERE index = ANY(CAST(:leaves AS bigint[]))
    UNION ALL
    SELECT wanted.level, wanted.index, node.hash
    FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[])) AS wanted (level, index)
    CROSS JOIN LATERAL (
        SELECT hash FROM log_node WHERE level = wanted.level AND index = wanted.index OFFSET 0
    ) AS node
""")


def _leaf_values(first: int, entries: Sequence[_Entry]) -> dict[str, Any]:
    return {
        "indexes": list(range(first, first + len(entries))),
        "hashes": [entry.hash for entry in entries],
        "kinds": [entry.kind for entry in entries],
        "row_ids": [entry.row_id for entry in entries],
    }


def _node_values(nodes: Sequence[tuple[Node, bytes]]) -> dict[str, Any]:
    return {
        "levels": [level for (level, _), _ in nodes],
        "node_indexes": [index for (_, index), _ in nodes],
        "node_hashes": [hash_ for _, hash_ in nodes],
    }


def _head_values(signer: Signer, size: int, entries: Sequence[_Entry]) -> dict[str, Any]:
    """For each item of the batch, that it has so many events and no more."""
    heads = {
        entry.submission_id: ItemHead(signer.name, entry.submission_id, entry.item_seq, entry.hash, size)
        for entry in entries
        if entry.submission_id is not None and entry.item_seq is not None
    }
    return {
        "items": list(heads),
        "seqs": [head.item_seq for head in heads.values()],
        "last_hashes": [head.hash.hex() for head in heads.values()],
        "head_notes": [signer.sign(head.text()) for head in heads.values()],
    }


async def is_in_log(session: AsyncSession, submission_id: UUID, item_seq: int) -> bool:
    """Whether this event is under a signed checkpoint: leaves and checkpoint are written together."""
    connection = await session.connection()
    values = {"item": submission_id, "seq": item_seq}
    return bool(await connection.scalar(_IS_IN_LOG, values))


_IS_IN_LOG = text("""
    SELECT EXISTS (
        SELECT FROM event JOIN log_leaf ON kind = 'event' AND row_id = event.id
        WHERE submission_id = :item AND item_seq = :seq
    )
""")


async def newest_checkpoint(session: AsyncSession) -> str | None:
    """The last signed note about the whole log; None before the first."""
    connection = await session.connection()
    note: str | None = await connection.scalar(text("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"))
    return note
