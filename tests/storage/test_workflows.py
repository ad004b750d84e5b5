"""Workflows on a real PostgreSQL: versions, what binds a piece, extra stages and countersigning through `advance`."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from states.events import Event
from states.item import State
from states.ledger import canonical_sha256
from states.refusals import GuardRefused, RoleMissing
from states.roles import SYSTEM, Role
from states.text import Text
from states.workflow import STANDARD, Stage, Workflow
from storage.board import approvals_of, history_of
from storage.errors import NotFound, WorkflowInvalid
from storage.items import load_item
from storage.tables import JournalRow, Submission
from storage.tables import Workflow as WorkflowRow
from storage.workflows import current_rows, publish_workflow, workflow_by_id, workflow_for

pytestmark = pytest.mark.slow

FIRST, SECOND, FINAL = STANDARD.stages
LEGAL = Stage("legal", State.EXTRA_REVIEW, Text("法务审读", "legal reading"), Role.DESK_HEAD, "final_review")
WITH_LEGAL = Workflow((FIRST, replace(SECOND, next="legal"), LEGAL, FINAL), "first_review")
SIGNED_TWICE = Workflow((replace(FIRST, signatures=2), SECOND, FINAL), "first_review")


async def _publish(newsroom: Any, column: str | None, workflow: Workflow) -> int:
    async with newsroom.db.transaction() as session:
        row = await publish_workflow(session, column, workflow, newsroom.actor("admin"))
    return int(row.id)


async def _row(newsroom: Any, item: UUID) -> Submission:
    async with newsroom.db.transaction() as session:
        return (await session.exec(select(Submission).where(col(Submission.id) == item))).one()  # type: ignore[no-any-return]


async def _sign(newsroom: Any, item: UUID, who: str) -> None:
    await newsroom.send(item, Event.CLAIM, who)
    await newsroom.send(item, Event.APPROVE, who)


async def _sign_off(newsroom: Any, item: UUID) -> None:
    await newsroom.send(item, Event.CLAIM, "chief")
    await newsroom.media_ready(item)
    await newsroom.send(item, Event.APPROVE, "chief")
    assert (await _row(newsroom, item)).state == State.APPROVED


async def test_column_without_its_own_gets_the_default_and_one_with_its_own_the_newest(newsroom: Any) -> None:
    own = [await _publish(newsroom, "栏目甲", each) for each in (WITH_LEGAL, STANDARD)]
    async with newsroom.db.transaction() as session:
        assert await workflow_for(session, "栏目甲") == (own[1], STANDARD)
        assert await workflow_for(session, "别的栏目") == await workflow_for(session, None) == (1, STANDARD)
        assert await workflow_by_id(session, own[0]) == WITH_LEGAL
        assert await workflow_by_id(session, own[0]) is await workflow_by_id(session, own[0])
        rows = await current_rows(session)
        assert rows[0].column_name is None
        assert [row.id for row in rows if row.column_name == "栏目甲"] == [own[1]]
        with pytest.raises(NotFound):
            await workflow_by_id(session, 10**6)


async def test_publishing_is_recorded_with_the_hash_of_the_definition(newsroom: Any) -> None:
    workflow_id = await _publish(newsroom, "栏目乙", WITH_LEGAL)
    async with newsroom.db.transaction() as session:
        subject = f"workflow/{workflow_id}"
        entry = (await session.exec(select(JournalRow).where(col(JournalRow.subject) == subject))).one()
        row = (await session.exec(select(WorkflowRow).where(col(WorkflowRow.id) == workflow_id))).one()
    assert (entry.action, entry.actor_id) == ("workflow_published", newsroom.people["admin"].id)
    assert entry.facts["definition_sha256"] == canonical_sha256(row.definition)
    assert (entry.facts["column"], entry.facts["number"]) == ("栏目乙", 1)
    assert row.created_by == newsroom.people["admin"].id


async def test_workflow_with_faults_is_not_stored_and_names_them_all(newsroom: Any) -> None:
    broken = Workflow((replace(FIRST, signatures=0, next="nowhere"), FINAL), "first_review")
    with pytest.raises(WorkflowInvalid) as refused:
        await _publish(newsroom, "栏目丙", broken)
    assert {fault.code for fault in refused.value.faults} == {
        "next-unknown",
        "review-missing",
        "review-skipped",
        "signatures-out-of-range",
    }
    async with newsroom.db.transaction() as session:
        assert (await workflow_for(session, "栏目丙"))[0] == 1


async def test_workflow_for_more_people_than_there_are_is_refused(newsroom: Any) -> None:
    crowd = Workflow((FIRST, SECOND, replace(FINAL, signatures=3)), "first_review")
    with pytest.raises(WorkflowInvalid) as refused:
        await _publish(newsroom, "栏目丁", crowd)
    assert [(fault.code, fault.stage) for fault in refused.value.faults] == [
        ("too-few-people", "final_review")
    ]


async def test_versions_published_at_the_same_time_get_numbers_without_a_gap(newsroom: Any) -> None:
    ids = await asyncio.gather(*(_publish(newsroom, "同时", STANDARD) for _ in range(6)))
    async with newsroom.db.transaction() as session:
        statement = select(WorkflowRow).where(col(WorkflowRow.id).in_(ids)).order_by(col(WorkflowRow.id))
        rows = list(await session.exec(statement))
        newest, _ = await workflow_for(session, "同时")
    assert sorted(row.number for row in rows) == [1, 2, 3, 4, 5, 6]
    assert newest == next(row.id for row in rows if row.number == 6)


async def test_extra_stage_is_passed_by_a_further_person_before_the_final_review(newsroom: Any) -> None:
    workflow_id = await _publish(newsroom, "法制", WITH_LEGAL)
    item = await newsroom.received(column="法制")
    assert (await _row(newsroom, item)).workflow_id == workflow_id
    await _sign(newsroom, item, "duty")
    await _sign(newsroom, item, "head")
    row = await _row(newsroom, item)
    assert (row.state, row.stage) == (State.EXTRA_REVIEW, "legal")
    with pytest.raises(RoleMissing):
        await newsroom.send(item, Event.CLAIM, "chief")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.CLAIM, "head")
    assert refused.value.guard == "not_earlier_reviewer"
    await _sign(newsroom, item, "all_reviews")
    await _sign_off(newsroom, item)
    async with newsroom.db.transaction() as session:
        stages = [each.stage for each in await approvals_of(session, item)]
        facts = [
            row.facts.get("stage") for row, _ in await history_of(session, item) if row.event == "approve"
        ]
    assert stages == facts == ["first_review", "second_review", "legal", "final_review"]


async def test_countersigned_stage_waits_for_the_second_person_and_not_the_same_one(newsroom: Any) -> None:
    await _publish(newsroom, "要闻双签", SIGNED_TWICE)
    item = await newsroom.received(column="要闻双签")
    await _sign(newsroom, item, "duty")
    row = await _row(newsroom, item)
    assert (row.state, row.stage, row.claimed_by) == (State.FIRST_REVIEW, "first_review", None)
    for event in (Event.CLAIM, Event.APPROVE):
        with pytest.raises(GuardRefused):
            await newsroom.send(item, event, "duty")
    await _sign(newsroom, item, "all_reviews")
    assert (await _row(newsroom, item)).state == State.SECOND_REVIEW
    await _sign(newsroom, item, "head")
    await _sign_off(newsroom, item)
    async with newsroom.db.transaction() as session:
        signed = [(each.stage, each.person_id) for each in await approvals_of(session, item)]
    assert signed[:2] == [
        ("first_review", newsroom.people["duty"].id),
        ("first_review", newsroom.people["all_reviews"].id),
    ]


async def test_piece_keeps_the_version_it_began_with(newsroom: Any) -> None:
    before = await newsroom.received(column="经济")
    await _publish(newsroom, "经济", WITH_LEGAL)
    after = await newsroom.received(column="经济")
    for item in (before, after):
        await _sign(newsroom, item, "duty")
        await _sign(newsroom, item, "head")
    assert (await _row(newsroom, before)).state == State.FINAL_REVIEW
    assert (await _row(newsroom, after)).state == State.EXTRA_REVIEW
    await _sign_off(newsroom, before)


@pytest.mark.parametrize("is_held", [False, True])
async def test_piece_in_a_stage_that_is_taken_away_finishes_under_its_version(
    newsroom: Any, is_held: bool
) -> None:
    column = f"文化{is_held}"
    await _publish(newsroom, column, WITH_LEGAL)
    item = await newsroom.received(column=column)
    await _sign(newsroom, item, "duty")
    await _sign(newsroom, item, "head")
    await newsroom.send(item, Event.CLAIM, "all_reviews")
    if is_held:
        await newsroom.send(item, Event.HOLD, "all_reviews", reason="等法务意见")
    await _publish(newsroom, column, STANDARD)
    if is_held:
        await newsroom.send(item, Event.RESUME, "head")
        await newsroom.send(item, Event.CLAIM, "all_reviews")
    assert (await _row(newsroom, item)).stage == "legal"
    await newsroom.send(item, Event.APPROVE, "all_reviews")
    await _sign_off(newsroom, item)


async def test_returned_piece_keeps_its_version_though_a_newer_one_is_there(newsroom: Any) -> None:
    began_with = await _publish(newsroom, "科技", STANDARD)
    item = await newsroom.received(column="科技")
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", reason="请补充")
    await _publish(newsroom, "科技", WITH_LEGAL)
    await newsroom.edit(item, body="补充了。")
    await newsroom.send(item, Event.SUBMIT, "writer")
    assert (await _row(newsroom, item)).workflow_id == began_with


async def test_returned_piece_moved_to_a_stricter_column_is_bound_to_its_workflow(newsroom: Any) -> None:
    stricter = await _publish(newsroom, "时政", WITH_LEGAL)
    item = await newsroom.received(column="生活")
    assert (await _row(newsroom, item)).workflow_id == 1
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", reason="这是时政稿")
    await newsroom.edit(item, column="时政")
    await newsroom.send(item, Event.SUBMIT, "writer")
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    row = await _row(newsroom, item)
    assert (row.workflow_id, row.workflow_column) == (stricter, "时政")
    await _sign(newsroom, item, "duty")
    await _sign(newsroom, item, "head")
    assert (await _row(newsroom, item)).stage == "legal"
    async with newsroom.db.transaction() as session:
        bound = [row.facts["workflow"] for row, _ in await history_of(session, item) if row.event == "submit"]
        assert (await load_item(session, item)).item.state is State.EXTRA_REVIEW
    assert bound == [1, stricter]
