"""What the station lays over its pieces: its logo and its clips."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import moment


class StationFile(SQLModel, table=True):
    """The file in one role. Its bytes lie under a key of their own: the piece it came with may be gone by now."""

    __tablename__ = "station_file"
    __table_args__ = (CheckConstraint("role IN ('logo', 'opening', 'closing')", name="station_file_role"),)
    role: str = Field(primary_key=True)
    sha256: str
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    filename: str
    object_key: str
    set_by: UUID = Field(foreign_key="person.id")
    set_at: datetime = moment()
