"""Work that follows from moves: the outbox, renditions, destinations, deliveries; and answers that are kept."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint, text
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import json_list, json_object, maybe_json, maybe_moment, moment


class OutboxRow(SQLModel, table=True):
    """Work that follows from a move, written with it; the dispatcher turns each row into a flow run."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due", "urgency", "available_at", postgresql_where=text("finished_at IS NULL")),
    )
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    effect: str
    submission_id: UUID = Field(foreign_key="submission.id", index=True)
    payload: dict[str, Any] = json_object()
    urgency: int = 1  # 0 fast track, 1 normal, 2 background
    attempt: int = 0
    available_at: datetime = moment()
    leased_until: datetime | None = maybe_moment()
    flow_run_id: UUID | None = None
    started_at: datetime | None = maybe_moment()
    finished_at: datetime | None = maybe_moment()
    has_failed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    last_error: str | None = None
    created_at: datetime = moment()


class Rendition(SQLModel, table=True):
    """What one asset becomes for one profile. The key names content, profile and encoder: made once."""

    key: str = Field(primary_key=True)
    source_sha256: str = Field(index=True)
    profile: str
    state: str = "wanted"  # wanted, ready, failed
    files: list[Any] = json_list()
    measured: dict[str, Any] = json_object()
    refusal: dict[str, Any] | None = maybe_json()
    created_at: datetime = moment()
    ready_at: datetime | None = maybe_moment()


class RenditionUse(SQLModel, table=True):
    """Which renditions a revision goes out with."""

    __tablename__ = "rendition_use"
    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    revision_sha256: str = Field(primary_key=True)
    rendition_key: str = Field(foreign_key="rendition.key", primary_key=True, index=True)


class Destination(SQLModel, table=True):
    """A configured account on a platform."""

    id: str = Field(primary_key=True)
    platform: str
    name: str
    settings: dict[str, Any] = json_object()
    secret: str | None = None
    is_enabled: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = moment()


class Delivery(SQLModel, table=True):
    """One revision on its way to one destination; its id is the idempotency key there."""

    __table_args__ = (UniqueConstraint("submission_id", "revision_number", "destination_id"),)
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    submission_id: UUID = Field(foreign_key="submission.id", index=True)
    revision_number: int
    destination_id: str = Field(foreign_key="destination.id")
    state: str = "pending"
    attempt: int = 0
    external_id: str | None = None
    external_url: str | None = None
    files: dict[str, Any] = json_object()
    message: dict[str, Any] | None = maybe_json()
    created_at: datetime = moment()
    updated_at: datetime = moment()
    confirmed_at: datetime | None = maybe_moment()


class IdempotentReply(SQLModel, table=True):
    """The first answer to a request that carried an `Idempotency-Key`, given again to its repeats."""

    __tablename__ = "idempotent_reply"
    person_id: UUID = Field(foreign_key="person.id", primary_key=True)
    key: str = Field(primary_key=True)
    request_sha256: str
    status: int
    body: dict[str, Any] = json_object()
    created_at: datetime = moment(index=True)
