"""A time on the newsroom's wall clock, with its zone: what a person means by 'eight tomorrow morning'."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class NotAWallTime(ValueError):
    """No such wall-clock time: the local time takes no offset, and the zone is an IANA name."""


@dataclass(frozen=True, slots=True)
class WallTime:
    """`local` as ISO 8601 without an offset, to the minute or second; `zone` as an IANA name.

    Raises NotAWallTime. A time that a clock change skips counts as if the clock had not changed, so it falls
    as much later on the new clock; one that occurs twice is the first of the two (PEP 495, fold 0).
    """

    local: str
    zone: str

    def __post_init__(self) -> None:
        self.instant()

    def instant(self) -> datetime:
        """The moment, in UTC, by the zone rules that are installed now."""
        try:
            local = datetime.fromisoformat(self.local)
            zone = ZoneInfo(self.zone)
        except (ValueError, ZoneInfoNotFoundError, OSError) as error:
            raise NotAWallTime(f"{self.local!r} in {self.zone!r}: {error}") from error
        if local.tzinfo is not None:
            raise NotAWallTime(f"{self.local!r} has an offset of its own; the zone says what is meant")
        try:
            return local.replace(tzinfo=zone).astimezone(UTC)
        except OverflowError as error:  # the first or last hours that a datetime can hold
            raise NotAWallTime(f"{self.local!r} in {self.zone!r}: {error}") from error

    def to_json(self) -> dict[str, str]:
        """Both parts, as strings."""
        return {"local": self.local, "zone": self.zone}

    @classmethod
    def from_json(cls, value: Mapping[str, str] | None) -> "WallTime | None":
        """The inverse of `to_json`; None stays None."""
        return None if value is None else cls(value["local"], value["zone"])
