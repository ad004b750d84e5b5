"""Sign-ins and accounts on a real PostgreSQL."""

from typing import Any

import pytest
from sqlmodel import col, select

from states.roles import Role
from storage.errors import AlreadyExists, NotFound
from storage.people import (
    actor_by_token,
    add_person,
    close_sign_in,
    deactivate,
    open_sign_in,
    person_by_token,
    person_by_username,
    verify_password,
)
from storage.tables import Person, SignIn


async def _add(newsroom: Any, username: str, **given: Any) -> Person:
    person = Person(username=username, display_name="某人", password_hash="-", **given)
    async with newsroom.db.transaction() as session:
        return await add_person(session, person)


async def _sign_in(newsroom: Any, person: Person, hours: int = 1) -> str:
    async with newsroom.db.transaction() as session:
        token, _ = await open_sign_in(session, person, hours)
    return token


async def _actor(newsroom: Any, token: str) -> Any:
    async with newsroom.db.transaction() as session:
        return await actor_by_token(session, token)


def test_password_fits_only_its_own_hash(password_hash: str) -> None:
    assert verify_password(password_hash, "correct horse battery")
    assert not verify_password(password_hash, "correct horse batterx")
    assert not verify_password(None, "correct horse battery")


async def test_token_gives_the_actor_with_roles_and_columns(newsroom: Any) -> None:
    person = await _add(newsroom, "p1", roles=["duty_editor", "desk_head"], columns=["要闻"])
    actor = await _actor(newsroom, await _sign_in(newsroom, person))
    assert actor.person_id == str(person.id)
    assert (actor.roles, actor.columns) == ({Role.DUTY_EDITOR, Role.DESK_HEAD}, {"要闻"})


async def test_token_is_kept_as_its_hash_only(newsroom: Any) -> None:
    person = await _add(newsroom, "p2", roles=["operator"])
    token = await _sign_in(newsroom, person)
    async with newsroom.db.transaction() as session:
        kept = (await session.exec(select(SignIn).where(col(SignIn.person_id) == person.id))).one()
    assert token not in kept.model_dump_json()


async def test_sign_in_that_ended_or_was_closed_counts_no_more(newsroom: Any) -> None:
    person = await _add(newsroom, "p3", roles=["operator"])
    over, closed = await _sign_in(newsroom, person, hours=-1), await _sign_in(newsroom, person)
    async with newsroom.db.transaction() as session:
        await close_sign_in(session, closed)
    for token in (over, closed, "", "\u0000"):
        assert await _actor(newsroom, token) is None
        async with newsroom.db.transaction() as session:
            assert await person_by_token(session, token) is None


async def test_closed_account_loses_its_sign_ins_and_its_name_cannot_sign_in(newsroom: Any) -> None:
    person = await _add(newsroom, "p4", roles=["operator"])
    token = await _sign_in(newsroom, person)
    async with newsroom.db.transaction() as session:
        await deactivate(session, person.id)
    assert await _actor(newsroom, token) is None
    async with newsroom.db.transaction() as session:
        assert await person_by_username(session, "p4") is None


async def test_taken_name_is_refused(newsroom: Any) -> None:
    await _add(newsroom, "p5")
    with pytest.raises(AlreadyExists):
        await _add(newsroom, "p5")


async def test_unknown_person_cannot_be_closed(newsroom: Any) -> None:
    with pytest.raises(NotFound):
        async with newsroom.db.transaction() as session:
            await deactivate(session, Person(username="x", display_name="x", password_hash="-").id)
