"""What a replay of the record finds, what it is held against, and how it reads: in batches, of any size."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.notes import Verifier

_ROWS = 2000
_DECODE = json.JSONDecoder().raw_decode  # what the database spells has no blanks around it


PERSONAL = ("actor_name", "address")  # what every event says of who made it


def erased_person(person_id: object) -> str:
    """The journal's subject of a person's erasure."""
    return f"person:{person_id}"


def erased_value(submission_id: object, item_seq: int, name: str) -> str:
    """The journal's subject of one value's erasure."""
    return f"event:{submission_id}/{item_seq}/{name}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was recorded: where (index of the log, item and sequence), and what."""

    where: str
    text: Text


@dataclass(slots=True)
class Findings:
    """What a replay found. `waiting` entries are not in the log yet; no fault, unless the dispatcher is away."""

    entries: int = 0
    events: int = 0
    items: int = 0
    journal: int = 0
    checkpoints: int = 0
    waiting: int = 0
    erased: int = 0
    faults: list[Fault] = field(default_factory=list)

    def __or__(self, other: "Findings") -> "Findings":
        """What both found; each counts other things."""
        return Findings(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def add(self, where: str, zh: str, en: str) -> None:
        """Note one fault."""
        self.faults.append(Fault(where, Text(zh, en)))


@dataclass(frozen=True, slots=True)
class Against:
    """What the log is held against: the keys that may have signed it, and what was kept of it elsewhere."""

    keys: tuple[Verifier, ...]
    checkpoint: str | None = None  # an older one, as a signed note
    copies: Path | None = None  # a folder of copies


def json_of(text: str | None) -> dict[str, Any]:
    """A JSON object as the database spells it; nothing is an empty one."""
    if text is None or text == "{}":
        return {}
    found: dict[str, Any]
    found, _ = _DECODE(text)
    return found


async def rows_of(session: AsyncSession, query: str) -> AsyncIterator[list[Any]]:
    """The rows of a query in batches, as the driver gives them: a hundred thousand within a second.

    SQLAlchemy's own rows would take as long as all hashing does.
    """
    connection = await session.connection()
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await connection.exec_driver_sql("SELECT 1")  # begins SQLAlchemy's transaction, in which the cursor lives
    cursor = await raw.cursor(query)
    while rows := await cursor.fetch(_ROWS):
        yield rows
