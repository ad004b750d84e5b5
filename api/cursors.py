"""Opaque cursors of lists: the last row of a page, by its time of change and id."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.problems import invalid_field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = 4_000_000_000_000_000  # the year 2096: beyond it is no row of ours
_LARGEST_NUMBER = 2**31 - 1


def write_cursor(at: datetime, row_id: UUID) -> str:
    """The cursor behind a row; times are exact to the microsecond."""
    return _write(at, row_id.bytes)


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The row behind which the page begins. Raises InvalidFields for what is no cursor of ours."""
    at, raw = _read(cursor, 16)
    return at, UUID(bytes=raw)


def write_place(at: datetime, item_id: UUID, number: int) -> str:
    """As `write_cursor`, where a row is named by an item and its number."""
    return _write(at, item_id.bytes + number.to_bytes(4, "big"))


def read_place(cursor: str) -> tuple[datetime, UUID, int]:
    """The inverse of `write_place`. Raises InvalidFields."""
    at, raw = _read(cursor, 20)
    number = int.from_bytes(raw[16:], "big")
    if number > _LARGEST_NUMBER:
        raise _not_ours()
    return at, UUID(bytes=raw[:16]), number


def _write(at: datetime, row: bytes) -> str:
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(microseconds.to_bytes(8, "big") + row).decode()


def _read(cursor: str, row_bytes: int) -> tuple[datetime, bytes]:
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise _not_ours() from error
    microseconds = int.from_bytes(raw[:8], "big")
    if len(raw) != 8 + row_bytes or microseconds > _LATEST_US:
        raise _not_ours()
    return _EPOCH + timedelta(microseconds=microseconds), raw[8:]


def _not_ours() -> Exception:
    return invalid_field(
        "cursor",
        "不是有效的游标，请用上一页返回的 next。",
        "This is no cursor; use the `next` that the page before gave.",
    )
