"""The mathematics of the record: canonical JSON and the hash chain of one item's events."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring
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
        return _spelled(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string with a lone surrogate") from error


def _spelled(value: Any) -> str:
    # The exact types first: a hundred thousand events are spelled within seconds, and each write waits for one.
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is dict:
        return _spelled_object(value)
    if kind is list or kind is tuple:
        return "[" + ",".join([_spelled(each) for each in value]) + "]"
    return _spelled_rest(value)


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring(value)


def _spelled_object(value: Mapping[str, Any]) -> str:
    pairs = [f"{encode_basestring(name)}:{_spelled(value[name])}" for name in _ordered_names(value)]
    return "{" + ",".join(pairs) + "}"


def _ordered_names(value: Mapping[str, Any]) -> list[str]:
    """RFC 8785 section 3.2.3 sorts names by UTF-16 code units; among ASCII names that is the plain order."""
    try:
        if "".join(value).isascii():
            return sorted(value)
    except TypeError as error:
        raise NotCanonical("a name that is no string") from error
    return sorted(value, key=lambda name: name.encode("utf-16-be"))


def _spelled_rest(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise NotCanonical(f"the integer {value} is beyond 2^53 - 1")
        return int.__repr__(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, list | tuple):
        return _spelled(list(value))
    if isinstance(value, Mapping):
        return _spelled_object(value)
    raise NotCanonical(f"a {type(value).__name__}")


def canonical_sha256(value: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One event of one item, as it is hashed. `item_seq` counts from 1 without a gap.

    Names, addresses, reasons and comments are not in it: `commitments` has a salted hash for each, so that
    they can be erased and the record still holds.
    """

    submission_id: str
    item_seq: int
    event: str
    from_state: str | None
    to_state: str
    actor_id: str | None
    actor_roles: tuple[str, ...]
    revision_sha256: str | None
    facts: Mapping[str, Any]
    commitments: Mapping[str, str]
    at: datetime
    prev_hash: str

    def body(self) -> dict[str, Any]:
        """The object whose canonical form is hashed. Raises NotCanonical for a time without a zone."""
        return {
            "actor_id": self.actor_id,
            "actor_roles": sorted(self.actor_roles),
            "at": _moment(self.at),
            "commitments": self.commitments,
            "event": self.event,
            "facts": self.facts,
            "from_state": self.from_state,
            "item_seq": self.item_seq,
            "kind": "event",
            "prev_hash": self.prev_hash,
            "revision_sha256": self.revision_sha256,
            "submission_id": self.submission_id,
            "to_state": self.to_state,
        }

    def hash(self) -> str:
        """The event's hash, which the item's next event names as `prev_hash`. Raises NotCanonical."""
        try:
            return hashlib.sha256(self._canonical().encode()).hexdigest()
        except UnicodeEncodeError as error:
            raise NotCanonical("a string with a lone surrogate") from error

    def _canonical(self) -> str:
        # canonical_json(self.body()), with the names in their order already: a verifier does this 100,000 times.
        return (
            f'{{"actor_id":{_text(self.actor_id)},"actor_roles":{_spelled(sorted(self.actor_roles))},'
            f'"at":"{_moment(self.at)}","commitments":{_spelled(self.commitments)},'
            f'"event":{_text(self.event)},"facts":{_spelled(self.facts)},'
            f'"from_state":{_text(self.from_state)},"item_seq":{_spelled(self.item_seq)},"kind":"event",'
            f'"prev_hash":{_text(self.prev_hash)},"revision_sha256":{_text(self.revision_sha256)},'
            f'"submission_id":{_text(self.submission_id)},"to_state":{_text(self.to_state)}}}'
        )


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What somebody did that moves no item and must be known later: its place is in the log alone."""

    action: str
    actor_id: str | None
    subject: str
    facts: Mapping[str, Any]
    at: datetime

    def body(self) -> dict[str, Any]:
        """The object whose canonical form is hashed. Raises NotCanonical."""
        return {
            "action": self.action,
            "actor_id": self.actor_id,
            "at": _moment(self.at),
            "facts": self.facts,
            "kind": "journal",
            "subject": self.subject,
        }

    def hash(self) -> str:
        """The entry's hash."""
        return canonical_sha256(self.body())


def _moment(at: datetime) -> str:
    if at.tzinfo is None:
        raise NotCanonical("a time without a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def commitment(field: str, salt: str, value: str) -> str:
    """What the record says of a value that may be erased: SHA-256 over field, salt (32 hex digits) and value."""
    spelled = f"[{encode_basestring(field)},{encode_basestring(salt)},{encode_basestring(value)}]"
    return hashlib.sha256(spelled.encode()).hexdigest()
