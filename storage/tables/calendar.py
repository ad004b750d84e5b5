"""The newsroom's calendar: its hours, and the days on which it differs from the country's."""

from datetime import date, time

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel


class WorkingDay(SQLModel, table=True):
    """A day that an administrator declared to be a working day or a day off."""

    __tablename__ = "working_day"
    day: date = Field(primary_key=True)
    is_workday: bool
    name: str = ""


class WorkingHoursRow(SQLModel, table=True):
    """Opening and closing on the wall clock of a zone; one row."""

    __tablename__ = "working_hours"
    __table_args__ = (CheckConstraint("id = 1", name="working_hours_one_row"),)
    id: int = Field(default=1, primary_key=True)
    opens_at: time
    closes_at: time
    zone: str
