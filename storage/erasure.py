"""Erasing what the record says of people. The record holds salted hashes only, so its proofs stay valid."""

import asyncio
import secrets
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import NotFound, StorageError
from storage.findings import PERSONAL, erased_person, erased_value
from storage.journal import write_journal
from storage.people import deactivate, hash_password
from storage.tables import Person

OF_EVENTS = ("reason", "comment")  # what a person wrote, which may name others
ERASED = "erased"


class NothingToErase(StorageError):
    """The event has no such value, or it is erased already."""

    def __init__(self, where: str, name: str) -> None:
        super().__init__(
            Text(
                f"{where} 没有 {name}，或已删除。请用 sanshen ledger proof 查看该稿件。",
                f"{where} has no {name}, or it is erased already. Look at `sanshen ledger proof` of the submission.",
            )
        )


async def erase_person(session: AsyncSession, username: str) -> int:
    """Erase name and addresses from all events of a person, and close the account; how many events.

    What the person did stays on record, under the person's id. What their files tell of place, device and owner is
    erased too, wherever the same content was sent in; the archived files themselves keep it. Raises NotFound.
    """
    statement = select(Person).where(col(Person.username) == username).with_for_update()
    person = (await session.exec(statement)).first()
    if person is None:
        raise NotFound("person", username)
    await deactivate(session, person.id)
    person.is_active = False
    person.username = f"erased-{secrets.token_hex(6)}"
    person.display_name = "（已删除 erased）"
    person.password_hash = await asyncio.to_thread(hash_password, secrets.token_urlsafe(32))
    session.add(person)
    await session.flush()
    connection = await session.connection()
    erased = await connection.execute(_ERASE_PERSON, {"person": person.id, "names": list(PERSONAL)})
    files = await connection.execute(_ERASE_CAPTURE, {"person": person.id})
    facts = {"events": erased.rowcount, "fields": list(PERSONAL), "files": files.rowcount}
    await write_journal(session, ERASED, None, erased_person(person.id), facts)
    return erased.rowcount


async def erase_value(session: AsyncSession, submission_id: UUID, item_seq: int, name: str) -> None:
    """Erase the reason or the comment of one event. Raises NothingToErase."""
    connection = await session.connection()
    values = {"item": submission_id, "seq": item_seq, "name": name}
    if name not in OF_EVENTS or (await connection.execute(_ERASE_VALUE, values)).rowcount != 1:
        raise NothingToErase(f"{submission_id}/{item_seq}", name)
    await write_journal(session, ERASED, None, erased_value(submission_id, item_seq, name), {})


_ERASE_PERSON = text("""
    UPDATE disclosure SET opened = opened - CAST(:names AS text[])
    FROM event WHERE event.submission_id = disclosure.submission_id
    AND event.item_seq = disclosure.item_seq AND event.actor_id = :person
    AND opened ?| CAST(:names AS text[])
""")
_ERASE_CAPTURE = text("""
    UPDATE asset SET capture = NULL WHERE capture IS NOT NULL AND sha256 IN (
        SELECT theirs.sha256 FROM asset theirs JOIN submission ON submission.id = theirs.submission_id
        LEFT JOIN upload ON upload.asset_id = theirs.id
        WHERE submission.author_id = :person OR upload.person_id = :person
    )
""")
_ERASE_VALUE = text("""
    UPDATE disclosure SET opened = opened - CAST(:name AS text)
    WHERE submission_id = :item AND item_seq = :seq AND opened ? CAST(:name AS text)
""")
