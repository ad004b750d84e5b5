"""The newsroom's calendar: everybody may read it, administrators keep it. Deadlines are counted over it."""

from datetime import date, time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.asking import ADMINISTRATORS, Asker, Unit, require
from api.openapi import API, problems
from api.preconditions import IfMatch, content_tag, require_current
from api.schemas.base import TextShown
from api.schemas.calendar import (
    WorkingDayOrder,
    WorkingDays,
    WorkingDayShown,
    WorkingHoursOrder,
    WorkingHoursShown,
)
from states.deadlines import WorkingHours
from states.text import Text
from storage.tables import WorkingDay
from storage.working_days import (
    Day,
    DaySource,
    day_of,
    days_of,
    declare_day,
    hold_calendar,
    is_known_year,
    set_working_hours,
    undeclare_day,
    working_hours,
)

router = APIRouter(prefix=API, tags=["calendar"])
_CHANGE = problems("role-missing", "not-found", "stale-version", "precondition-required", "invalid-request")


def _shown(year: int, days: list[Day]) -> WorkingDays:
    text = Text(
        f"{year} 年的节假日安排尚未收录：除另行设定的日子外，周一至周五按工作日计算。"
        "请在国务院公布后更新软件，或逐日设定。",
        f"The holidays of {year} are not known yet: Monday to Friday count as working days, but for days that "
        "were set. Upgrade when the State Council has published them, or set the days one by one.",
    )
    return WorkingDays(
        days=[WorkingDayShown.model_validate(day) for day in days],
        warning=None if is_known_year(year) else TextShown.of(text),
    )


@router.get("/working-days", summary="全年工作日历 · A year's days", responses=problems("invalid-request"))
async def year(_asker: Asker, unit: Unit, year: Annotated[int, Query(ge=2000, le=2100)]) -> WorkingDays:
    """Every day of the year, each with where it comes from."""
    return _shown(year, await days_of(unit, year))


@router.get(
    "/working-days/{day}",
    summary="某日是否上班 · One day",
    responses=problems("not-found", "invalid-request"),
)
async def one_day(day: date, _asker: Asker, unit: Unit, response: Response) -> WorkingDays:
    """The day, and where it comes from."""
    return _tagged_day(await day_of(unit, day), response)


@router.put(
    "/working-days/{day}",
    summary="设定某日 · Set a day",
    responses=_CHANGE,
)
async def set_day(
    day: date,
    order: WorkingDayOrder,
    asker: Asker,
    unit: Unit,
    response: Response,
    if_match: IfMatch = None,
) -> WorkingDays:
    """Say whether the day is worked. Deadlines that are set already stay as they are; new ones follow in a minute."""
    require(asker, ADMINISTRATORS, "set_working_day")
    await hold_calendar(unit)
    require_current(if_match, _shown(day.year, [await day_of(unit, day)]))
    declared = WorkingDay(day=day, is_workday=order.is_workday, name=order.name)
    await declare_day(unit, declared, UUID(asker.person_id))
    return _tagged_day(await day_of(unit, day), response)


@router.delete(
    "/working-days/{day}",
    status_code=204,
    summary="取消设定 · Let the calendar decide",
    responses=_CHANGE,
)
async def unset_day(day: date, asker: Asker, unit: Unit, if_match: IfMatch = None) -> Response:
    """Take back what was set for the day; the Chinese calendar decides again."""
    require(asker, ADMINISTRATORS, "unset_working_day")
    await hold_calendar(unit)
    seen = await day_of(unit, day)
    if seen.source is DaySource.NEWSROOM:  # else there is nothing to take back, which is said below
        require_current(if_match, _shown(day.year, [seen]))
    await undeclare_day(unit, day, UUID(asker.person_id))
    return Response(status_code=204)


@router.get("/working-hours", summary="上班时间 · Working hours", responses=problems())
async def hours(_asker: Asker, unit: Unit, response: Response) -> WorkingHoursShown:
    """Opening and closing, and the zone of that clock."""
    return _tagged_hours(await working_hours(unit), response)


@router.put(
    "/working-hours",
    summary="设定上班时间 · Set the working hours",
    responses=problems("role-missing", "stale-version", "precondition-required", "invalid-request"),
)
async def set_hours(
    order: WorkingHoursOrder, asker: Asker, unit: Unit, response: Response, if_match: IfMatch = None
) -> WorkingHoursShown:
    """Change the hours. Deadlines that are set already stay as they are; new ones follow in a minute."""
    require(asker, ADMINISTRATORS, "set_working_hours")
    await hold_calendar(unit)
    require_current(if_match, _hours_shown(await working_hours(unit)))
    opens_at, closes_at = time.fromisoformat(order.opens_at), time.fromisoformat(order.closes_at)
    hours = WorkingHours(opens_at, closes_at, order.zone)
    await set_working_hours(unit, hours, UUID(asker.person_id))
    return _tagged_hours(hours, response)


def _tagged_day(day: Day, response: Response) -> WorkingDays:
    shown = _shown(day.day.year, [day])
    response.headers["ETag"] = content_tag(shown)
    return shown


def _tagged_hours(hours: WorkingHours, response: Response) -> WorkingHoursShown:
    shown = _hours_shown(hours)
    response.headers["ETag"] = content_tag(shown)
    return shown


def _hours_shown(hours: WorkingHours) -> WorkingHoursShown:
    return WorkingHoursShown(
        opens_at=f"{hours.opens_at:%H:%M}", closes_at=f"{hours.closes_at:%H:%M}", zone=hours.zone
    )
