"""A time on the wall clock: what is meant across changes of the clock, and what is no such time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.wall_time import NotAWallTime, WallTime

ZONES = ("Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")


@pytest.mark.parametrize(
    ("local", "zone", "instant"),
    [
        ("2026-05-04T08:00", "Asia/Shanghai", "2026-05-04T00:00:00"),
        ("2026-05-04T08:00:01", "Asia/Shanghai", "2026-05-04T00:00:01"),
        ("2026-05-04", "Asia/Shanghai", "2026-05-03T16:00:00"),
        # Shanghai had summer time from 1986 to 1991.
        ("1988-07-01T08:00", "Asia/Shanghai", "1988-06-30T23:00:00"),
        # The gap: 2026-03-29 02:00 to 03:00 in Berlin. 02:30 by the old clock is 03:30 by the new one.
        ("2026-03-29T01:59:59", "Europe/Berlin", "2026-03-29T00:59:59"),
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30:00"),
        ("2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00"),
        # The fold: 2026-10-25 02:00 to 03:00 is there twice; the first is meant.
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00"),
        ("2026-10-25T03:00", "Europe/Berlin", "2026-10-25T02:00:00"),
        # Lord Howe moves by half an hour.
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45:00"),
    ],
)
def test_instant_of_a_wall_time(local: str, zone: str, instant: str) -> None:
    assert WallTime(local, zone).instant() == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        ("2026-05-04T08:00+08:00", "Asia/Shanghai"),
        ("2026-05-04T08:00Z", "UTC"),
        ("2026-05-04T25:00", "UTC"),
        ("2026-02-30T08:00", "UTC"),
        ("tomorrow", "UTC"),
        ("", "UTC"),
        ("2026-05-04T08:00", "Asia/Peking Duck"),
        ("2026-05-04T08:00", ""),
        ("2026-05-04T08:00", "+08:00"),
        ("2026-05-04T08:00", "../../etc/passwd"),
        ("2026-05-04T08:00", "/etc/localtime"),
        ("2026-05-04T08:00", "Asia"),
        ("2026-05-04T08:00", "Asia/\x00"),
        ("2026-05-04T08:00", "\ud800"),
        ("2026-05-04T08:00", "x" * 5000),
        ("0001-01-01T00:00", "Asia/Shanghai"),
        ("9999-12-31T23:59", "America/New_York"),
    ],
)
def test_wall_time_that_is_none_is_refused(local: str, zone: str) -> None:
    with pytest.raises(NotAWallTime):
        WallTime(local, zone)


def test_wall_time_to_json_and_back_is_the_same_and_none_stays_none() -> None:
    eight = WallTime("2026-05-04T08:00", "Asia/Shanghai")
    assert eight.to_json() == {"local": "2026-05-04T08:00", "zone": "Asia/Shanghai"}
    assert WallTime.from_json(eight.to_json()) == eight
    assert WallTime.from_json(None) is None


# Without a zone: what stands on the wall.
moments = st.integers(0, 100 * 365 * 86_400).map(
    lambda seconds: datetime.fromisoformat("2000-01-01") + timedelta(seconds=seconds)
)


@given(moments, st.sampled_from(ZONES))
def test_instant_shown_in_its_zone_is_the_local_time_or_lies_just_behind_a_gap(
    local: datetime, zone: str
) -> None:
    instant = WallTime(local.isoformat(), zone).instant()
    shown = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert timedelta(0) <= shown - local <= timedelta(hours=1)
    if shown == local:  # and of two such moments it is the first
        assert instant.astimezone(ZoneInfo(zone)).fold == 0


@given(moments, st.sampled_from(ZONES), st.integers(0, 86_400))
def test_instant_of_a_later_time_beyond_any_clock_change_is_later(
    local: datetime, zone: str, seconds: int
) -> None:
    later = local + timedelta(hours=1, seconds=seconds)
    assert WallTime(local.isoformat(), zone).instant() <= WallTime(later.isoformat(), zone).instant()
