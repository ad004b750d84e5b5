"""Temporary files of runs: each run has a folder of its own, which goes with it however it ends.

A worker keeps its folders in one place and locks it. What a killed worker left is unlocked, and removed by the next.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "sanshen-worker-"
_LOCK = "lock"


class Scratch:
    """The folders of one worker process."""

    def __init__(self) -> None:
        self._place: Path | None = None
        self._lock: int | None = None  # held as long as the process lives

    def folder(self) -> Path:
        """A new, empty folder for one run. The first call removes what dead workers left."""
        if self._place is None:
            self._place = self._open()
            remove_left_over(self._place.parent)
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._place))

    def _open(self) -> Path:
        place = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(place / _LOCK)
        return place

    def close(self) -> None:
        """Remove the place itself."""
        if self._place is not None and self._lock is not None:
            shutil.rmtree(self._place, ignore_errors=True)
            os.close(self._lock)
            self._place = self._lock = None


def remove_left_over(among: Path) -> None:
    """Remove the folders of workers that are gone. One that another host's or user's worker holds stays."""
    for place in among.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, in use, or just removed
            lock = _locked(place / _LOCK, is_new=False)
            shutil.rmtree(place, ignore_errors=True)
            os.close(lock)


def _locked(path: Path, *, is_new: bool = True) -> int:
    """A locked descriptor, not inherited by children. OSError: there is none, or another process has it."""
    lock = os.open(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if is_new else 0), 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
