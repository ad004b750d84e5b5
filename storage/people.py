"""People and their sign-ins. Passwords are kept as Argon2id hashes, tokens as SHA-256."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import any_, bindparam, delete, func, update
from sqlalchemy import select as sa_select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.roles import Actor, Delegated, Role
from states.text import Text
from storage.delegations import end_delegations_of
from storage.errors import AlreadyExists, NotFound
from storage.tables import Delegation, Person, SignIn, core

_HASHER = PasswordHasher()  # the library's defaults are RFC 9106's low-memory profile
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))


def hash_password(password: str) -> str:
    """The Argon2id hash to store; takes some 30 ms on purpose, so call it in a thread."""
    return _HASHER.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password fits. An unknown person costs the same time as a wrong password."""
    try:
        return _HASHER.verify(password_hash or _NOBODY, password) and password_hash is not None
    except VerificationError:
        return False


def _token_sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def actor_of(person: Person) -> Actor:
    """The person as `states` knows them, with their own roles; what others lend them only the database knows."""
    return Actor(str(person.id), frozenset(Role(role) for role in person.roles), frozenset(person.columns))


async def add_person(session: AsyncSession, person: Person) -> Person:
    """Store a new person. Raises AlreadyExists when the sign-in name is taken."""
    session.add(person)
    try:
        await session.flush()
    except IntegrityError as error:
        name = person.username
        raise AlreadyExists(
            Text(f"登录名 {name} 已被使用，请换一个。", f"The sign-in name {name} is taken; choose another.")
        ) from error
    return person


async def list_people(session: AsyncSession) -> list[Person]:
    """Everybody, by sign-in name."""
    return list(await session.exec(select(Person).order_by(col(Person.username))))


async def person_by_username(session: AsyncSession, username: str) -> Person | None:
    """The active person with this sign-in name."""
    statement = select(Person).where(col(Person.username) == username, col(Person.is_active).is_(True))
    return (await session.exec(statement)).first()


async def display_names(session: AsyncSession, person_ids: set[UUID]) -> dict[UUID, str]:
    """Names for showing, by id."""
    statement = select(Person.id, Person.display_name).where(col(Person.id).in_(person_ids))
    return dict((await session.exec(statement)).all())


async def deactivate(session: AsyncSession, person_id: UUID, by: UUID | None = None) -> None:
    """Close a person's account; their sign-ins and delegations end, also those to them. Raises NotFound."""
    statement = update(Person).where(col(Person.id) == person_id).values(is_active=False)
    if (await session.exec(statement)).rowcount != 1:
        raise NotFound("person", person_id)
    await session.exec(delete(SignIn).where(col(SignIn.person_id) == person_id))
    await end_delegations_of(session, person_id, by)


async def open_sign_in(session: AsyncSession, person: Person, hours: int) -> tuple[str, datetime]:
    """A new opaque token and when it ends; the token itself is not kept."""
    token = secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + timedelta(hours=hours)
    session.add(SignIn(token_sha256=_token_sha256(token), person_id=person.id, expires_at=expires_at))
    return token, expires_at


async def person_by_token(session: AsyncSession, token: str) -> Person | None:
    """The active person who signed in with this token, while it lasts."""
    statement = (
        select(Person)
        .join(SignIn, col(SignIn.person_id) == col(Person.id))
        .where(
            col(SignIn.token_sha256) == _token_sha256(token),
            col(SignIn.expires_at) > datetime.now(UTC),
            col(Person.is_active).is_(True),
        )
    )
    return (await session.exec(statement)).first()


async def actor_by_token(session: AsyncSession, token: str) -> Actor | None:
    """Who signed in with this token and is active, with all that they may do: every request asks this."""
    connection = await session.connection()
    found = (await connection.execute(_BY_TOKEN, {"token": _token_sha256(token)})).first()
    return None if found is None else _actor(*found)


async def actor_by_id(session: AsyncSession, person_id: UUID) -> Actor | None:
    """The active person, with all that they may do."""
    connection = await session.connection()
    found = (await connection.execute(_BY_ID, {"person_id": person_id})).first()
    return None if found is None else _actor(*found)


def _actor(person_id: UUID, roles: list[str], columns: list[str], lent: list[list[Any]] | None) -> Actor:
    return Actor(
        str(person_id),
        frozenset(Role(role) for role in roles),
        frozenset(columns),
        tuple(_delegated(*each) for each in lent or ()),
    )


def _delegated(role: str, principal_id: str, columns: list[str], delegation_id: str, until: str) -> Delegated:
    return Delegated(
        Role(role), principal_id, frozenset(columns), delegation_id, datetime.fromisoformat(until)
    )


_PERSON, _PRINCIPAL, _LENT = core(Person), core(Person).alias("principal"), core(Delegation)
# In the one statement that every request makes anyway. A role counts while whoever lends it holds it.
_DELEGATED = (
    sa_select(
        func.jsonb_agg(
            func.jsonb_build_array(
                _LENT.c.role, _PRINCIPAL.c.id, _PRINCIPAL.c.columns, _LENT.c.id, _LENT.c.ends_at
            ),
            type_=JSONB,
        )
    )
    .join(_PRINCIPAL, _PRINCIPAL.c.id == _LENT.c.principal_id)
    .where(
        _LENT.c.deputy_id == _PERSON.c.id,
        _LENT.c.revoked_at.is_(None),
        _LENT.c.starts_at <= func.now(),
        _LENT.c.ends_at > func.now(),
        _PRINCIPAL.c.is_active.is_(True),
        _LENT.c.role == any_(_PRINCIPAL.c.roles),
    )
    .scalar_subquery()
)
_ACTOR = sa_select(_PERSON.c.id, _PERSON.c.roles, _PERSON.c.columns, _DELEGATED).where(
    _PERSON.c.is_active.is_(True)
)
_SIGN_IN = core(SignIn)
_BY_ID = _ACTOR.where(_PERSON.c.id == bindparam("person_id"))
_BY_TOKEN = _ACTOR.join(_SIGN_IN, _SIGN_IN.c.person_id == _PERSON.c.id).where(
    _SIGN_IN.c.token_sha256 == bindparam("token"), _SIGN_IN.c.expires_at > func.now()
)


async def close_sign_in(session: AsyncSession, token: str) -> None:
    """Sign out; a token that is not known is signed out already."""
    await session.exec(delete(SignIn).where(col(SignIn.token_sha256) == _token_sha256(token)))
