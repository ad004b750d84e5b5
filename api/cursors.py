"""Opaque cursors of lists: the last row of a page, by its time of change and id."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.problems import invalid_field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = 4_000_000_000_000_000  # the year 2096: beyond it is no row of ours
_BYTES = 24


def write_cursor(at: datetime, row_id: UUID) -> str:
    """The cursor behind a row; times are exact to the microsecond."""
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(microseconds.to_bytes(8, "big") + row_id.bytes).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The row behind which the page begins. Raises InvalidFields for what is no cursor of ours."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise _not_ours() from error
    microseconds = int.from_bytes(raw[:8], "big")
    if len(raw) != _BYTES or microseconds > _LATEST_US:
        raise _not_ours()
    return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=raw[8:])


def _not_ours() -> Exception:
    return invalid_field(
        "cursor",
        "不是有效的游标，请用上一页返回的 next。",
        "This is no cursor; use the `next` that the page before gave.",
    )
