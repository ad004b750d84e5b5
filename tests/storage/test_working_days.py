"""The newsroom's calendar: the State Council's holidays, an administrator's word over it, and its hours."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from states.deadlines import DueTimes, WorkingHours
from states.workflow import STANDARD
from storage import working_days
from storage.deadlines import due_times
from storage.errors import NotFound
from storage.tables import WorkingDay
from storage.working_days import (
    DaySource,
    day_of,
    days_of,
    declare_day,
    is_known_year,
    set_working_hours,
    undeclare_day,
    working_hours,
)

STAGE = STANDARD.by_key["first_review"]


def at(local: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def _admin(newsroom: Any) -> UUID:
    admin: UUID = newsroom.people["admin"].id
    return admin


async def _due(newsroom: Any, local: str, *, is_fast_track: bool = False) -> DueTimes:
    async with newsroom.db.transaction() as session:
        return await due_times(session, STAGE, is_fast_track, at(local))


@pytest.mark.parametrize(
    ("day", "is_workday"),
    [
        (date(2026, 9, 30), True),
        *(
            (date(2026, 10, number), False) for number in range(1, 8)
        ),  # National Day, the State Council's 2026
        (date(2026, 10, 8), True),
        (date(2026, 10, 10), True),  # a Saturday, made up
        (date(2026, 2, 17), False),  # New Year's Day of the lunar calendar
        (date(2026, 11, 21), False),
        (date(2026, 11, 23), True),
    ],
)
async def test_day_of_a_known_year_is_as_the_state_council_says(
    newsroom: Any, day: date, is_workday: bool
) -> None:
    async with newsroom.db.transaction() as session:
        found = await day_of(session, day)
    assert (found.is_workday, found.source) == (is_workday, DaySource.CHINESE_CALENDAR)


async def test_year_that_nobody_knows_counts_weekdays_and_says_so(newsroom: Any) -> None:
    async with newsroom.db.transaction() as session:
        days = await days_of(session, 2031)
    assert len(days) == 365
    assert {day.source for day in days} == {DaySource.WEEKDAY}
    assert all(day.is_workday == (day.day.weekday() < 5) for day in days)
    assert not is_known_year(2031)
    assert not is_known_year(2003)
    assert is_known_year(2004)


async def test_deadline_goes_over_national_day_week(newsroom: Any) -> None:
    found = await _due(newsroom, "2026-09-30T17:00")
    assert found == DueTimes(at("2026-10-08T12:00"), at("2026-10-08T11:00"), at("2026-10-08T12:00"))
    fast = await _due(newsroom, "2026-10-01T03:00", is_fast_track=True)
    assert fast.due_at == at("2026-10-01T03:30")


async def test_declared_day_moves_deadlines_until_it_is_taken_back(newsroom: Any) -> None:
    admin, day = _admin(newsroom), date(2026, 12, 7)
    before = await _due(newsroom, "2026-12-04T17:00")
    async with newsroom.db.transaction() as session:
        await declare_day(session, WorkingDay(day=day, is_workday=True, name="先"), admin)
        await declare_day(session, WorkingDay(day=day, is_workday=False, name="台庆"), admin)
    async with newsroom.db.transaction() as session:
        found = await day_of(session, day)
    assert (found.is_workday, found.name, found.source) == (False, "台庆", DaySource.NEWSROOM)
    assert (await _due(newsroom, "2026-12-04T17:00")).due_at == at("2026-12-08T12:00")
    async with newsroom.db.transaction() as session:
        await undeclare_day(session, day, admin)
    assert await _due(newsroom, "2026-12-04T17:00") == before
    async with newsroom.db.transaction() as session:
        with pytest.raises(NotFound):
            await undeclare_day(session, day, admin)


async def test_hours_are_seeded_and_can_be_changed(newsroom: Any) -> None:
    seeded = WorkingHours(time(8, 30), time(17, 30), "Asia/Shanghai")
    nights = WorkingHours(time(22), time(6), "Asia/Shanghai")
    async with newsroom.db.transaction() as session:
        assert await working_hours(session) == seeded
        await set_working_hours(session, nights, _admin(newsroom))
    assert (await _due(newsroom, "2026-11-18T23:00")).due_at == at("2026-11-19T03:00")
    async with newsroom.db.transaction() as session:
        await set_working_hours(session, seeded, _admin(newsroom))
        journal = await session.exec(text("SELECT action, facts->>'opens_at' FROM journal"))  # type: ignore[call-overload]
        assert ("working_hours_set", "22:00:00") in journal.all()


async def test_second_deadline_within_a_minute_costs_no_query(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _due(newsroom, "2026-11-18T09:00")
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    engine = newsroom.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await _due(newsroom, "2026-11-18T09:00")
        assert statements == []
        monkeypatch.setattr(working_days, "_KEPT_S", 0.0)
        await _due(newsroom, "2026-11-18T09:00")
        assert len(statements) == 2
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_change_by_another_process_counts_once_the_minute_is_over(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await _due(newsroom, "2026-12-11T17:00")).due_at == at("2026-12-14T12:00")
    async with newsroom.db.transaction() as session:
        session.add(WorkingDay(day=date(2026, 12, 14), is_workday=False))
    assert (await _due(newsroom, "2026-12-11T17:00")).due_at == at("2026-12-14T12:00")
    monkeypatch.setattr(working_days, "_KEPT_S", 0.0)
    found = await _due(newsroom, "2026-12-11T17:00")
    assert found.due_at == at("2026-12-15T12:00")
    assert found.due_at.tzinfo is UTC
