"""Who makes which rendition at this moment."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import moment


class Making(SQLModel, table=True):
    """A rendition in the making. It counts as long as the lease of the attempt that makes it (`outbox`)."""

    rendition_key: str = Field(primary_key=True)
    outbox_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    attempt: int
    taken_at: datetime = moment()
