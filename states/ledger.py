"""The mathematics of the record: canonical JSON and the hash chain of one item's events."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
_LARGEST_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3: numbers are IEEE 754 doubles


class NotCanonical(ValueError):
    """A value without a canonical form here: a float, a large integer, a lone surrogate, another type."""


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 form in UTF-8, for objects, arrays, strings, integers, booleans and null.

    Floats are refused rather than formatted: whatever is signed here is a count, a name or a text.
    Raises NotCanonical.
    """
    try:
        return json.dumps(
            _ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string with a lone surrogate") from error


def _ordered(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise NotCanonical(f"the integer {value} is beyond 2^53 - 1")
        return value
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    if isinstance(value, Mapping):
        # RFC 8785 section 3.2.3 sorts names by UTF-16 code units.
        names = sorted(value, key=lambda name: _name(name).encode("utf-16-be"))
        return {name: _ordered(value[name]) for name in names}
    raise NotCanonical(f"a {type(value).__name__}")


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise NotCanonical(f"the name {name!r} is no string")
    return name


def canonical_sha256(value: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One event of one item, as it is hashed. `item_seq` counts from 1 without a gap."""

    submission_id: str
    item_seq: int
    event: str
    from_state: str | None
    to_state: str
    actor_id: str | None
    actor_roles: tuple[str, ...]
    revision_sha256: str | None
    reason: str | None
    comment: str | None
    facts: Mapping[str, Any]
    at: datetime
    prev_hash: str

    def body(self) -> dict[str, Any]:
        """The object whose canonical form is hashed. Raises NotCanonical for a time without a zone."""
        if self.at.tzinfo is None:
            raise NotCanonical("a time without a zone")
        return {
            "actor_id": self.actor_id,
            "actor_roles": sorted(self.actor_roles),
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "comment": self.comment,
            "event": self.event,
            "facts": self.facts,
            "from_state": self.from_state,
            "item_seq": self.item_seq,
            "prev_hash": self.prev_hash,
            "reason": self.reason,
            "revision_sha256": self.revision_sha256,
            "submission_id": self.submission_id,
            "to_state": self.to_state,
        }

    def hash(self) -> str:
        """The event's hash, which the item's next event names as `prev_hash`."""
        return canonical_sha256(self.body())
