"""Deadlines in working time: nights, weekends, holidays, make-up days, night shifts, clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.deadlines import DueTimes, NoWorkingTime, WorkingHours, WorkingTime, due, stage_times
from states.item import State
from states.roles import Role
from states.text import Text
from states.workflow import Deadline, Stage

SHANGHAI = "Asia/Shanghai"
DAY = WorkingHours(time(8, 30), time(17, 30), SHANGHAI)
NIGHT = WorkingHours(time(22), time(6), SHANGHAI)
ALWAYS = WorkingHours(time(0), time(0), SHANGHAI)
# National Day 2026 and Mid-Autumn as the State Council set them: what the package says is tested in storage.
OFF = {date(2026, 9, 25)} | {date(2026, 10, day) for day in range(1, 8)}
MADE_UP = {date(2026, 9, 20), date(2026, 10, 10)}


def is_workday(day: date) -> bool:
    return day in MADE_UP or (day.weekday() < 5 and day not in OFF)


def at(text: str, zone: str = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("hours", "entered", "minutes", "expected"),
    [
        pytest.param(DAY, "2026-11-18T09:00", 240, "2026-11-18T13:00", id="within one day"),
        pytest.param(DAY, "2026-11-18T16:30", 240, "2026-11-19T11:30", id="over one night"),
        pytest.param(DAY, "2026-11-18T03:00", 30, "2026-11-18T09:00", id="sent in at night"),
        pytest.param(DAY, "2026-11-18T08:30", 540, "2026-11-18T17:30", id="to the end of the day"),
        pytest.param(DAY, "2026-11-18T17:30", 1, "2026-11-19T08:31", id="sent in as the doors close"),
        pytest.param(DAY, "2026-11-20T17:00", 60, "2026-11-23T09:00", id="over a weekend"),
        pytest.param(DAY, "2026-11-21T12:00", 60, "2026-11-23T09:30", id="sent in on a Saturday"),
        pytest.param(DAY, "2026-09-30T17:00", 60, "2026-10-08T09:00", id="over National Day week"),
        pytest.param(DAY, "2026-10-09T17:00", 60, "2026-10-10T09:00", id="a Saturday made up"),
        pytest.param(DAY, "2026-09-19T12:00", 60, "2026-09-20T09:30", id="a Sunday made up"),
        pytest.param(DAY, "2026-11-18T09:00", 5 * 540, "2026-11-25T09:00", id="a working week"),
        pytest.param(DAY, "2026-11-21T12:00", 0, "2026-11-21T12:00", id="no minutes"),
        pytest.param(NIGHT, "2026-11-18T23:00", 300, "2026-11-19T04:00", id="past midnight"),
        pytest.param(NIGHT, "2026-11-19T01:00", 60, "2026-11-19T02:00", id="in the shift of the day before"),
        pytest.param(
            NIGHT, "2026-11-21T05:00", 120, "2026-11-23T23:00", id="Friday's shift ends on Saturday"
        ),
        pytest.param(NIGHT, "2026-11-23T03:00", 60, "2026-11-23T23:00", id="no shift began on Sunday"),
        pytest.param(
            ALWAYS, "2026-11-20T23:00", 120, "2026-11-23T01:00", id="round the clock but the weekend"
        ),
    ],
)
def test_due_is_counted_in_working_time(
    hours: WorkingHours, entered: str, minutes: int, expected: str
) -> None:
    found = due(at(entered), minutes, hours, is_workday)
    assert found == at(expected)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("entered", "minutes", "expected"),
    [
        pytest.param("2026-03-28T23:00", 180, "2026-03-29T03:00", id="a shift that loses an hour"),
        pytest.param("2026-10-24T23:00", 300, "2026-10-25T03:00", id="a shift that gains one"),
    ],
)
def test_due_across_a_clock_change_counts_minutes_that_passed(
    entered: str, minutes: int, expected: str
) -> None:
    berlin = WorkingHours(time(22), time(6), "Europe/Berlin")
    found = due(at(entered, "Europe/Berlin"), minutes, berlin, lambda day: True)
    assert found == at(expected, "Europe/Berlin")


def test_due_of_a_shift_that_a_clock_change_swallows_is_in_the_next_one() -> None:
    hours = WorkingHours(time(2, 30), time(3, 10), "Europe/Berlin")  # 02:30 is 03:30 on that day
    found = due(at("2026-03-29T00:00", "Europe/Berlin"), 10, hours, lambda day: True)
    assert found == at("2026-03-30T02:40", "Europe/Berlin")


def test_due_with_a_calendar_without_working_days_is_an_error_not_a_loop() -> None:
    with pytest.raises(NoWorkingTime):
        due(at("2026-11-18T09:00"), 1, DAY, lambda day: False)


@pytest.mark.parametrize("zone", ["Asia/Peking", "", "../etc/passwd", "a\0b"])
def test_hours_of_a_zone_that_does_not_exist_are_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        WorkingHours(time(8), time(17), zone)


BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=700)).map(lambda passed: BEGINNING + passed)
MINUTES = st.integers(1, 3000)
TIMES = st.times().map(lambda each: each.replace(second=0, microsecond=0))
HOURS = st.builds(
    WorkingHours, TIMES, TIMES, st.sampled_from([SHANGHAI, "Europe/Berlin", "America/St_Johns"])
).filter(lambda hours: sum(_lengths(hours), timedelta()) >= timedelta(minutes=30))


def _lengths(hours: WorkingHours) -> list[timedelta]:
    opens, closes = hours.shift(date(2026, 11, 18))
    return [closes - opens]


@given(MOMENTS, MINUTES, HOURS)
def test_due_lies_inside_working_hours(entered: datetime, minutes: int, hours: WorkingHours) -> None:
    found = due(entered, minutes, hours, is_workday)
    assert found >= entered + timedelta(minutes=minutes)
    local = found.astimezone(ZoneInfo(hours.zone)).date()
    shifts = [hours.shift(day) for day in (local - timedelta(days=1), local) if is_workday(day)]
    assert any(opens < found <= closes for opens, closes in shifts)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=20)), MINUTES, HOURS)
def test_due_of_what_comes_later_is_not_earlier(
    entered: datetime, later: timedelta, minutes: int, hours: WorkingHours
) -> None:
    first = due(entered, minutes, hours, is_workday)
    assert due(entered + later, minutes, hours, is_workday) >= first
    assert due(entered, minutes + 1, hours, is_workday) > first


@given(MOMENTS, MINUTES, MINUTES, HOURS)
def test_due_after_two_spans_is_due_after_their_sum(
    entered: datetime, one: int, two: int, hours: WorkingHours
) -> None:
    halfway = due(entered, one, hours, is_workday)
    assert due(halfway, two, hours, is_workday) == due(entered, one + two, hours, is_workday)


def _stage(deadline: Deadline | None) -> Stage:
    return Stage(
        "first_review", State.FIRST_REVIEW, Text("初审", "first"), Role.DUTY_EDITOR, None, 1, deadline
    )


@pytest.mark.parametrize(
    ("deadline", "is_fast_track", "due_at", "remind_at"),
    [
        pytest.param(Deadline(240, 30, 60), False, "2026-11-23T12:00", "2026-11-23T11:00", id="ordinary"),
        pytest.param(Deadline(240, 30, 60), True, "2026-11-20T17:30", "2026-11-20T17:15", id="half-way"),
        pytest.param(Deadline(240, 90, 10), True, "2026-11-20T18:30", "2026-11-20T18:20", id="by the clock"),
        pytest.param(
            Deadline(60, 30, 45), False, "2026-11-23T09:00", "2026-11-20T17:30", id="half on Friday"
        ),
        pytest.param(Deadline(240, 30, 0), False, "2026-11-23T12:00", None, id="no reminder"),
    ],
)
def test_stage_times_follow_the_deadline(
    deadline: Deadline, is_fast_track: bool, due_at: str, remind_at: str | None
) -> None:
    working = WorkingTime(DAY, is_workday)
    found = stage_times(_stage(deadline), is_fast_track, at("2026-11-20T17:00"), working)
    assert found.due_at == found.escalate_at == at(due_at)
    assert found.remind_at == (None if remind_at is None else at(remind_at))


def test_stage_times_without_a_deadline_are_none() -> None:
    found = stage_times(_stage(None), False, at("2026-11-20T17:00"), WorkingTime(DAY, is_workday))
    assert found == DueTimes(None, None, None)


def test_stage_times_of_a_deadline_that_is_never_reached_are_none() -> None:
    """The piece goes on without one; an administrator's slip keeps nobody from sending in."""
    working = WorkingTime(DAY, lambda day: False)
    entered = at("2026-11-20T17:00")
    assert stage_times(_stage(Deadline(240, 30, 60)), False, entered, working) == DueTimes()
    assert stage_times(_stage(Deadline(240, 30, 60)), True, entered, working).due_at is not None
