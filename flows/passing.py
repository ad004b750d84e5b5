"""Trouble that is nobody's fault and ends by itself: a store that is away or full, a disk of ours that is full."""

from pathlib import Path

from media.errors import MediaError
from storage.database import is_disk_full
from storage.errors import StoreAway, StoreFull
from storage.room import lacks_room

_NO_SPACE = "No space left on device"  # strerror(ENOSPC), as it stands in the words of the tools


class NoRoom(Exception):
    """The disk for the temporary files of runs is full; the work is done when there is room."""


def ends_by_itself(error: BaseException) -> bool:
    """Whether waiting is all that there is to do. Such work is never given up, however long it takes."""
    return isinstance(error, NoRoom | StoreAway | StoreFull) or is_disk_full(error)


def check_room(folder: Path, size_bytes: int = 0) -> None:
    """Nothing, or NoRoom: so many bytes more do not fit on the disk of this folder."""
    if lacks_room(folder, size_bytes):
        raise NoRoom(f"no room for {size_bytes} bytes in {folder}; free some disk space")


def blame_full_disk(error: MediaError, folder: Path) -> None:
    """NoRoom where a tool failed as its disk is full: that says nothing of the file. Else nothing."""
    if _NO_SPACE in str(error) or lacks_room(folder):
        raise NoRoom(f"no room for what is made in {folder}; free some disk space") from error
