"""The log in the database: contiguous, once each, never in anybody's way, never against what was signed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from states.events import Event
from states.item import State
from states.merkle import inclusion_path, is_included, join, leaf_hash, perfect_subtrees, root_of
from storage import log
from storage.journal import write_journal
from storage.log import LedgerKeyChanged, LogDamaged, is_in_log, newest_checkpoint, node_hashes, sequence
from storage.log_copies import (
    CheckpointCopied,
    CopyUnreadable,
    mark_copied,
    read_copies,
    to_be_copied,
    write_copy,
)
from storage.notes import ItemHead, NoteInvalid, TreeHead, new_signer

pytestmark = pytest.mark.slow


async def _rows(book: Any, statement: str, **values: Any) -> list[Any]:
    async with book.newsroom.db.transaction() as session:
        return list((await (await session.connection()).execute(text(statement), values)).all())


async def _once(book: Any) -> Any:
    async with book.newsroom.db.transaction() as session:
        return await sequence(session, book.signer)


async def _leaves(book: Any) -> list[bytes]:
    rows = await _rows(book, "SELECT index, hash FROM log_leaf ORDER BY index")
    assert [row[0] for row in rows] == list(range(len(rows)))
    return [leaf_hash(row[1]) for row in rows]


async def test_event_and_journal_entry_come_into_the_log_once_and_in_order(book: Any) -> None:
    item = await book.newsroom.in_state(State.FIRST_REVIEW)
    async with book.newsroom.db.transaction() as session:
        await write_journal(session, "exported", None, "audit", {"rows": 3})
    await book.newsroom.send(item, Event.APPROVE, "duty")
    await book.sequence()
    assert await _once(book) is None
    rows = await _rows(
        book,
        "SELECT kind, item_seq FROM log_leaf LEFT JOIN event ON kind = 'event' AND event.id = row_id "
        "WHERE kind = 'journal' OR submission_id = :item ORDER BY index",
        item=item,
    )
    assert rows == [("event", 1), ("event", 2), ("event", 3), ("event", 4), ("journal", None), ("event", 5)]
    assert await book.scalar("SELECT count(*) FROM log_pending") == 0
    assert await book.scalar("SELECT count(*) FROM event") + 1 == len(await _leaves(book))


async def test_checkpoint_has_the_root_of_all_entries_and_every_subtree_is_kept(book: Any) -> None:
    for _ in range(3):
        await book.newsroom.draft()
        await book.sequence()
    leaves = await _leaves(book)
    async with book.newsroom.db.transaction() as session:
        head = TreeHead.open(str(await newest_checkpoint(session)), book.signer.verifier)
        places = {
            node
            for n in range(len(leaves))
            for r in inclusion_path(n, len(leaves))
            for node in perfect_subtrees(*r)
        }
        hashes = await node_hashes(await session.connection(), places)
    assert (head.size, head.root) == (len(leaves), root_of(leaves))
    for index, leaf in enumerate(leaves):
        path = [
            join([hashes[node] for node in perfect_subtrees(*each)])
            for each in inclusion_path(index, len(leaves))
        ]
        assert is_included(leaf, index, len(leaves), path, head.root)


async def test_item_head_says_how_many_events_the_item_has(book: Any) -> None:
    item = await book.newsroom.received()
    await book.sequence()
    first = await book.scalar("SELECT note FROM item_head WHERE submission_id = :item", item=item)
    await book.newsroom.send(item, Event.CLAIM, "duty")
    await book.sequence()
    note = await book.scalar("SELECT note FROM item_head WHERE submission_id = :item", item=item)
    heads = [ItemHead.open(each, book.signer.verifier) for each in (first, note)]
    assert [head.item_seq for head in heads] == [3, 4]
    assert heads[1].log_size == len(await _leaves(book))
    assert heads[1].hash.hex() == await book.scalar(
        "SELECT last_event_hash FROM submission WHERE id = :i", i=item
    )


async def test_event_is_known_to_be_in_the_log_only_when_it_is(book: Any) -> None:
    item = (await book.newsroom.draft()).id
    async with book.newsroom.db.transaction() as session:
        assert not await is_in_log(session, item, 1)
    await book.sequence()
    async with book.newsroom.db.transaction() as session:
        assert await is_in_log(session, item, 1)
        assert not await is_in_log(session, item, 2)


async def test_many_sequencers_at_once_make_one_log(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_BATCH", 3)
    for _ in range(4):
        await book.newsroom.received()
    writing = [asyncio.create_task(book.newsroom.received()) for _ in range(4)]
    for _ in range(12):
        await asyncio.gather(*(_once(book) for _ in range(5)))
    await asyncio.gather(*writing)
    await book.sequence()
    leaves = await _leaves(book)
    assert len(leaves) == await book.scalar(
        "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM journal)"
    )
    for size, root in await _rows(book, "SELECT size, root FROM checkpoint"):
        assert root == root_of(leaves[:size])


async def test_sequencer_neither_waits_for_an_open_transaction_nor_keeps_one_waiting(book: Any) -> None:
    await book.newsroom.draft()
    async with book.newsroom.db.transaction() as session:
        entry = await write_journal(session, "exported", None, "open", {})
        async with asyncio.timeout(5), book.newsroom.db.transaction() as other:
            assert await sequence(other, book.signer) is not None
            await book.newsroom.draft()  # written, committed, while the sequencer is at work
    assert (
        await book.scalar("SELECT count(*) FROM log_leaf WHERE kind='journal' AND row_id=:id", id=entry.id)
        == 0
    )
    await book.sequence()
    assert (
        await book.scalar("SELECT count(*) FROM log_leaf WHERE kind='journal' AND row_id=:id", id=entry.id)
        == 1
    )


async def test_sequencer_that_fails_leaves_everything_waiting(book: Any) -> None:
    item = (await book.newsroom.draft()).id

    async def fail() -> None:
        async with book.newsroom.db.transaction() as session:
            assert await sequence(session, book.signer) is not None
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await book.sequence()
    async with book.newsroom.db.transaction() as session:
        assert await is_in_log(session, item, 1)


async def test_row_that_waits_twice_is_in_the_log_once(book: Any) -> None:
    await book.newsroom.draft()
    await book.sequence()
    before = len(await _leaves(book))
    async with book.newsroom.db.transaction() as session:
        await (await session.connection()).execute(
            text(
                "INSERT INTO log_pending (kind, row_id) "
                "SELECT kind, row_id FROM log_leaf UNION SELECT 'event', 987654"
            )
        )
    await book.sequence()
    assert len(await _leaves(book)) == before
    assert await book.scalar("SELECT count(*) FROM log_pending") == 0


@pytest.mark.parametrize("table", ["log_leaf", "log_node", "checkpoint", "checkpoint_copy", "journal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
async def test_change_of_the_log_is_refused_by_the_database(
    book: Any, owner_db: Any, table: str, statement: str
) -> None:
    await book.newsroom.draft()
    async with book.newsroom.db.transaction() as session:
        await write_journal(session, "exported", None, "audit", {})
    await book.sequence()
    async with book.newsroom.db.transaction() as session:
        await mark_copied(session, "here", 1)
    column = {"journal": "action", "log_leaf": "hash", "log_node": "hash"}.get(table, "size")
    for db, why in ((owner_db, "append-only"), (book.newsroom.db, "append-only|permission denied")):
        with pytest.raises(DBAPIError, match=why):
            async with db.transaction() as session:
                await (await session.connection()).execute(text(statement.format(table, column, column)))


@pytest.mark.parametrize(
    "forgery",
    [
        "DELETE FROM log_leaf WHERE index = (SELECT max(index) FROM log_leaf)",
        "DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)",
        "UPDATE log_node SET hash = decode(repeat('00', 32), 'hex')",
        "UPDATE log_leaf SET hash = decode(repeat('00', 32), 'hex') WHERE index = (SELECT max(index) FROM log_leaf)",
        "DELETE FROM log_node",
        "UPDATE checkpoint SET note = replace(note, 'sanshen/test', 'sanshen/tess')",
        "UPDATE checkpoint SET note = (SELECT note FROM checkpoint ORDER BY size LIMIT 1)",
    ],
)
async def test_log_that_is_not_the_signed_one_is_not_signed_again(book: Any, forgery: str) -> None:
    for _ in range(2):
        await book.newsroom.draft()
        await book.sequence()
    if await book.scalar("SELECT count(*) FROM log_leaf") % 2 == 0:
        await book.newsroom.draft()  # an odd number: the last entry is a subtree of its own
        await book.sequence()
    await book.newsroom.draft()
    async with book.forging(forgery) as session:
        with pytest.raises((LogDamaged, NoteInvalid)):
            await sequence(session, book.signer)


async def test_other_key_is_refused_until_it_is_said_to_be_new(book: Any) -> None:
    await book.newsroom.draft()
    await book.sequence()
    await book.newsroom.draft()
    other = new_signer()
    with pytest.raises(LedgerKeyChanged):
        await book.sequence(other)
    async with book.forging() as session:
        made = await sequence(session, other, is_new_key=True)
        assert made is not None
        assert TreeHead.open(made.note, other.verifier).size == made.size


async def test_copies_are_made_in_order_and_each_once(book: Any, tmp_path: Path) -> None:
    for _ in range(3):
        await book.newsroom.draft()
        await book.sequence()
    copied = []
    while True:
        async with book.newsroom.db.transaction() as session:
            waiting = await to_be_copied(session, "there")
            for each in waiting:
                write_copy(tmp_path / "copies", each)
                write_copy(tmp_path / "copies", each)
                await mark_copied(session, "there", each.size)
                await mark_copied(session, "there", each.size)
        if not waiting:
            break
        copied += waiting
    leaves = await _leaves(book)
    assert [each.first for each in copied] == [0, *(each.size for each in copied[:-1])]
    assert [leaf_hash(entry) for each in copied for entry in each.entries] == leaves
    assert list(read_copies(tmp_path / "copies")) == copied
    for each in copied:
        head = TreeHead.open(each.note, book.signer.verifier)
        assert (head.size, head.root) == (each.size, root_of(leaves[: each.size]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("000000000002.leaves", "xx\n"),
        ("000000000002.leaves", "é"),
        ("000000000002.leaves", ("0" * 64 + "\n") * 3),
    ],
)
def test_damaged_copy_is_named(tmp_path: Path, name: str, content: str) -> None:
    write_copy(tmp_path, CheckpointCopied(2, 0, "note\n", (bytes(32), bytes(32))))
    (tmp_path / name).unlink()
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(CopyUnreadable, match="000000000002"):
        list(read_copies(tmp_path))
