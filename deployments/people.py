"""People from the terminal, and the first administrator of a new installation."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

from states.roles import Role
from storage.database import Database
from storage.destinations import add_destination, list_destinations
from storage.people import add_person, hash_password, list_people
from storage.settings import Settings
from storage.tables import Destination, Person

ADMIN_NAME = "admin"


async def add(
    settings: Settings, username: str, display_name: str, password: str, roles: Sequence[Role]
) -> None:
    """Store a person. Raises AlreadyExists when the sign-in name is taken."""
    db = Database(settings.require_database_url(), pool_size=1)
    try:
        person = Person(
            username=username,
            display_name=display_name,
            password_hash=await asyncio.to_thread(hash_password, password),
            roles=sorted(role.value for role in roles),
        )
        async with db.transaction() as session:
            await add_person(session, person)
    finally:
        await db.close()


async def everybody(settings: Settings) -> list[Person]:
    """All people, by sign-in name."""
    db = Database(settings.require_database_url(), pool_size=1)
    try:
        async with db.transaction() as session:
            return await list_people(session)
    finally:
        await db.close()


def admin_password_file(home: Path) -> Path:
    """Where the first administrator's password lies, readable by the owner only."""
    return home / "admin.password"


async def ensure_first_people(settings: Settings) -> None:
    """In a database without people: an administrator with a password made here, and our own app as destination."""
    db = Database(settings.require_database_url(), pool_size=1)
    try:
        async with db.transaction() as session:
            if not await list_destinations(session):
                await add_destination(session, Destination(id="app", platform="app", name=settings.site_name))
            has_people = bool(await list_people(session))
        if not has_people:
            await add(settings, ADMIN_NAME, "系统管理员", _new_password(settings.home), [Role.ADMINISTRATOR])
    finally:
        await db.close()


def _new_password(home: Path) -> str:
    file = admin_password_file(home)
    file.touch(mode=0o600)
    file.write_text(secrets.token_urlsafe(12), encoding="utf-8")
    return file.read_text(encoding="utf-8")
