"""The identity of a file: its bytes. Reads in pieces, so memory stays flat."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileHash:
    """What a file is known by."""

    sha256: str
    size_bytes: int


def hash_file(path: Path) -> FileHash:
    """The SHA-256 (lower-case hex) and the size of a file. OSError when it cannot be read."""
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return FileHash(digest.hexdigest(), size_bytes)
