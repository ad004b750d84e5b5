"""When a review is due: working time, counted over opening hours and working days. Knows no calendar itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from states.workflow import Deadline, Stage

IsWorkday = Callable[[date], bool]

# Whoever has no working day in so long has a calendar that is wrong, and a deadline must not loop for ever.
_HORIZON_DAYS = 3 * 366


class NoWorkingTime(ValueError):
    """The calendar has too little working time within three years for this deadline."""


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Opening and closing on the wall clock of an IANA zone.

    Closing at or before opening is on the next day: a night shift belongs to the day on which it begins, and
    the same time twice is round the clock. Raises ValueError for a zone that does not exist.
    """

    opens_at: time
    closes_at: time
    zone: str

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ValueError, ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(f"no time zone {self.zone!r}") from error

    def shift(self, day: date) -> tuple[datetime, datetime]:
        """Opening and closing of a working day, in UTC; a clock change makes it shorter or longer."""
        is_overnight = self.closes_at <= self.opens_at
        return (
            self._instant(day, self.opens_at),
            self._instant(day + timedelta(days=is_overnight), self.closes_at),
        )

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """The newsroom's hours with its calendar: what a deadline is counted over."""

    hours: WorkingHours
    is_workday: IsWorkday


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When a stage is due, when its holder is reminded, when it is escalated; in UTC, None: never."""

    due_at: datetime | None = None
    remind_at: datetime | None = None
    escalate_at: datetime | None = None


def due(entered_at: datetime, minutes: int, hours: WorkingHours, is_workday: IsWorkday) -> datetime:
    """The first moment by which `minutes` of working time have passed since `entered_at`; in UTC.

    No minutes are over at once, outside of working hours too. Raises NoWorkingTime.
    """
    entered_at = entered_at.astimezone(UTC)  # arithmetic within a zone would be that of its wall clock
    missing = timedelta(minutes=minutes)
    if missing <= timedelta(0):
        return entered_at
    for opens, closes in _shifts(entered_at, hours, is_workday):
        begins = max(opens, entered_at)
        if closes - begins >= missing:
            return begins + missing
        missing -= max(closes - begins, timedelta(0))
    raise NoWorkingTime(f"{minutes} min of working time after {entered_at}")


def _shifts(
    entered_at: datetime, hours: WorkingHours, is_workday: IsWorkday
) -> Iterator[tuple[datetime, datetime]]:
    """The working shifts from the one before the moment on, which may last beyond midnight."""
    first = entered_at.astimezone(ZoneInfo(hours.zone)).date() - timedelta(days=1)
    for number in range(_HORIZON_DAYS):
        day = first + timedelta(days=number)
        if is_workday(day):
            yield hours.shift(day)


def stage_times(stage: Stage, is_fast_track: bool, entered_at: datetime, working: WorkingTime) -> DueTimes:
    """The times of a piece that enters `stage` at `entered_at`; none of them without a deadline, or with one
    that the calendar never reaches: a piece is not refused for that.

    On the fast track minutes count by the clock. The reminder comes `remind_min` before the deadline (0:
    none), but not before half of the time has gone.
    """
    deadline = stage.deadline
    if deadline is None:
        return DueTimes()
    total, reminder = _minutes(deadline, is_fast_track)

    def after(minutes: int) -> datetime:
        if is_fast_track:
            return entered_at.astimezone(UTC) + timedelta(minutes=minutes)
        return due(entered_at, minutes, working.hours, working.is_workday)

    try:
        due_at = after(total)
        return DueTimes(due_at, None if reminder is None else after(reminder), due_at)
    except NoWorkingTime:
        return DueTimes()


def _minutes(deadline: Deadline, is_fast_track: bool) -> tuple[int, int | None]:
    total = deadline.fast_track_min if is_fast_track else deadline.ordinary_min
    lead = min(deadline.remind_min, total // 2)
    return total, total - lead if lead > 0 else None
