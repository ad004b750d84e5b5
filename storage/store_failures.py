"""What a failure of the object store means: full, away for a while, or a plain no."""

import errno
from pathlib import Path

from storage.errors import StoreAway, StoreFull, StoreUnavailable
from storage.room import lacks_room

# MinIO: minimum free space of a drive reached, quota of a bucket; Ceph: quota of a user or a bucket. The embedded
# gateway says nothing but InternalError (`storage.room` sees it for itself).
_FULL_CODES = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded")
_FULL_STATUS = 507
_NO_ROOM_HERE = (errno.ENOSPC, errno.EDQUOT)
_TOO_BUSY = (408, 429)
_NOT_KNOWN = 501  # said of a call that the store has not; it will not have it later either


def from_answer(status: int, code: str, message: str, folder: Path | None) -> StoreUnavailable:
    """The error for a refusal by the store. `folder`: its data, where they lie on this machine."""
    why = f"{code or status}: {message}"
    if status == _FULL_STATUS or code in _FULL_CODES:
        return StoreFull(why)
    if status in _TOO_BUSY or (status >= 500 and status != _NOT_KNOWN):
        return away(why, folder)
    return StoreUnavailable(why, code)


def from_silence(error: Exception, folder: Path | None) -> StoreUnavailable:
    """The error for a call that was not answered, or whose local file cannot be read or written."""
    if is_no_room(error):
        return StoreFull("no space left on a disk of this machine")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        return StoreUnavailable(f"{type(error).__name__}: {error}")
    return away(type(error).__name__, folder)


def away(why: str, folder: Path | None) -> StoreUnavailable:
    """StoreFull where the disk of the store is, else StoreAway: a full gateway fails in many ways."""
    try:
        is_full = folder is not None and lacks_room(folder)
    except OSError:
        is_full = False
    return StoreFull(why) if is_full else StoreAway(why)


def is_no_room(error: BaseException) -> bool:
    """Whether the system refused to write as a disk of this machine is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM_HERE
