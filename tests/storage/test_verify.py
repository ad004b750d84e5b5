"""The record replayed: whatever its owner changes behind the triggers is found, and its place is named."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from states.events import Event
from states.ledger import canonical_sha256
from states.roles import SYSTEM
from storage.findings import Against, Findings
from storage.journal import write_journal
from storage.log import sequence
from storage.log_copies import mark_copied, to_be_copied, write_copy
from storage.notes import Signer, new_signer
from storage.verify import replay, verify_ledger

pytestmark = pytest.mark.slow

_LIVED: dict[str, Any] = {}


@dataclass
class Record:
    """A small record: two pieces, one returned on its way, a journal entry between them, four checkpoints."""

    book: Any
    item: UUID
    other: UUID
    copies: Path

    @property
    def keys(self) -> Against:
        return Against((self.book.signer.verifier,))

    async def forged(self, *statements: str, against: Against | None = None, **values: Any) -> Findings:
        given = {"item": self.item, "other": self.other} | values
        async with self.book.forging(*statements, **given) as session:
            return await replay(session, against or self.keys)

    async def index(self, item: UUID, seq: int) -> int:
        found: int = await self.book.scalar(_INDEX, item=item, seq=seq)
        return found


_INDEX = """
    SELECT index FROM log_leaf JOIN event ON kind = 'event' AND row_id = event.id
    WHERE submission_id = :item AND item_seq = :seq
"""


@pytest.fixture
async def record(book: Any, tmp_path_factory: pytest.TempPathFactory) -> Record:
    if book.newsroom.db.url not in _LIVED:
        folder = tmp_path_factory.mktemp("copies")
        item = await book.newsroom.received()
        await book.sequence()
        await book.newsroom.send(item, Event.CLAIM, "duty")
        await book.newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", "请补充", comment="第二段")
        await book.newsroom.edit(item, body="补充后的正文。")
        await book.newsroom.send(item, Event.SUBMIT, "writer")
        await book.newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
        async with book.newsroom.db.transaction() as session:
            by = book.newsroom.people["admin"].id
            await write_journal(session, "draft_read", by, f"submission:{item}", {"revision_number": 2})
            await write_journal(session, "exported", by, "audit", {})
        await book.newsroom.send(item, Event.CLAIM, "duty")
        await book.newsroom.send(item, Event.APPROVE, "duty")
        await book.sequence()
        other = await book.published(title="另一篇")
        await book.sequence()
        await book.newsroom.draft()
        await book.sequence()
        async with book.newsroom.db.transaction() as session:
            for copied in await to_be_copied(session, "folder"):
                write_copy(folder, copied)
                await mark_copied(session, "folder", copied.size)
        _LIVED[book.newsroom.db.url] = (item, other, folder)
    return Record(book, *_LIVED[book.newsroom.db.url])


def _places(findings: Findings) -> str:
    return " | ".join(fault.where for fault in findings.faults)


async def test_record_that_nobody_touched_has_no_fault(record: Record) -> None:
    against = Against(record.keys.keys, copies=record.copies)
    findings = await verify_ledger(record.book.newsroom.db, against)
    assert findings.faults == []
    assert (findings.items, findings.journal, findings.checkpoints, findings.waiting) == (3, 2, 4, 0)
    assert findings.entries == findings.events + findings.journal


async def test_record_read_by_two_processes_is_the_same(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = await verify_ledger(record.book.newsroom.db, record.keys)
    monkeypatch.setattr("storage.verify._ALONE", 0)
    assert await verify_ledger(record.book.newsroom.db, record.keys) == alone


async def test_event_that_waits_is_no_fault(record: Record) -> None:
    values = "SELECT 'event', row_id FROM log_leaf WHERE index = (SELECT max(index) FROM log_leaf)"
    findings = await record.forged(f"INSERT INTO log_pending (kind, row_id) {values}")
    assert "waiting event" in _places(findings)  # it is in the log already
    findings = await record.forged("INSERT INTO log_pending (kind, row_id) VALUES ('event', 987654)")
    assert "waiting event 987654" in _places(findings)


# What is edited: a table, which row, and the place that must be named. `{index}` is the row's index in the log.
_ROWS = {
    "event": ("submission_id = :item AND item_seq = 5", "log {index} · "),
    "journal": ("id = (SELECT min(id) FROM journal)", "journal"),
    "log_leaf": ("index = 6", "log 6"),
    "log_node": ("level = 1 AND index = 3", "log 6–7"),
    "checkpoint": ("size = (SELECT min(size) FROM checkpoint)", "checkpoint 3"),
    "item_head": ("submission_id = :item", "item head {item}"),
    "disclosure": ("submission_id = :item AND item_seq = 5", "{item}/5"),
    "approval": ("submission_id = :item", "{item}/"),
    "revision": ("submission_id = :item AND number = 2", "{item} revision"),
    "submission": ("id = :item", "{item}/"),
}
# Bookkeeping that proves nothing, and what is the row's own identity.
_FREE = {
    ("checkpoint", "at"),
    ("event", "id"),
    ("journal", "id"),
}
_COLUMNS = {
    "event": "submission_id item_seq event from_state to_state actor_id actor_roles revision_sha256 facts "
    "commitments at prev_hash hash",
    "journal": "action actor_id subject facts at hash",
    "log_leaf": "index hash kind row_id",
    "log_node": "level index hash",
    "checkpoint": "size root note verifier_key",
    "item_head": "submission_id item_seq hash log_size note",
    "disclosure": "submission_id item_seq opened",
    "approval": "submission_id review_round stage person_id on_behalf_of delegation_id confirmed_by revision_sha256 "
    "manifest_sha256 item_seq at",
    "revision": "submission_id number sha256 content editor_id created_at",
    "submission": "version state revision_sha256 last_event_hash",
}
_OTHER_VALUE = {
    "uuid": "gen_random_uuid()",
    "integer": "{0} + 1000",
    "smallint": "{0} + 20",
    "bigint": "{0} + 1000",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "jsonb": "{0} || '{{\"more\": 1}}'",
    "ARRAY": "{0} || 'more'::text",
    "bytea": "set_byte({0}, 31, (get_byte({0}, 31) + 1) % 256)",
    "character varying": "coalesce({0}, '') || 'x'",
    "text": "coalesce({0}, '') || 'x'",
}
EDITS = [(table, column) for table, columns in _COLUMNS.items() for column in columns.split()]


def test_every_column_of_the_record_is_edited_by_a_test() -> None:
    from storage.tables import (
        Approval,
        CheckpointRow,
        Disclosure,
        EventRow,
        ItemHeadRow,
        JournalRow,
        LogLeaf,
        LogNode,
        Revision,
        core,
    )

    models = (
        Approval,
        CheckpointRow,
        Disclosure,
        EventRow,
        ItemHeadRow,
        JournalRow,
        LogLeaf,
        LogNode,
        Revision,
    )
    columns = {(core(model).name, column.name) for model in models for column in core(model).c}
    assert columns - _FREE == {each for each in EDITS if each[0] != "submission"}


@pytest.mark.parametrize(("table", "column"), EDITS)
async def test_single_edit_is_found_and_its_place_named(record: Record, table: str, column: str) -> None:
    kind = await record.book.scalar(
        "SELECT data_type FROM information_schema.columns WHERE table_name = :t AND column_name = :c",
        t=table,
        c=column,
    )
    which, place = _ROWS[table]
    value = _OTHER_VALUE[kind].format(f'"{column}"')
    findings = await record.forged(f'UPDATE {table} SET "{column}" = {value} WHERE {which}')
    index = await record.index(record.item, 5)
    assert place.format(index=index, item=record.item) in _places(findings), findings.faults


@pytest.mark.parametrize(
    ("table", "column"), [("event", "commitments"), ("disclosure", "opened"), ("journal", "facts")]
)
async def test_value_inside_an_object_that_is_changed_or_taken_is_found(
    record: Record, table: str, column: str
) -> None:
    which, place = _ROWS[table]
    for change in (
        f"jsonb_set({column}, ARRAY[(SELECT min(k) FROM jsonb_object_keys({column}) AS k)], '\"x\"')",
        f"{column} - (SELECT min(k) FROM jsonb_object_keys({column}) AS k)",
        "'{}'",
    ):
        findings = await record.forged(f"UPDATE {table} SET {column} = {change} WHERE {which}")
        assert place.format(index=await record.index(record.item, 5), item=record.item) in _places(findings)


@pytest.mark.parametrize("table", [table for table in _ROWS if table != "submission"])
async def test_deleted_row_is_found_and_its_place_named(record: Record, table: str) -> None:
    which, place = _ROWS[table]
    index = await record.index(record.item, 5)
    place = {"event": f"log {index}", "journal": "journal"}.get(table, place)
    findings = await record.forged(f"DELETE FROM {table} WHERE {which}")
    assert place.format(index=index, item=record.item) in _places(findings), findings.faults


@pytest.mark.parametrize("seq", [1, 4, 9])
async def test_event_taken_out_of_all_tables_is_found_by_its_index(record: Record, seq: int) -> None:
    index = await record.index(record.item, seq)
    findings = await record.forged(
        "DELETE FROM log_leaf USING event WHERE kind = 'event' AND row_id = event.id "
        "AND submission_id = :item AND item_seq = :seq",
        "DELETE FROM disclosure WHERE submission_id = :item AND item_seq = :seq",
        "DELETE FROM event WHERE submission_id = :item AND item_seq = :seq",
        seq=seq,
    )
    assert f"log {index}–{index}" in _places(findings)


async def test_swapped_entries_are_found_by_their_index(record: Record) -> None:
    swap = """
        UPDATE log_leaf AS a SET hash = b.hash, kind = b.kind, row_id = b.row_id FROM log_leaf AS b
        WHERE (a.index, b.index) IN ((4, 5), (5, 4))
    """
    loose = "ALTER TABLE log_leaf DROP CONSTRAINT log_leaf_once"
    assert "log 4–5" in _places(await record.forged(loose, swap))
    far = swap.replace("(4, 5), (5, 4)", "(4, 9), (9, 4)")
    assert "log 4–5" in _places(await record.forged(loose, far))
    against = Against(record.keys.keys, copies=record.copies)
    places = _places(await record.forged(loose, far, against=against))
    assert "log 4 " in places
    assert "log 9 " in places


async def test_swapped_events_are_found_by_their_index(record: Record) -> None:
    swap = """
        UPDATE event AS a SET actor_id = b.actor_id, facts = b.facts, at = b.at, commitments = b.commitments,
            actor_roles = b.actor_roles
        FROM event AS b WHERE a.submission_id = :item AND b.submission_id = :item
        AND (a.item_seq, b.item_seq) IN ((4, 5), (5, 4))
    """
    places = _places(await record.forged(swap))
    for seq in (4, 5):
        assert f"log {await record.index(record.item, seq)} · {record.item}/{seq}" in places


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (
            "INSERT INTO log_leaf SELECT (SELECT max(index) + 1 FROM log_leaf), hash, kind, row_id FROM log_leaf "
            "WHERE index = 3",
            "log {size}–{size}",
        ),
        (
            "INSERT INTO log_leaf VALUES (-1, decode(repeat('00', 32), 'hex'), 'event', 987654)",
            "log -1",
        ),
        (
            "INSERT INTO log_node SELECT 1, 5000, hash FROM log_node LIMIT 1",
            "subtree 1/5000",
        ),
        ("INSERT INTO log_node SELECT 40, 0, hash FROM log_node LIMIT 1", "subtree 40/0"),
        (
            "INSERT INTO checkpoint SELECT size + 1, root, note, verifier_key FROM checkpoint WHERE size = 3",
            "checkpoint 4",
        ),
        (
            "INSERT INTO checkpoint SELECT size + 1000, root, note, verifier_key FROM checkpoint WHERE size = 3",
            "checkpoint 1003",
        ),
        (
            "INSERT INTO journal (action, subject, facts, at, hash) "
            "SELECT action, subject, facts, at, hash FROM journal LIMIT 1",
            "journal",
        ),
        (
            "INSERT INTO event (submission_id, item_seq, event, from_state, to_state, actor_roles, facts, "
            "commitments, at, prev_hash, hash) SELECT submission_id, 100, event, from_state, to_state, actor_roles, "
            "facts, commitments, at, prev_hash, hash FROM event WHERE submission_id = :item AND item_seq = 5",
            "{item}/100",
        ),
        (
            "INSERT INTO approval SELECT submission_id, review_round, 'second_review', gen_random_uuid(), "
            "revision_sha256, manifest_sha256, 12, at FROM approval WHERE submission_id = :item",
            "{item}/12",
        ),
        (
            "INSERT INTO revision SELECT submission_id, 3, sha256, content, editor_id, created_at FROM revision "
            "WHERE submission_id = :item AND number = 2",
            "{item} revision 3",
        ),
        (
            "INSERT INTO item_head SELECT gen_random_uuid(), item_seq, hash, log_size, note FROM item_head",
            "item head",
        ),
    ],
)
async def test_inserted_or_doubled_row_is_found_and_its_place_named(
    record: Record, statement: str, place: str
) -> None:
    size = await record.book.scalar("SELECT count(*) FROM log_leaf")
    loose = "ALTER TABLE log_leaf DROP CONSTRAINT log_leaf_once"
    if statement.startswith("INSERT INTO approval"):
        statement = statement.replace("approval SELECT", f"approval ({_APPROVAL}) SELECT")
    findings = await record.forged(loose, statement)
    assert place.format(size=size, item=record.item) in _places(findings), findings.faults


_APPROVAL = "submission_id, review_round, stage, person_id, revision_sha256, manifest_sha256, item_seq, at"
_CUT = (
    "DELETE FROM log_leaf WHERE index >= :size",
    "DELETE FROM log_node WHERE ((index + 1) << level) > :size",
    "DELETE FROM checkpoint WHERE size > :size",
    "DELETE FROM checkpoint_copy WHERE size > :size",
)


async def test_cut_off_end_is_found_by_its_index(record: Record) -> None:
    size = await record.book.scalar("SELECT size FROM checkpoint ORDER BY size OFFSET 1 LIMIT 1")
    last = await record.book.scalar("SELECT max(size) FROM checkpoint")
    assert f"log {size}–{last - 1}" in _places(await record.forged(_CUT[0], size=size))
    # The log alone, with everything in it: the events are still there.
    assert f"{record.other}/1" in _places(await record.forged(*_CUT, size=size))
    # And the events with it, as if nothing had ever happened since: only what lies elsewhere knows.
    everything = (
        f"DELETE FROM {table} WHERE submission_id NOT IN (:item)"
        for table in ("event", "disclosure", "approval", "revision", "item_head")
    )
    gone = (*_CUT, *everything, "DELETE FROM submission WHERE id NOT IN (:item)")
    assert (await record.forged(*gone, size=size)).faults == []
    kept = sorted(record.copies.glob("*.note"))
    for against in (
        Against(record.keys.keys, copies=record.copies),
        Against(record.keys.keys, checkpoint=kept[-1].read_text()),
    ):
        assert f"log {size}–" in _places(await record.forged(*gone, size=size, against=against))


async def test_everything_rewritten_with_the_stolen_key_is_found_by_an_older_checkpoint(
    record: Record,
) -> None:
    index = await record.index(record.item, 5)
    old = sorted(record.copies.glob("*.note"))[1].read_text()
    for against, expected in (
        (record.keys, None),
        (Against(record.keys.keys, checkpoint=old), "log 0–"),
        (Against(record.keys.keys, copies=record.copies), f"log {index} · {record.item}/5"),
    ):
        async with record.book.forging() as session:
            await _rewrite(session, record.item, record.book.signer)
            findings = await replay(session, against)
        if expected is None:
            assert findings.faults == []
        else:
            assert expected in _places(findings), findings.faults


async def _rewrite(session: Any, item: UUID, stolen: Signer) -> None:
    """The reason for a return becomes another, and the whole log is made anew around it."""
    from sqlmodel import select

    from states.ledger import commitment
    from storage.record import ledger_event
    from storage.tables import EventRow

    connection = await session.connection()

    async def run(statement: str, **values: Any) -> None:
        await connection.execute(text(statement), values)

    previous = None
    order = list(await connection.execute(text("SELECT kind, row_id FROM log_leaf ORDER BY index")))
    salt = "0" * 32
    for stored in (
        await session.exec(select(EventRow).where(EventRow.submission_id == item).order_by(EventRow.item_seq))
    ).all():
        commitments = dict(stored.commitments)
        if stored.item_seq == 5:
            commitments["reason"] = commitment("reason", salt, "写得好")
            opened = json.dumps(["0" * 32, "写得好"])
            await run(
                "UPDATE disclosure SET opened = jsonb_set(opened, '{reason}', CAST(:o AS jsonb)) "
                "WHERE submission_id = :item AND item_seq = 5",
                o=opened,
                item=item,
            )
        changed = {"commitments": commitments, "prev_hash": previous or stored.prev_hash}
        row = EventRow(**stored.model_dump() | changed)
        previous = ledger_event(row).hash()
        await run(
            "UPDATE event SET commitments = CAST(:c AS jsonb), prev_hash = :p, hash = :h WHERE id = :id",
            c=json.dumps(commitments),
            p=row.prev_hash,
            h=previous,
            id=row.id,
        )
    await run("UPDATE submission SET last_event_hash = :h WHERE id = :item", h=previous, item=item)
    sizes = [size for (size,) in await connection.execute(text("SELECT size FROM checkpoint ORDER BY size"))]
    for table in ("log_leaf", "log_node", "checkpoint", "item_head"):
        await run(f"DELETE FROM {table}")
    for number, (kind, row_id) in enumerate(order, 1):
        await run("INSERT INTO log_pending (kind, row_id) VALUES (:kind, :row_id)", kind=kind, row_id=row_id)
        if number in sizes:
            assert await sequence(session, stolen) is not None


async def test_signature_of_another_key_is_found(record: Record) -> None:
    stranger = new_signer()
    findings = await record.forged(against=Against((stranger.verifier,)))
    assert "checkpoint 3" in _places(findings)
    assert f"item head {record.item}" in _places(findings)
    both = Against((stranger.verifier, record.book.signer.verifier))
    assert (await record.forged(against=both)).faults == []
    foreign = Against(record.keys.keys, checkpoint=stranger.sign("x\n1\ny\n"))
    assert "--checkpoint" in _places(await record.forged(against=foreign))


async def test_move_that_the_table_does_not_know_is_found_though_its_hash_fits(record: Record) -> None:
    """Whoever holds key and database can write what they like, but not make the newsroom's rules allow it."""
    findings = await record.forged(
        "UPDATE event SET event = 'retract' WHERE submission_id = :item AND item_seq = 4"
    )
    assert any("retract: received → first_review" in fault.text.en for fault in findings.faults)


async def test_content_that_is_not_what_was_hashed_is_found(record: Record) -> None:
    findings = await record.forged(
        "UPDATE revision SET content = content || CAST(:more AS jsonb) WHERE submission_id = :item AND number = 1",
        more=json.dumps({"body": "别的"}),
    )
    assert _places(findings) == f"{record.item} revision 1"
    assert canonical_sha256({}) != canonical_sha256({"body": "别的"})
