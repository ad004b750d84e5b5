"""What the object store says of its objects, as plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an upload that the store holds."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An object, or an upload in parts that is not finished, and when it was stored or begun."""

    key: str
    at: datetime
    upload_id: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store was found to hold when it was read back."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store answered: header names in lower case; `chunks` gives the body and may be read once."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterable[bytes] = ()

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.chunks)

    @property
    def size_bytes(self) -> int:
        """How long the body is, or would be."""
        return int(self.headers.get("content-length", "0"))
