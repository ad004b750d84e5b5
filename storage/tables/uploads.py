"""Files on their way: each upload from its creation to its end, by either door."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import json_list, maybe_moment, moment

# Ended, and its bytes under `incoming/` are still to be removed. What was joined goes with the whole.
UNCLEAN = "cleaned_at IS NULL AND state NOT IN ('open', 'joined')"


class Upload(SQLModel, table=True):
    """An upload in parts, from its creation to its end."""

    __table_args__ = (
        # What a person has open, and what one sent in a day: quotas ask at every creation.
        Index("upload_person", "person_id", "created_at"),
        Index("upload_open", "expires_at", postgresql_where=text("state = 'open'")),
        Index("upload_unclean", "id", postgresql_where=text(UNCLEAN)),
        Index("upload_content", "content_sha256", postgresql_where=text("state = 'open'")),
    )
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    submission_id: UUID = Field(foreign_key="submission.id", index=True)
    person_id: UUID = Field(foreign_key="person.id")
    state: str = (
        "open"  # open, completed, aborted, expired; joined: a part of another upload, which has its bytes
    )
    door: str = Field(default="parts", sa_column_kwargs={"server_default": "parts"})  # parts, tus
    filename: str
    media_type: str | None = None  # as the client declared it; intake decides
    caption: str = ""
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str | None = None  # as the client declared it
    content_sha256: str | None = None  # as it was read back: while open, nobody removes this content
    part_size_bytes: int
    object_key: str
    s3_upload_id: str = ""  # empty until the store gave one
    asset_id: UUID | None = Field(default=None, foreign_key="asset.id")
    # tus only: how much is in the store for good, and the pieces after the last whole part: pairs of key and size.
    offset_bytes: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    tails: list[Any] = json_list()
    concat: str | None = None  # partial, final
    joins: list[Any] = json_list()  # of a final one: the ids of its parts, in order
    tus_metadata: str | None = None  # as it was given, for HEAD
    # Who works on it now (storage.uploads_lease): a lease, so that a dead writer keeps nobody waiting.
    writer: UUID | None = None
    writer_until: datetime | None = maybe_moment()
    is_stop_wanted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    cleaned_at: datetime | None = maybe_moment()  # when nothing of it was left under `incoming/`
    created_at: datetime = moment()
    expires_at: datetime = moment(index=True)
