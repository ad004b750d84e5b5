"""Claims as leases, edits under review, overrides by two people, and the newsroom's rules in the database itself."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import select

from states.events import Event
from states.item import Request, State
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import SYSTEM, Role
from storage.advance import advance
from storage.board import approvals_of, history_of
from storage.claims import renew_claim
from storage.deliveries import deliveries_of
from storage.items import load_item
from storage.people import actor_of, add_person
from storage.tables import Approval, Person, Submission


@pytest.fixture
async def second_duty(newsroom: Any) -> Person:
    """Another duty editor."""
    if "second_duty" not in newsroom.people:
        async with newsroom.db.transaction() as session:
            person = Person(
                username="second_duty",
                display_name="次",
                password_hash="-",
                roles=[Role.DUTY_EDITOR.value, Role.DESK_HEAD.value],
            )
            newsroom.people["second_duty"] = await add_person(session, person)
    return newsroom.people["second_duty"]  # type: ignore[no-any-return]


async def _row(newsroom: Any, item: UUID) -> Submission:
    async with newsroom.db.transaction() as session:
        return (await session.exec(select(Submission).where(Submission.id == item))).one()  # type: ignore[no-any-return]


async def _sql(newsroom: Any, statement: str, **values: Any) -> None:
    async with newsroom.db.transaction() as session:
        await (await session.connection()).execute(text(statement), values)


async def _events(newsroom: Any, item: UUID) -> list[Any]:
    async with newsroom.db.transaction() as session:
        return await history_of(session, item)


# Claims.


async def test_claim_is_a_lease_that_others_see_and_may_take_over_when_it_lapsed(
    newsroom: Any, second_duty: Person
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    row = await _row(newsroom, item)
    assert row.claimed_by == newsroom.people["duty"].id
    assert row.claimed_at is not None
    assert row.claimed_until is not None
    with pytest.raises(GuardRefused, match="holds this piece"):
        await newsroom.send(item, Event.CLAIM, "second_duty")
    await _sql(newsroom, "UPDATE submission SET claimed_until = now() WHERE id = :id", id=item)
    await newsroom.send(item, Event.CLAIM, "second_duty")
    assert (await _row(newsroom, item)).claimed_by == second_duty.id


async def test_claim_that_is_renewed_lasts_and_makes_no_event(newsroom: Any, second_duty: Person) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await _sql(newsroom, "UPDATE submission SET claimed_until = now() WHERE id = :id", id=item)
    before = await _row(newsroom, item)
    async with newsroom.db.transaction() as session:
        await renew_claim(session, item, newsroom.people["duty"].id)
    after = await _row(newsroom, item)
    assert after.version == before.version
    assert after.claimed_until > before.claimed_until  # type: ignore[operator]
    with pytest.raises(GuardRefused):
        await newsroom.send(item, Event.CLAIM, "second_duty")
    with pytest.raises(GuardRefused):
        async with newsroom.db.transaction() as session:
            await renew_claim(session, item, second_duty.id)


async def test_hand_over_gives_the_piece_to_somebody_who_may_review_it(
    newsroom: Any, second_duty: Person
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    for unfit in ("chief", "writer"):
        with pytest.raises(GuardRefused) as refused:
            await _hand_over(newsroom, item, "duty", unfit)
        assert refused.value.guard == "successor_fits"
    with pytest.raises(GuardRefused) as refused:
        await _hand_over(newsroom, item, "second_duty", "second_duty")
    assert refused.value.guard == "holds_claim"
    await _hand_over(newsroom, item, "duty", "second_duty")
    assert (await _row(newsroom, item)).claimed_by == second_duty.id
    event, _ = (await _events(newsroom, item))[-1]
    assert event.facts["to"] == str(second_duty.id)


async def _hand_over(newsroom: Any, item: UUID, who: str, to: str) -> None:
    async with newsroom.db.transaction() as session:
        loaded = await load_item(session, item)
        successor = newsroom.actor(to)
        request = Request(newsroom.actor(who), loaded.row.revision_sha256, successor=successor)
        await advance(session, item, Event.HAND_OVER, request)


async def test_head_takes_a_piece_back_with_a_reason_that_names_who_held_it(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    with pytest.raises(RoleMissing):
        await newsroom.send(item, Event.FORCE_RELEASE, "duty", "离岗")
    with pytest.raises(GuardRefused):
        await newsroom.send(item, Event.FORCE_RELEASE, "head")
    await newsroom.send(item, Event.FORCE_RELEASE, "head", "编辑离岗")
    assert (await _row(newsroom, item)).claimed_by is None
    event, opened = (await _events(newsroom, item))[-1]
    assert event.facts["held_by"] == str(newsroom.people["duty"].id)
    assert opened["reason"] == "编辑离岗"


# Content under review.


async def test_edit_under_review_begins_the_reviews_anew_and_voids_what_was_approved(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    before = await _row(newsroom, item)
    await newsroom.edit(item, "head", body="改过的正文。")
    after = await _row(newsroom, item)
    assert (after.state, after.stage, after.claimed_by) == ("received", "first_review", None)
    assert after.review_round == before.review_round + 1
    assert after.revision_number == before.revision_number + 1
    assert not after.is_intake_done
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.APPROVE, "duty")
    with pytest.raises(GuardRefused) as refused:  # who changed it last does not review it
        await newsroom.send(item, Event.CLAIM, "head")
    assert refused.value.guard == "not_last_editor"


async def test_edit_under_review_that_changes_nothing_voids_nothing(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    before = await _row(newsroom, item)
    await newsroom.edit(item, "head")
    after = await _row(newsroom, item)
    assert (after.state, after.review_round, after.revision_number) == (
        "second_review",
        before.review_round,
        before.revision_number,
    )
    assert after.claimed_by == newsroom.people["head"].id


async def test_edit_under_review_takes_the_claim(newsroom: Any, second_duty: Person) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    with pytest.raises(GuardRefused) as refused:
        await newsroom.edit(item, "second_duty", body="改。")
    assert refused.value.guard == "holds_claim"


async def test_approval_of_other_content_is_refused(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    async with newsroom.db.transaction() as session:
        request = Request(newsroom.actor("duty"), "0" * 64)
        with pytest.raises(GuardRefused) as refused:
            await advance(session, item, Event.APPROVE, request)
    assert refused.value.guard == "sees_current_revision"


async def test_what_goes_out_is_what_was_signed_though_a_newer_revision_exists(newsroom: Any) -> None:
    item = await newsroom.in_state(State.APPROVED)
    signed = await _row(newsroom, item)
    await newsroom.send(item, Event.CORRECT, "duty", "笔误")
    await newsroom.edit(item, "duty", body="更正后的正文。")
    after = await _row(newsroom, item)
    assert after.revision_number == signed.revision_number + 1
    assert (after.signed_revision_number, after.live_revision_number) == (
        signed.revision_number,
        signed.revision_number,
    )
    async with newsroom.db.transaction() as session:
        planned = {delivery.revision_number for delivery, _ in await deliveries_of(session, item)}
    assert planned == {signed.revision_number}


async def test_correction_given_up_before_the_first_confirmation_leaves_it_approved(newsroom: Any) -> None:
    item = await newsroom.in_state(State.APPROVED)
    await newsroom.send(item, Event.CORRECT, "duty", "笔误")
    await newsroom.edit(item, "duty", body="更正后的正文。")
    await newsroom.send(item, Event.WITHDRAW, "duty")
    assert (await _row(newsroom, item)).state == "approved"
    with pytest.raises(IllegalMove):  # the draft of the correction was never signed
        await newsroom.send(item, Event.GO_OUT, SYSTEM)
    await newsroom.send(item, Event.DELIVERY_CONFIRMED, SYSTEM)
    assert (await _row(newsroom, item)).state == "published"


# Overrides.


async def test_override_takes_two_people_and_a_reason_and_stands_out(
    newsroom: Any, second_duty: Person
) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    with pytest.raises(GuardRefused, match="reason"):
        await newsroom.send(item, Event.ASK_OVERRIDE, "second_duty")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.CONFIRM_OVERRIDE, "chief", "同意")
    assert refused.value.guard == "override_asked"
    await newsroom.send(item, Event.ASK_OVERRIDE, "second_duty", "部主任失联，汛情紧急")
    assert (await _row(newsroom, item)).override["asker_id"] == str(second_duty.id)  # type: ignore[index]
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.CONFIRM_OVERRIDE, "second_duty", "自己确认")
    assert refused.value.guard == "not_override_asker"
    moved = await newsroom.send(item, Event.CONFIRM_OVERRIDE, "chief", "同意")
    assert moved.state is State.FINAL_REVIEW
    async with newsroom.db.transaction() as session:
        approval = (await approvals_of(session, item))[-1]
    assert (approval.person_id, approval.confirmed_by) == (second_duty.id, newsroom.people["chief"].id)
    assert (await _row(newsroom, item)).override is None
    asked, confirmed = [event for event, _ in await _events(newsroom, item)][-2:]
    assert (asked.event, confirmed.event) == ("ask_override", "confirm_override")
    assert confirmed.facts["override_asked_by"] == str(second_duty.id)


async def test_override_where_nobody_is_there_to_claim_the_piece(newsroom: Any) -> None:
    item = await newsroom.received()
    await newsroom.send(item, Event.ASK_OVERRIDE, "head", "当班编辑失联，汛情紧急")
    row = await _row(newsroom, item)
    assert (row.state, row.claimed_by) == ("first_review", None)
    moved = await newsroom.send(item, Event.CONFIRM_OVERRIDE, "chief", "同意")
    assert moved.state is State.SECOND_REVIEW
    with pytest.raises(GuardRefused) as refused:  # who asked is its first reviewer
        await newsroom.send(item, Event.CLAIM, "head")
    assert refused.value.guard == "not_earlier_reviewer"


@pytest.mark.parametrize("who", ["writer_editor", "duty"])
async def test_override_does_not_lift_the_three_people(newsroom: Any, who: str) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    if who == "duty":  # did the first review
        with pytest.raises(GuardRefused) as refused:
            await newsroom.send(item, Event.ASK_OVERRIDE, "duty", "急")
        assert refused.value.guard == "not_earlier_reviewer"
        return
    author = replace(newsroom.actor("writer"), roles=frozenset({Role.DUTY_EDITOR}))
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.ASK_OVERRIDE, author, "急")
    assert refused.value.guard == "not_author"


async def test_override_never_signs_off(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FINAL_REVIEW)
    with pytest.raises(IllegalMove):
        await newsroom.send(item, Event.ASK_OVERRIDE, "head", "急")


async def test_override_that_was_asked_for_ends_with_the_content_it_was_for(
    newsroom: Any, second_duty: Person
) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    await newsroom.send(item, Event.ASK_OVERRIDE, "second_duty", "急")
    await newsroom.edit(item, "head", body="改过。")
    assert (await _row(newsroom, item)).override is None


async def test_override_that_is_declined_is_gone(newsroom: Any, second_duty: Person) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    await newsroom.send(item, Event.ASK_OVERRIDE, "second_duty", "急")
    await newsroom.send(item, Event.DECLINE_OVERRIDE, "chief", "部主任在路上")
    with pytest.raises(GuardRefused):
        await newsroom.send(item, Event.CONFIRM_OVERRIDE, "chief", "同意")


# The database, whatever the code says.


@pytest.mark.parametrize(
    ("who", "message"),
    [("writer", "author"), ("duty", "second stage or signature")],
)
async def test_approval_by_the_wrong_person_is_refused_by_the_database(
    newsroom: Any, who: str, message: str
) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    with pytest.raises(IntegrityError, match=message):
        await _approve_by_hand(newsroom, item, newsroom.people[who].id)


async def test_approval_on_behalf_of_the_author_is_refused_by_the_database(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    with pytest.raises(IntegrityError, match="author"):
        await _approve_by_hand(
            newsroom, item, newsroom.people["head"].id, on_behalf_of=newsroom.people["writer"].id
        )


async def test_approval_of_other_content_is_refused_by_the_database(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    with pytest.raises(IntegrityError, match="not the current one"):
        await _approve_by_hand(newsroom, item, newsroom.people["head"].id, revision_sha256="0" * 64)


async def _approve_by_hand(newsroom: Any, item: UUID, person_id: UUID, **more: Any) -> None:
    row = await _row(newsroom, item)
    given = {
        "submission_id": item,
        "review_round": row.review_round,
        "stage": row.stage,
        "person_id": person_id,
        "revision_sha256": row.revision_sha256,
        "item_seq": 99,
    } | more
    async with newsroom.db.transaction() as session:
        session.add(Approval(**given))


async def test_sign_off_without_three_reviews_is_refused_by_the_database(newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    with pytest.raises(DBAPIError, match="three reviews by three people"):
        await _sql(
            newsroom,
            "UPDATE submission SET state = 'approved', signed_revision_number = revision_number WHERE id = :id",
            id=item,
        )


async def test_revision_that_was_not_signed_cannot_go_out_in_the_database_either(newsroom: Any) -> None:
    item = await newsroom.in_state(State.PUBLISHED)
    await newsroom.send(item, Event.CORRECT, "duty", "笔误")
    await newsroom.edit(item, "duty", body="未签发。")
    with pytest.raises(DBAPIError, match="was not signed"):
        await _sql(
            newsroom,
            "UPDATE submission SET live_revision_number = revision_number WHERE id = :id",
            id=item,
        )


async def test_address_name_and_reason_stand_beside_the_record_not_in_it(newsroom: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    actor = replace(actor_of(newsroom.people["duty"]), address="203.0.113.9")
    await newsroom.send(item, Event.RETURN_FOR_REVISION, actor, "请补充现场照片")
    event, opened = (await _events(newsroom, item))[-1]
    assert opened == {"actor_name": "名 duty", "address": "203.0.113.9", "reason": "请补充现场照片"}
    assert set(event.commitments) == set(opened)
    assert not any(value in str(event.model_dump()) for value in opened.values())
