"""What people say of a piece beside its text: comments, the reasons a newsroom keeps ready, unsaved work."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, text
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import json_object, maybe_json, maybe_moment, moment


class PresetReason(SQLModel, table=True):
    """A reason kept ready for one event. Records name it and hold its words; it is stopped, never deleted."""

    __tablename__ = "preset_reason"
    id: str = Field(primary_key=True)
    event: str
    zh: str
    en: str
    position: int = 0  # among those of its event
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})


class Comment(SQLModel, table=True):
    """A remark on one revision. A trigger refuses all changes but that it is resolved, once, or erased."""

    __table_args__ = (
        ForeignKeyConstraint(["submission_id", "item_seq"], ["event.submission_id", "event.item_seq"]),
        Index("comment_list", "submission_id", "number"),
    )
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    number: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True)))
    submission_id: UUID = Field(foreign_key="submission.id")
    revision_sha256: str
    author_id: UUID = Field(foreign_key="person.id")
    body: str
    salt: str | None = None  # of the body's commitment; none once the body is erased
    sha256: str  # as it stands on record
    anchor: dict[str, Any] | None = maybe_json()
    item_seq: int | None = None  # the event that it came with
    preset_reason_id: str | None = Field(default=None, foreign_key="preset_reason.id")
    reply_to: UUID | None = Field(default=None, foreign_key="comment.id")
    at: datetime = moment()
    resolved_at: datetime | None = maybe_moment()
    resolved_by: UUID | None = Field(default=None, foreign_key="person.id")


class Autosave(SQLModel, table=True):
    """What a person typed and has not saved: one copy for each piece, not on record."""

    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", primary_key=True)
    base_revision_number: int
    content: dict[str, Any] = json_object()
    saved_at: datetime = moment()
