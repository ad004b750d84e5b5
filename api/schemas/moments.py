"""Times that requests name: with a zone, and in a year that a calendar of ours knows."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from api.schemas.base import refuse

_YEARS = range(1970, 2101)  # beyond them a change of zone could leave what the database keeps


def _in_our_time(value: datetime) -> datetime:
    if value.year not in _YEARS:
        raise refuse("年份须在 1970 至 2100 之间。", "The year must be between 1970 and 2100.")
    return value


ZonedTime = Annotated[AwareDatetime, AfterValidator(_in_our_time)]
