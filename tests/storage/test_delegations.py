"""Roles lent to deputies: who may lend what, what a deputy may sign, and how it ends. On a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from states.events import Event
from states.item import State
from states.refusals import GuardRefused, RoleMissing
from states.roles import SYSTEM, Actor, Role
from storage.board import approvals_of, history_of
from storage.database import Database
from storage.delegations import LentRole, grant_delegation, list_delegations, revoke_delegation
from storage.errors import DelegationRefused, NotFound
from storage.people import actor_by_id, actor_by_token, add_person, deactivate, open_sign_in
from storage.tables import Delegation, JournalRow, Person

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _now() -> datetime:
    return datetime.now(UTC)


async def _person(newsroom: Any, *roles: Role, columns: tuple[str, ...] = ()) -> Person:
    person = Person(
        username=uuid4().hex,
        display_name="某人",
        password_hash="-",
        roles=[role.value for role in roles],
        columns=list(columns),
    )
    async with newsroom.db.transaction() as session:
        return await add_person(session, person)


async def _actor(newsroom: Any, person: Person) -> Actor:
    async with newsroom.db.transaction() as session:
        actor = await actor_by_id(session, person.id)
    assert actor is not None
    return actor


async def _lend(newsroom: Any, principal: Person, deputy: Person, role: Role, **given: Any) -> Delegation:
    values = {"ends_at": _now() + DAY} | given
    by = values.pop("by", principal)
    async with newsroom.db.transaction() as session:
        lent = LentRole(principal_id=principal.id, deputy_id=deputy.id, role=role, **values)
        return await grant_delegation(session, lent, await actor_by_id(session, by.id))


async def _revoke(newsroom: Any, delegation: Delegation, by: Person) -> Delegation:
    async with newsroom.db.transaction() as session:
        return await revoke_delegation(session, delegation.id, await actor_by_id(session, by.id))


async def _journal(newsroom: Any, delegation: Delegation) -> list[JournalRow]:
    subject = f"delegation/{delegation.id}"
    async with newsroom.db.transaction() as session:
        statement = select(JournalRow).where(col(JournalRow.subject) == subject).order_by(col(JournalRow.id))
        return list(await session.exec(statement))


@pytest.fixture(scope="module")
async def head(newsroom: Any) -> Person:
    """A desk head who goes away."""
    return await _person(newsroom, Role.DESK_HEAD)


@pytest.fixture
async def deputy(newsroom: Any) -> Person:
    """Somebody who takes over, with a role of their own."""
    return await _person(newsroom, Role.DUTY_EDITOR)


async def test_lent_role_comes_with_the_sign_in_in_one_statement(
    newsroom: Any, head: Person, deputy: Person
) -> None:
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD)
    async with newsroom.db.transaction() as session:
        token, _ = await open_sign_in(session, deputy, 1)
    async with newsroom.db.transaction() as session:
        actor = await actor_by_token(session, token)
    assert actor is not None
    assert actor.roles == {Role.DUTY_EDITOR}
    [lent] = actor.delegated
    assert (lent.role, lent.principal_id, lent.delegation_id) == (Role.DESK_HEAD, str(head.id), str(row.id))
    assert lent.until == row.ends_at


async def test_deputy_signs_on_behalf_and_it_is_recorded(newsroom: Any, head: Person, deputy: Person) -> None:
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD)
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await newsroom.send(item, Event.APPROVE, "duty")
    actor = await _actor(newsroom, deputy)
    await newsroom.send(item, Event.CLAIM, actor)
    await newsroom.send(item, Event.APPROVE, actor)
    async with newsroom.db.transaction() as session:
        signed = (await approvals_of(session, item))[-1]
        events = [row for row, _ in await history_of(session, item)]
    assert (signed.person_id, signed.on_behalf_of, signed.delegation_id) == (deputy.id, head.id, row.id)
    assert events[-1].facts["on_behalf_of"] == str(head.id)
    assert events[-1].facts["delegation"]["id"] == str(row.id)
    assert events[-1].actor_id == deputy.id


async def test_nobody_reviews_their_own_piece_through_a_deputy(newsroom: Any, deputy: Person) -> None:
    writing_head = await _person(newsroom, Role.CORRESPONDENT, Role.DESK_HEAD)
    newsroom.people["writing_head"] = writing_head
    await _lend(newsroom, writing_head, deputy, Role.DESK_HEAD)
    item = (await newsroom.draft("writing_head")).id
    await newsroom.send(item, Event.SUBMIT, "writing_head")
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.APPROVE, "duty")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.CLAIM, await _actor(newsroom, deputy))
    assert refused.value.guard == "not_author"


async def test_deputy_of_an_earlier_reviewer_cannot_sign_another_stage_for_them(
    newsroom: Any, deputy: Person
) -> None:
    both = await _person(newsroom, Role.DUTY_EDITOR, Role.DESK_HEAD)
    newsroom.people["both"] = both
    await _lend(newsroom, both, deputy, Role.DESK_HEAD)
    item = await newsroom.received()
    await newsroom.send(item, Event.CLAIM, "both")
    await newsroom.send(item, Event.APPROVE, "both")
    with pytest.raises(GuardRefused) as refused:
        await newsroom.send(item, Event.CLAIM, await _actor(newsroom, deputy))
    assert refused.value.guard == "not_earlier_reviewer"


async def test_deputy_may_sign_in_the_columns_of_whoever_lends_only(newsroom: Any) -> None:
    principal = await _person(newsroom, Role.DUTY_EDITOR, columns=("体育",))
    deputy = await _person(newsroom, Role.DUTY_EDITOR, columns=("要闻",))
    await _lend(newsroom, principal, deputy, Role.DUTY_EDITOR)
    actor = await _actor(newsroom, deputy)
    for column, on_behalf in (("体育", True), ("要闻", False)):
        item = await newsroom.received(column=column)
        await newsroom.send(item, Event.CLAIM, actor)
        await newsroom.send(item, Event.APPROVE, actor)
        async with newsroom.db.transaction() as session:
            [signed] = await approvals_of(session, item)
        assert signed.on_behalf_of == (principal.id if on_behalf else None)
    with pytest.raises(GuardRefused):
        await newsroom.send(await newsroom.received(column="文化"), Event.CLAIM, actor)


async def test_revoked_role_stops_at_once(newsroom: Any, head: Person, deputy: Person) -> None:
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD)
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await newsroom.send(item, Event.APPROVE, "duty")
    await newsroom.send(item, Event.CLAIM, await _actor(newsroom, deputy))
    await _revoke(newsroom, row, head)
    with pytest.raises(RoleMissing):
        await newsroom.send(item, Event.APPROVE, await _actor(newsroom, deputy))
    assert [each.action for each in await _journal(newsroom, row)] == [
        "delegation_granted",
        "delegation_revoked",
    ]


@pytest.mark.parametrize(("starts", "ends"), [(-2 * DAY, -HOUR), (HOUR, DAY)])
async def test_role_lent_for_another_time_does_not_count_now(
    newsroom: Any, owner_db: Database, head: Person, deputy: Person, starts: timedelta, ends: timedelta
) -> None:
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD)
    async with owner_db.transaction() as session:
        await (await session.connection()).execute(
            text("UPDATE delegation SET starts_at = :starts, ends_at = :ends WHERE id = :id"),
            {"starts": _now() + starts, "ends": _now() + ends, "id": row.id},
        )
    assert (await _actor(newsroom, deputy)).delegated == ()


async def test_role_that_ends_while_it_is_used_is_refused_by_the_clock(
    newsroom: Any, head: Person, deputy: Person
) -> None:
    await _lend(newsroom, head, deputy, Role.DESK_HEAD, ends_at=_now() + timedelta(seconds=0.4))
    item = await newsroom.in_state(State.FIRST_REVIEW)
    await newsroom.send(item, Event.APPROVE, "duty")
    actor = await _actor(newsroom, deputy)  # read while it lasted, used afterwards
    await asyncio.sleep(0.5)
    with pytest.raises(RoleMissing):
        await newsroom.send(item, Event.CLAIM, actor)


async def test_role_counts_no_more_when_its_holder_loses_it(newsroom: Any, deputy: Person) -> None:
    principal = await _person(newsroom, Role.DESK_HEAD)
    await _lend(newsroom, principal, deputy, Role.DESK_HEAD)
    async with newsroom.db.transaction() as session:
        statement = text("UPDATE person SET roles = '{correspondent}' WHERE id = :id")
        await (await session.connection()).execute(statement, {"id": principal.id})
    assert (await _actor(newsroom, deputy)).delegated == ()


@pytest.mark.parametrize("closes", ["principal", "deputy"])
async def test_closing_an_account_ends_what_it_lends_and_what_was_lent_to_it(
    newsroom: Any, deputy: Person, closes: str
) -> None:
    principal = await _person(newsroom, Role.DESK_HEAD)
    row = await _lend(newsroom, principal, deputy, Role.DESK_HEAD)
    admin = newsroom.people["admin"].id
    async with newsroom.db.transaction() as session:
        await deactivate(session, {"principal": principal, "deputy": deputy}[closes].id, admin)
    async with newsroom.db.transaction() as session:
        kept = (await session.exec(select(Delegation).where(col(Delegation.id) == row.id))).one()
    assert kept.revoked_at is not None
    assert kept.revoked_by == admin
    last = (await _journal(newsroom, row))[-1]
    assert (last.action, last.facts["because"]) == ("delegation_revoked", "account_closed")


async def test_account_that_closes_while_a_role_is_lent_to_it_keeps_none(newsroom: Any) -> None:
    async def close(person: Person) -> None:
        async with newsroom.db.transaction() as session:
            await deactivate(session, person.id)

    for _ in range(5):
        principal, deputy = await _person(newsroom, Role.DESK_HEAD), await _person(newsroom, Role.DUTY_EDITOR)
        await asyncio.gather(
            _lend(newsroom, principal, deputy, Role.DESK_HEAD), close(deputy), return_exceptions=True
        )
        async with newsroom.db.transaction() as session:
            rows = list(await session.exec(select(Delegation).where(col(Delegation.deputy_id) == deputy.id)))
        assert all(row.revoked_at is not None for row in rows)


async def _refused(newsroom: Any, *people: Person, role: Role = Role.DESK_HEAD, **given: Any) -> str:
    with pytest.raises(DelegationRefused) as refused:
        await _lend(newsroom, *people, role, **given)
    assert refused.value.text.zh
    return refused.value.text.en


async def test_lent_role_cannot_be_lent_on(newsroom: Any, head: Person, deputy: Person) -> None:
    await _lend(newsroom, head, deputy, Role.DESK_HEAD)
    third = await _person(newsroom, Role.DUTY_EDITOR)
    assert "cannot be lent on" in await _refused(newsroom, deputy, third)
    assert "cannot be lent on" in await _refused(newsroom, deputy, third, by=newsroom.people["admin"])


async def test_role_is_lent_by_its_holder_or_an_administrator_and_nobody_else(
    newsroom: Any, head: Person, deputy: Person
) -> None:
    for name in ("duty", "chief", "operator", "writer"):
        assert "your own role" in await _refused(newsroom, head, deputy, by=newsroom.people[name])
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD, by=newsroom.people["admin"])
    assert row.granted_by == newsroom.people["admin"].id


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR, Role.CORRESPONDENT, Role.SYSTEM])
async def test_only_roles_of_the_reviews_are_lent(newsroom: Any, deputy: Person, role: Role) -> None:
    everything = await _person(newsroom, *(each for each in Role if each is not Role.SYSTEM))
    assert "only the roles of the reviews" in await _refused(newsroom, everything, deputy, role=role)


async def test_role_is_not_lent_to_oneself_or_a_closed_account(newsroom: Any, head: Person) -> None:
    assert "own deputy" in await _refused(newsroom, head, head)
    closed = await _person(newsroom, Role.DUTY_EDITOR)
    async with newsroom.db.transaction() as session:
        await deactivate(session, closed.id)
    assert "accounts must be open" in await _refused(newsroom, head, closed)
    by = newsroom.people["admin"]
    assert "accounts must be open" in await _refused(newsroom, closed, head, role=Role.DUTY_EDITOR, by=by)
    with pytest.raises(NotFound):
        await _lend(newsroom, head, Person(username="x", display_name="x", password_hash="-"), Role.DESK_HEAD)


@pytest.mark.parametrize(
    ("starts", "ends", "words"),
    [
        (None, -HOUR, "after now"),
        (None, timedelta(0), "after now"),
        (HOUR, HOUR, "after the start"),
        (2 * HOUR, HOUR, "after the start"),
        (-HOUR, DAY, "is over already"),
        (None, 90 * DAY + HOUR, "90 days"),
        (DAY, 91 * DAY + HOUR, "90 days"),
    ],
)
async def test_times_that_cannot_be_are_refused(
    newsroom: Any, head: Person, deputy: Person, starts: timedelta | None, ends: timedelta, words: str
) -> None:
    now = _now()
    given = {"starts_at": now + starts if starts else None, "ends_at": now + ends}
    assert words in await _refused(newsroom, head, deputy, **given)


async def test_ninety_days_from_a_later_start_are_granted(
    newsroom: Any, head: Person, deputy: Person
) -> None:
    starts = _now() + 30 * DAY
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD, starts_at=starts, ends_at=starts + 90 * DAY)
    assert (row.starts_at, row.ends_at) == (starts, starts + 90 * DAY)
    assert (await _actor(newsroom, deputy)).delegated == ()


async def test_delegation_is_seen_and_ended_by_its_people_and_administrators_alone(
    newsroom: Any, head: Person, deputy: Person
) -> None:
    row = await _lend(newsroom, head, deputy, Role.DESK_HEAD)
    with pytest.raises(NotFound):
        await _revoke(newsroom, row, newsroom.people["chief"])
    ended = await _revoke(newsroom, row, deputy)
    again = await _revoke(newsroom, row, newsroom.people["admin"])
    assert (again.revoked_at, again.revoked_by) == (ended.revoked_at, deputy.id)
    with pytest.raises(NotFound):
        async with newsroom.db.transaction() as session:
            await revoke_delegation(session, uuid4(), await actor_by_id(session, head.id))


async def test_list_has_ones_own_given_and_received_by_page_and_all_for_administrators(newsroom: Any) -> None:
    principal, deputy = await _person(newsroom, Role.DESK_HEAD), await _person(newsroom, Role.DESK_HEAD)
    given = [(await _lend(newsroom, principal, deputy, Role.DESK_HEAD)).id for _ in range(3)]
    received = (await _lend(newsroom, deputy, principal, Role.DESK_HEAD)).id

    async def listed(person: Person) -> list[UUID]:
        seen: list[Delegation] = []
        async with newsroom.db.transaction() as session:
            actor = await actor_by_id(session, person.id)
            while True:
                after = (seen[-1].created_at, seen[-1].id) if seen else None
                page = await list_delegations(session, actor, after, 2)
                seen += page
                if len(page) < 2:
                    return [row.id for row in seen]

    assert await listed(principal) == await listed(deputy) == [received, *given[::-1]]
    assert set(await listed(newsroom.people["admin"])) >= {received, *given}
    assert await listed(newsroom.people["operator"]) == []
