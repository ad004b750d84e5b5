"""Copies of checkpoints outside the database, each with the hashes of its entries: a rewrite is seen, and where.

A copy is two files: `<size>.note`, and `<size>.leaves` with a line for each entry since the copy before.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import StorageError

_AT_ONCE = 20
LOCKED_FOR = timedelta(days=3650)  # in a store that can lock
_LINE = re.compile("[0-9a-f]{64}")


class CopyUnreadable(StorageError):
    """A file among the copies is not what a copy is."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            Text(
                f"副本文件 {path.name} 已损坏，请改用另一处副本。",
                f"The copy {path.name} is damaged; use the copies of another place.",
            )
        )


@dataclass(frozen=True, slots=True)
class CheckpointCopied:
    """A checkpoint as it is copied: its note, and the entries `first` to `size` - 1."""

    size: int
    first: int
    note: str
    entries: tuple[bytes, ...]

    def files(self) -> dict[str, bytes]:
        """By name; the note comes last, so that a copy with a note is whole."""
        lines = "".join(f"{entry.hex()}\n" for entry in self.entries)
        name = f"{self.size:012d}"
        return {f"{name}.leaves": lines.encode(), f"{name}.note": self.note.encode()}


async def to_be_copied(session: AsyncSession, place: str) -> list[CheckpointCopied]:
    """The next checkpoints that this place does not have, oldest first; a few at a time."""
    connection = await session.connection()
    found = (await connection.execute(_WAITING, {"place": place, "limit": _AT_ONCE})).all()
    if not found:
        return []
    first, last = int(found[0][0]), int(found[-1][1])
    rows = await connection.execute(_ENTRIES, {"first": first, "last": last})
    entries = [bytes(hash_) for (hash_,) in rows]
    return [
        CheckpointCopied(size, before, note, tuple(entries[before - first : size - first]))
        for before, size, note in found
    ]


async def copy_of(session: AsyncSession, size: int) -> CheckpointCopied | None:
    """The checkpoint of this size as every place has it; None where there is none."""
    connection = await session.connection()
    found = (await connection.execute(_ONE, {"size": size})).first()
    if found is None:
        return None
    rows = await connection.execute(_ENTRIES, {"first": int(found[0]), "last": size})
    return CheckpointCopied(size, int(found[0]), found[1], tuple(bytes(hash_) for (hash_,) in rows))


_ONE = text("""
    SELECT coalesce((SELECT max(size) FROM checkpoint AS earlier WHERE earlier.size < checkpoint.size), 0), note
    FROM checkpoint WHERE size = :size
""")
_WAITING = text("""
    SELECT coalesce((SELECT max(size) FROM checkpoint AS earlier WHERE earlier.size < checkpoint.size), 0),
        size, note
    FROM checkpoint
    WHERE size > (SELECT coalesce(max(size), 0) FROM checkpoint_copy WHERE place = :place)
    ORDER BY size LIMIT :limit
""")
_ENTRIES = text("SELECT hash FROM log_leaf WHERE index >= :first AND index < :last ORDER BY index")


async def mark_copied(session: AsyncSession, place: str, size: int) -> None:
    """Note that this place has it. Two may copy the same; it is there once."""
    connection = await session.connection()
    await connection.execute(_MARK, {"place": place, "size": size})


_MARK = text("INSERT INTO checkpoint_copy (place, size) VALUES (:place, :size) ON CONFLICT DO NOTHING")


def write_copy(folder: Path, copied: CheckpointCopied) -> None:
    """Write a copy into a folder, on disk when this returns; writing it again changes nothing. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, data in copied.files().items():
        draft = folder / f".{name}"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o444)
        draft.replace(folder / name)


def read_copies(folder: Path) -> Iterator[CheckpointCopied]:
    """The copies in a folder, oldest first; `first` follows from the number of entries. Raises CopyUnreadable."""
    for path in sorted(folder.glob("[0-9]*.note")):
        leaves = path.with_suffix(".leaves")
        try:
            lines = leaves.read_text(encoding="ascii").splitlines() if leaves.exists() else []
            size, note = int(path.stem), path.read_text(encoding="utf-8")
        except ValueError as error:
            raise CopyUnreadable(path) from error
        if not all(map(_LINE.fullmatch, lines)) or len(lines) > size:
            raise CopyUnreadable(leaves)
        yield CheckpointCopied(size, size - len(lines), note, tuple(map(bytes.fromhex, lines)))
