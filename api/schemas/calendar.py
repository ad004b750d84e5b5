"""The newsroom's calendar: which days are worked, and from when to when."""

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.base import Body, Line, Shown, TextShown, refuse


class WorkingDayOrder(Body):
    """Whether a day is worked, whatever the Chinese calendar says of it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"is_workday": False, "name": "台庆放假"}, {"is_workday": True}]}
    )
    is_workday: bool
    name: Line = Field("", max_length=100)


class WorkingDayShown(Shown):
    """One day."""

    day: date
    is_workday: bool
    name: str = Field(description="Of the holiday, or what an administrator wrote; empty on ordinary days.")
    source: str = Field(
        description="`newsroom`: an administrator's word; `chinese_calendar`: the State Council's notice; "
        "`weekday`: no notice is known for that year, so Monday to Friday."
    )


class WorkingDays(Shown):
    """The days of a year, or one. `warning` says when holidays of that year are not known yet."""

    days: list[WorkingDayShown]
    warning: TextShown | None


def _existing_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        zh = "没有这个时区，请用 IANA 名称，如 Asia/Shanghai。"
        raise refuse(zh, "There is no such time zone; use an IANA name, as Asia/Shanghai.") from error
    return value


ClockTime = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["08:30"])]
Zone = Annotated[Line, Field(max_length=100), AfterValidator(_existing_zone)]


class WorkingHoursOrder(Body):
    """Opening and closing on the wall clock. Closing at or before opening is on the next day."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"opens_at": "08:30", "closes_at": "17:30", "zone": "Asia/Shanghai"}],
        }
    )
    opens_at: ClockTime
    closes_at: ClockTime
    zone: Zone


class WorkingHoursShown(Shown):
    """The newsroom's hours."""

    opens_at: str
    closes_at: str
    zone: str
