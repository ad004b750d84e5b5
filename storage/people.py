"""People and their sign-ins. Passwords are kept as Argon2id hashes, tokens as SHA-256."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import bindparam, delete, func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.roles import Actor, Role
from states.text import Text
from storage.errors import AlreadyExists, NotFound
from storage.tables import Person, SignIn

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
    """The person as `states` knows them."""
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


async def deactivate(session: AsyncSession, person_id: UUID) -> None:
    """Close a person's account and end all their sign-ins. Raises NotFound."""
    statement = update(Person).where(col(Person.id) == person_id).values(is_active=False)
    if (await session.exec(statement)).rowcount != 1:
        raise NotFound("person", person_id)
    await session.exec(delete(SignIn).where(col(SignIn.person_id) == person_id))


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
    """As `person_by_token`, but only what `states` asks for: every request does this."""
    found = (await session.exec(_ACTOR, params={"token": _token_sha256(token)})).first()
    if found is None:
        return None
    person_id, roles, columns = found
    return Actor(str(person_id), frozenset(Role(role) for role in roles), frozenset(columns))


_ACTOR = (
    select(col(Person.id), col(Person.roles), col(Person.columns))
    .join(SignIn, col(SignIn.person_id) == col(Person.id))
    .where(
        col(SignIn.token_sha256) == bindparam("token"),
        col(SignIn.expires_at) > func.now(),
        col(Person.is_active).is_(True),
    )
)


async def close_sign_in(session: AsyncSession, token: str) -> None:
    """Sign out; a token that is not known is signed out already."""
    await session.exec(delete(SignIn).where(col(SignIn.token_sha256) == _token_sha256(token)))
