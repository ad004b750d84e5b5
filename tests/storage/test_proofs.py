"""Proof files and erasure: what is in them, for whom, and what an erasure leaves."""

from typing import Any
from uuid import uuid4

import pytest

from states.events import Event
from states.ledger import canonical_sha256
from states.merkle import is_consistent, is_included, leaf_hash
from storage.erasure import NothingToErase, erase_person, erase_value
from storage.errors import NotFound
from storage.findings import Against
from storage.journal import write_journal
from storage.notes import TreeHead
from storage.people import person_by_token
from storage.proofs import NoSuchCheckpoint, NotInLogYet, proof_of
from storage.verify import replay, verify_ledger

pytestmark = pytest.mark.slow


async def _proof(book: Any, item: Any, *more: Any) -> dict[str, Any]:
    async with book.newsroom.db.transaction() as session:
        return await proof_of(session, item, *more)


async def _findings(book: Any) -> Any:
    return await verify_ledger(book.newsroom.db, Against((book.signer.verifier,)))


async def test_proof_of_a_new_piece_waits_for_the_log(book: Any) -> None:
    item = (await book.newsroom.draft()).id
    with pytest.raises(NotInLogYet):
        await _proof(book, item)
    await book.sequence()
    assert len((await _proof(book, item))["events"]) == 1
    with pytest.raises(NotInLogYet):
        await _proof(book, uuid4())


async def test_proof_has_every_event_with_a_path_that_leads_to_the_root(book: Any) -> None:
    item = await book.published()
    await book.newsroom.draft()
    await book.sequence()
    proof = await _proof(book, item)
    head = TreeHead.open(proof["checkpoint"], book.signer.verifier)
    assert proof["verifier_key"] == str(book.signer.verifier)
    assert [event["body"]["item_seq"] for event in proof["events"]] == list(
        range(1, len(proof["events"]) + 1)
    )
    for event in proof["events"]:
        leaf = leaf_hash(bytes.fromhex(canonical_sha256(event["body"])))
        path = [bytes.fromhex(each) for each in event["path"]]
        assert is_included(leaf, event["index"], head.size, path, head.root)
    assert [each[2] for each in proof["approvals"]] == ["first_review", "second_review", "final_review"]
    assert [canonical_sha256(each) for each in proof["revisions"]] == [await book.newsroom.revision(item)]
    assert (proof["manifests"], [each["number"] for each in proof["workflows"]]) == ([[]], [1])


async def test_proof_leaves_out_what_is_newer_than_the_log(book: Any) -> None:
    item = await book.published()
    await book.sequence()
    before = await _proof(book, item)
    await book.newsroom.send(item, Event.CORRECT, "duty", "更正")
    await book.newsroom.edit(item, "duty", body="更正后的正文。")
    assert await _proof(book, item) == before


async def test_proof_is_compared_with_an_older_checkpoint(book: Any) -> None:
    item = (await book.newsroom.draft()).id
    await book.sequence()
    old = TreeHead.open((await _proof(book, item))["checkpoint"], book.signer.verifier)
    await book.newsroom.draft()
    await book.sequence()
    proof = await _proof(book, item, old.size)
    new = TreeHead.open(proof["checkpoint"], book.signer.verifier)
    path = [bytes.fromhex(each) for each in proof["consistency"]["path"]]
    assert is_consistent(old.size, new.size, old.root, new.root, path)
    for size in (0, -1, new.size + 1):
        with pytest.raises(NoSuchCheckpoint):
            await _proof(book, item, size)


async def test_erased_person_is_gone_and_the_record_holds(book: Any) -> None:
    item = await book.newsroom.received()
    await book.newsroom.send(item, Event.CLAIM, "all_reviews")
    await book.newsroom.send(item, Event.RETURN_FOR_REVISION, "all_reviews", "请补充")
    await book.sequence()
    async with book.owner.transaction() as session:
        assert await erase_person(session, "all_reviews") == 2
    assert (await _findings(book)).faults == []  # the journal entry waits for the log
    await book.sequence()
    findings = await _findings(book)
    assert (findings.faults, findings.erased) == ([], 2)
    told = [event["opened"] for event in (await _proof(book, item))["events"]]
    assert [sorted(each) for each in told] == [["actor_name"], ["actor_name"], [], [], ["reason"]]
    person = await book.scalar("SELECT row_to_json(person) FROM person WHERE username LIKE 'erased-%'")
    assert (person["is_active"], "all_reviews" in str(person)) == (False, False)
    async with book.newsroom.db.transaction() as session:
        assert await person_by_token(session, book.newsroom.tokens["all_reviews"]) is None
    entry = await book.scalar("SELECT row_to_json(journal) FROM journal WHERE action = 'erased'")
    assert (entry["subject"], entry["facts"]["events"]) == (f"person:{person['id']}", 2)
    async with book.owner.transaction() as session:
        with pytest.raises(NotFound):
            await erase_person(session, "all_reviews")


async def test_erased_reason_is_gone_and_anything_else_that_is_missing_is_found(book: Any) -> None:
    item = await book.newsroom.received()
    await book.newsroom.send(item, Event.CLAIM, "duty")
    await book.newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", "请补充某某的电话", comment="见附注")
    await book.sequence()
    async with book.owner.transaction() as session:
        await erase_value(session, item, 5, "reason")
        for seq, name in ((5, "reason"), (4, "reason"), (99, "comment"), (5, "actor_name"), (5, "event")):
            with pytest.raises(NothingToErase):
                await erase_value(session, item, seq, name)
    await book.sequence()
    assert (await _findings(book)).faults == []
    assert set((await _proof(book, item))["events"][4]["opened"]) == {"actor_name", "comment"}
    for seq, name in ((5, "comment"), (5, "actor_name"), (4, "actor_name")):
        async with book.forging(
            "UPDATE disclosure SET opened = opened - :name WHERE submission_id = :item AND item_seq = :seq",
            item=item,
            seq=seq,
            name=name,
        ) as session:
            found = (await replay(session, Against((book.signer.verifier,)))).faults
        assert [f"{item}/{seq}" in fault.where for fault in found] == [True]


async def test_erasure_explains_nothing_that_came_after_it(book: Any) -> None:
    """A journal entry is no licence: it covers what was there when it was written."""
    item = await book.newsroom.received()
    async with book.newsroom.db.transaction() as session:
        await write_journal(session, "erased", None, f"person:{book.newsroom.people['duty'].id}", {})
    await book.newsroom.send(item, Event.CLAIM, "duty")
    await book.sequence()
    async with book.forging(
        "UPDATE disclosure SET opened = '{}' WHERE submission_id = :item AND item_seq = 4", item=item
    ) as session:
        found = (await replay(session, Against((book.signer.verifier,)))).faults
    assert [f"{item}/4" in fault.where for fault in found] == [True]
