"""What columns of these tables have in common."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlmodel import Column, Field


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def moment(*, index: bool = False) -> Any:
    """A time that is always there: that of the insertion, unless given."""
    column = Column(DateTime(timezone=True), nullable=False, index=index, server_default=text("now()"))
    return Field(default_factory=now, sa_column=column)


def maybe_moment() -> Any:
    """A time that may be missing."""
    return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))


def json_object() -> Any:
    """A JSON object, empty at first."""
    return Field(default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))


def maybe_json() -> Any:
    """A JSON object that may be missing."""
    return Field(default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True))


def json_list() -> Any:
    """A JSON array, empty at first."""
    return Field(default_factory=list, sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))


def strings() -> Any:
    """An array of texts, empty at first."""
    return Field(
        default_factory=list, sa_column=Column(ARRAY(TEXT), nullable=False, server_default=text("'{}'"))
    )
