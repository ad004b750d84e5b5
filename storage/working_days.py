"""Which days are worked, and when: the Chinese calendar, and what an administrator says otherwise."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from uuid import UUID
from weakref import WeakKeyDictionary

import chinese_calendar
from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.deadlines import WorkingHours, WorkingTime
from storage.errors import NotFound
from storage.journal import write_journal
from storage.tables import WorkingDay, WorkingHoursRow

_KEPT_S = 60.0
# https://github.com/LKI/chinese-calendar: by the State Council's yearly notices, and so never a year ahead of them.
_KNOWN_YEARS = range(
    min(chinese_calendar.holidays).year,
    max(chinese_calendar.holidays).year + 1,
)


class DaySource(StrEnum):
    """Who says whether a day is worked."""

    NEWSROOM = "newsroom"
    CHINESE_CALENDAR = "chinese_calendar"
    WEEKDAY = "weekday"  # nobody knows yet: Monday to Friday


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the newsroom's calendar; `name` is that of a holiday, or what the administrator wrote."""

    day: date
    is_workday: bool
    name: str
    source: DaySource


@dataclass(frozen=True, slots=True)
class _Cached:
    hours: WorkingHours
    days: Mapping[date, bool]
    read_at_s: float

    def is_workday(self, day: date) -> bool:
        declared = self.days.get(day)
        return _by_calendar(day).is_workday if declared is None else declared


# By engine, as one process may serve several databases; at most a minute old.
_CACHE: WeakKeyDictionary[object, _Cached] = WeakKeyDictionary()


def is_known_year(year: int) -> bool:
    """Whether the Chinese calendar's holidays and make-up days of that year are known."""
    return year in _KNOWN_YEARS


@lru_cache(maxsize=4096)  # the package looks a day up in 0.1 ms, and every deadline asks for several
# The package looks through all its years for every day it is asked for; a decision must not wait for that.
@lru_cache(maxsize=4096)
def _by_calendar(day: date) -> Day:
    if not is_known_year(day.year):
        return Day(day, day.weekday() < 5, "", DaySource.WEEKDAY)
    _, name = chinese_calendar.get_holiday_detail(day)
    return Day(day, chinese_calendar.is_workday(day), name or "", DaySource.CHINESE_CALENDAR)


async def working_time(session: AsyncSession) -> WorkingTime:
    """The hours and the calendar that deadlines are counted over; a change elsewhere counts within a minute."""
    engine = session.get_bind()
    cached = _CACHE.get(engine)
    if cached is None or time.monotonic() - cached.read_at_s >= _KEPT_S:
        cached = _CACHE[engine] = await _read(session)
    return WorkingTime(cached.hours, cached.is_workday)


async def _read(session: AsyncSession) -> _Cached:
    rows = await session.exec(select(col(WorkingDay.day), col(WorkingDay.is_workday)))
    days = dict(rows.all())
    return _Cached(await working_hours(session), MappingProxyType(days), time.monotonic())


async def hold_calendar(session: AsyncSession) -> None:
    """Keep other writers of hours and days out to the end of the transaction; readers go on."""
    connection = await session.connection()
    await connection.execute(text("LOCK TABLE working_hours, working_day IN SHARE ROW EXCLUSIVE MODE"))


async def working_hours(session: AsyncSession) -> WorkingHours:
    """The newsroom's hours, as they are on disk."""
    row = (await session.exec(select(WorkingHoursRow))).one()
    return WorkingHours(row.opens_at, row.closes_at, row.zone)


async def set_working_hours(session: AsyncSession, hours: WorkingHours, actor_id: UUID) -> None:
    """Change the hours; deadlines that are set already stay as they are."""
    values = {"opens_at": hours.opens_at, "closes_at": hours.closes_at, "zone": hours.zone}
    await session.exec(update(WorkingHoursRow).values(**values))
    facts = {name: str(value) for name, value in values.items()}
    await write_journal(session, "working_hours_set", actor_id, "working_hours", facts)
    _forget(session)


async def day_of(session: AsyncSession, day: date) -> Day:
    """One day, and where it comes from."""
    return (await _days(session, day, day))[0]


async def days_of(session: AsyncSession, year: int) -> list[Day]:
    """Every day of a year, in order."""
    return await _days(session, date(year, 1, 1), date(year, 12, 31))


async def _days(session: AsyncSession, first: date, last: date) -> list[Day]:
    statement = select(WorkingDay).where(col(WorkingDay.day).between(first, last))
    declared = {
        row.day: Day(row.day, row.is_workday, row.name, DaySource.NEWSROOM)
        for row in await session.exec(statement.execution_options(populate_existing=True))
    }
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [declared.get(day) or _by_calendar(day) for day in days]


async def declare_day(session: AsyncSession, declared: WorkingDay, actor_id: UUID) -> None:
    """Say whether a day is worked, whatever the calendar says; said again, it replaces what was said."""
    values = {"day": declared.day, "is_workday": declared.is_workday, "name": declared.name}
    changed = {"is_workday": declared.is_workday, "name": declared.name}
    statement = insert(WorkingDay).values(**values)
    await session.exec(statement.on_conflict_do_update(index_elements=["day"], set_=changed))
    await write_journal(session, "working_day_set", actor_id, declared.day.isoformat(), changed)
    _forget(session)


async def undeclare_day(session: AsyncSession, day: date, actor_id: UUID) -> None:
    """Let the calendar decide again. Raises NotFound when nobody had said anything of that day."""
    if (await session.exec(delete(WorkingDay).where(col(WorkingDay.day) == day))).rowcount != 1:
        raise NotFound("working day", day)
    await write_journal(session, "working_day_unset", actor_id, day.isoformat(), {})
    _forget(session)


def _forget(session: AsyncSession) -> None:
    _CACHE.pop(session.get_bind(), None)
