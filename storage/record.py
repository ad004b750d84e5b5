"""One event of the record: what is hashed, what is stored, and what is told apart from it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from states.ledger import LedgerEvent, commitment
from storage.tables import EventRow

# What an event says of people. Each is a commitment in the record and can be erased.
DISCLOSED = ("actor_name", "address", "reason", "comment")


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Values that stand beside the record: what goes into the event, and what opens it again."""

    commitments: Mapping[str, str]
    opened: Mapping[str, tuple[str, str]]  # by field: salt and value


def disclose(values: Mapping[str, str | None]) -> Disclosed:
    """Salt (128 bits each) and commit to the values that are there."""
    opened = {name: (secrets.token_hex(16), value) for name, value in values.items() if value is not None}
    return Disclosed({name: commitment(name, *pair) for name, pair in opened.items()}, opened)


def event_values(record: LedgerEvent) -> dict[str, Any]:
    """The columns of a ledger event, with its hash."""
    return {
        "submission_id": UUID(record.submission_id),
        "item_seq": record.item_seq,
        "event": record.event,
        "from_state": record.from_state,
        "to_state": record.to_state,
        "actor_id": UUID(record.actor_id) if record.actor_id else None,
        "actor_roles": list(record.actor_roles),
        "revision_sha256": record.revision_sha256,
        "facts": dict(record.facts),
        "commitments": dict(record.commitments),
        "at": record.at,
        "prev_hash": record.prev_hash,
        "hash": record.hash(),
    }


def ledger_event(row: EventRow) -> LedgerEvent:
    """The inverse of `event_values`: what was hashed, rebuilt from the table."""
    return LedgerEvent(
        submission_id=str(row.submission_id),
        item_seq=row.item_seq,
        event=row.event,
        from_state=row.from_state,
        to_state=row.to_state,
        actor_id=str(row.actor_id) if row.actor_id else None,
        actor_roles=tuple(row.actor_roles),
        revision_sha256=row.revision_sha256,
        facts=row.facts,
        commitments=row.commitments,
        at=row.at,
        prev_hash=row.prev_hash,
    )
