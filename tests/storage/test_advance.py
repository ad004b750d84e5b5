"""The one write path on a real PostgreSQL: who wins, what is refused by the database itself, what is written."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import select

from states.events import Event
from states.item import Request, State
from states.ledger import GENESIS
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import SYSTEM
from storage.advance import advance
from storage.board import approvals_of, history_of, revisions_of
from storage.database import Database
from storage.deliveries import deliveries_of
from storage.errors import Conflict, NotFound, StaleVersion
from storage.outbox import work_of
from storage.record import ledger_event
from storage.tables import Approval, Submission


async def _row(newsroom: Any, item: Any) -> Any:
    async with newsroom.db.transaction() as session:
        return (await session.exec(select(Submission).where(Submission.id == item))).one()


async def test_claim_by_many_at_once_has_one_winner(newsroom: Any) -> None:
    item = await newsroom.received()
    before = await _row(newsroom, item)
    claims = (newsroom.send(item, Event.CLAIM, who) for who in ["duty", "all_reviews"] * 4)
    results = await asyncio.gather(*claims, return_exceptions=True)
    losers = [each for each in results if isinstance(each, Exception)]
    assert all(isinstance(each, Conflict | GuardRefused) for each in losers), losers
    after = await _row(newsroom, item)
    # The same person may claim again once they hold it; nobody else can.
    won = len(results) - len(losers)
    assert (won >= 1, after.version) == (True, before.version + won)
    async with newsroom.db.transaction() as session:
        events = [row for row, _ in await history_of(session, item)]
    assert [each.item_seq for each in events] == list(range(1, after.version + 1))
    assert len({each.actor_id for each in events if each.event == "claim"}) == 1


async def test_two_decisions_on_one_read_version_have_one_winner(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    version = (await _row(newsroom, item)).version
    both = (
        newsroom.send(item, Event.APPROVE, "duty", seen_version=version),
        newsroom.send(item, Event.REJECT, "duty", "重复稿", seen_version=version),
    )
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in results) == 1
    assert (await _row(newsroom, item)).version == version + 1


async def test_event_with_a_stale_version_is_refused_and_writes_nothing(newsroom: Any) -> None:
    item = await newsroom.received()
    before = await _row(newsroom, item)
    with pytest.raises(StaleVersion) as refused:
        await newsroom.send(item, Event.CLAIM, "duty", seen_version=1)
    assert (refused.value.seen, refused.value.current) == (1, before.version)
    assert await _row(newsroom, item) == before


async def test_event_for_an_unknown_item_is_not_found(newsroom: Any) -> None:
    with pytest.raises(NotFound):
        await newsroom.send(uuid4(), Event.CLAIM, "duty")


@pytest.mark.parametrize(
    ("event", "who", "refusal"),
    [
        (Event.APPROVE, "duty", IllegalMove),
        (Event.CLAIM, "writer", RoleMissing),
        (Event.WITHDRAW, "other_writer", GuardRefused),
    ],
)
async def test_refused_event_leaves_no_trace(newsroom: Any, event: Event, who: str, refusal: Any) -> None:
    item = await newsroom.received()
    before = await _row(newsroom, item)
    with pytest.raises(refusal):
        await newsroom.send(item, event, who)
    async with newsroom.db.transaction() as session:
        assert len(await history_of(session, item)) == before.version
    assert await _row(newsroom, item) == before


async def test_second_approval_by_one_person_in_a_round_is_refused_by_the_database(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    duty = newsroom.people["duty"].id
    with pytest.raises(IntegrityError, match="a second stage or signature"):
        async with newsroom.db.transaction() as session:
            session.add(
                Approval(
                    submission_id=item,
                    review_round=1,
                    stage="second_review",
                    person_id=duty,
                    revision_sha256=await newsroom.revision(item),
                    item_seq=99,
                )
            )


@pytest.mark.parametrize("table", ["event", "revision", "approval"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {table} SET submission_id = submission_id", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"],
)
async def test_change_of_the_past_is_refused_even_to_the_owner_of_the_tables(
    newsroom: Any, owner_db: Database, table: str, statement: str
) -> None:
    await newsroom.in_state(State.SECOND_REVIEW)
    with pytest.raises(DBAPIError, match="append-only"):
        async with owner_db.transaction() as session:
            await (await session.connection()).execute(text(statement.format(table=table)))


async def test_hash_chain_of_a_signed_item_verifies_from_the_table(newsroom: Any) -> None:
    item = await newsroom.in_state(State.APPROVED, title="链 “引号” \u2028 𠮷")
    async with newsroom.db.transaction() as session:
        events = [row for row, _ in await history_of(session, item)]
    previous = GENESIS
    for number, row in enumerate(events, 1):
        assert (row.item_seq, row.prev_hash) == (number, previous)
        assert ledger_event(row).hash() == row.hash
        previous = row.hash
    assert (await _row(newsroom, item)).last_event_hash == previous


async def test_edit_that_changes_nothing_makes_no_revision(newsroom: Any) -> None:
    item = (await newsroom.draft()).id
    same = await newsroom.edit(item)
    changed = await newsroom.edit(item, title="另一个标题")
    again = await newsroom.edit(item, title="另一个标题")
    assert [each.revision_number for each in (same, changed, again)] == [1, 2, 2]
    assert again.revision_sha256 == changed.revision_sha256
    async with newsroom.db.transaction() as session:
        assert [each.number for each in await revisions_of(session, item)] == [1, 2]


async def test_sign_off_writes_approvals_deliveries_and_work_together(newsroom: Any) -> None:
    item = await newsroom.in_state(State.APPROVED, destinations=("app", "short"))
    async with newsroom.db.transaction() as session:
        approvals = await approvals_of(session, item)
        deliveries = await deliveries_of(session, item)
        work = await work_of(session, item)
    assert [each.stage for each in approvals] == ["first_review", "second_review", "final_review"]
    assert len({each.person_id for each in approvals}) == 3
    assert [each.manifest_sha256 for each in approvals] == [None, None, "0" * 64]
    assert {(each.destination_id, each.state) for each, _ in deliveries} == {
        ("app", "pending"),
        ("short", "pending"),
    }
    assert [each.effect for each in sorted(work, key=lambda row: row.id or 0)] == [
        "intake",
        "render",
        "distribute",
    ]


async def test_resubmission_is_a_new_round_that_needs_three_approvals_again(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    await newsroom.send(item, Event.RETURN_FOR_REVISION, "head", "请补充")
    await newsroom.edit(item, body="补充后的正文。")
    await newsroom.send(item, Event.SUBMIT, "writer")
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(item, Event.CLAIM, "duty")
    moved = await newsroom.send(item, Event.APPROVE, "duty")
    assert moved.state is State.SECOND_REVIEW
    async with newsroom.db.transaction() as session:
        rounds = [each.review_round for each in await approvals_of(session, item)]
    assert rounds == [1, 2]


async def test_second_stage_is_refused_to_who_did_the_first_in_an_earlier_round(newsroom: Any) -> None:
    item = await newsroom.received()
    await newsroom.send(item, Event.CLAIM, "all_reviews")
    await newsroom.send(item, Event.APPROVE, "all_reviews")
    await newsroom.send(item, Event.RETURN_FOR_REVISION, "head", "请补充")
    await newsroom.edit(item, body="补充后的正文。")
    await newsroom.send(item, Event.SUBMIT, "writer")
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.APPROVE, "duty")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.APPROVE, "all_reviews")
    assert refused.value.guard == "not_earlier_reviewer"


async def test_correction_that_changes_nothing_is_not_sent_in(newsroom: Any) -> None:
    item = await newsroom.in_state(State.PUBLISHED)
    await newsroom.send(item, Event.CORRECT, "duty", "更正地名")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.SUBMIT, "duty")
    assert refused.value.guard == "has_changes"
    await newsroom.edit(item, who="duty", body="更正后的正文。")
    assert (await newsroom.send(item, Event.SUBMIT, "duty")).state is State.RECEIVED


async def test_transaction_that_fails_after_the_move_leaves_nothing(newsroom: Any) -> None:
    item = await newsroom.received()
    before = await _row(newsroom, item)

    class Stop(Exception):
        """The edge fails before it commits."""

    async def claim_and_fail() -> None:
        async with newsroom.db.transaction() as session:
            await advance(session, item, Event.CLAIM, Request(newsroom.actor("duty")))
            raise Stop

    with pytest.raises(Stop):
        await claim_and_fail()
    assert await _row(newsroom, item) == before
    async with newsroom.db.transaction() as session:
        assert (await session.exec(select(Approval).where(Approval.submission_id == item))).all() == []
