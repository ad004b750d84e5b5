"""The tables, as SQLModel classes. They hold; they do not decide, and nothing is validated on assignment."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, DateTime, Identity, Index, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlmodel import Column, Field, SQLModel


def _now() -> datetime:
    return datetime.now(UTC)


def _moment(*, index: bool = False) -> Any:
    column = Column(DateTime(timezone=True), nullable=False, index=index, server_default=text("now()"))
    return Field(default_factory=_now, sa_column=column)


def _maybe_moment() -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))


def _object() -> Any:
    return Field(default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))


def _list() -> Any:
    return Field(default_factory=list, sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))


def _strings() -> Any:
    return Field(
        default_factory=list, sa_column=Column(ARRAY(TEXT), nullable=False, server_default=text("'{}'"))
    )


class Person(SQLModel, table=True):
    """A person who can sign in."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    username: str = Field(unique=True)
    display_name: str
    password_hash: str
    roles: list[str] = _strings()
    columns: list[str] = _strings()
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = _moment()


class SignIn(SQLModel, table=True):
    """One sign-in. Only the SHA-256 of its token is kept."""

    __tablename__ = "sign_in"
    token_sha256: str = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    created_at: datetime = _moment()
    expires_at: datetime = _moment()


class Submission(SQLModel, table=True):
    """One piece. `storage.advance` alone writes `state` and `version`; `version` counts the events."""

    __table_args__ = (
        Index("submission_board", "state", "updated_at", "id"),
        Index("submission_author", "author_id", "updated_at", "id"),
    )
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    version: int
    state: str
    workflow_version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    is_fast_track: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    author_id: UUID = Field(foreign_key="person.id")
    last_editor_id: UUID = Field(foreign_key="person.id")
    claimed_by: UUID | None = Field(default=None, foreign_key="person.id")
    held_from: str | None = None
    review_round: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    revision_number: int
    revision_sha256: str
    column_name: str | None = None
    title: str
    is_intake_done: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    media_revision_sha256: str | None = None  # the revision whose renditions are complete
    media_manifest_sha256: str | None = None  # what exactly they are; signed with the final approval
    media_problems: list[Any] = _list()
    live_revision_number: int | None = None  # what readers see, or are about to
    last_event_hash: str
    created_at: datetime = _moment()
    updated_at: datetime = _moment(index=True)
    published_at: datetime | None = _maybe_moment()


class Revision(SQLModel, table=True):
    """The content at one moment; a trigger refuses every change."""

    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    number: int = Field(primary_key=True)
    sha256: str
    content: dict[str, Any] = _object()
    editor_id: UUID = Field(foreign_key="person.id")
    created_at: datetime = _moment()


class Asset(SQLModel, table=True):
    """A file of a submission, known only after its bytes were read back and hashed."""

    __table_args__ = (UniqueConstraint("submission_id", "sha256"),)
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    submission_id: UUID = Field(foreign_key="submission.id")
    sha256: str = Field(index=True)
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    filename: str
    object_key: str
    intake: str = "waiting"  # waiting, passed, refused
    kind: str | None = None
    media_type: str | None = None
    probe: dict[str, Any] = _object()
    findings: list[Any] = _list()
    refusal: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    created_at: datetime = _moment()


class Upload(SQLModel, table=True):
    """An upload in parts, from its creation to its end."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    submission_id: UUID = Field(foreign_key="submission.id", index=True)
    person_id: UUID = Field(foreign_key="person.id")
    state: str = "open"  # open, completed, aborted
    filename: str
    caption: str = ""
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str | None = None  # as the client declared it
    part_size_bytes: int
    object_key: str
    s3_upload_id: str
    asset_id: UUID | None = Field(default=None, foreign_key="asset.id")
    created_at: datetime = _moment()
    expires_at: datetime = _moment(index=True)


class EventRow(SQLModel, table=True):
    """The record of one move. Append-only: triggers refuse UPDATE, DELETE and TRUNCATE."""

    __tablename__ = "event"
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    submission_id: UUID = Field(foreign_key="submission.id")
    item_seq: int
    event: str
    from_state: str | None = None
    to_state: str
    actor_id: UUID | None = Field(default=None, foreign_key="person.id")
    actor_roles: list[str] = _strings()
    revision_sha256: str | None = None
    reason: str | None = None
    comment: str | None = None
    facts: dict[str, Any] = _object()
    at: datetime = _moment()
    prev_hash: str
    hash: str
    __table_args__ = (UniqueConstraint("submission_id", "item_seq"),)


class Approval(SQLModel, table=True):
    """One of the three approvals of one round. The constraints keep the three reviewers three people."""

    __table_args__ = (
        UniqueConstraint("submission_id", "review_round", "person_id", name="approval_distinct_reviewers"),
    )
    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    review_round: int = Field(primary_key=True)
    stage: str = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id")
    revision_sha256: str
    manifest_sha256: str | None = None
    item_seq: int
    at: datetime = _moment()


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
    payload: dict[str, Any] = _object()
    urgency: int = 1  # 0 fast track, 1 normal, 2 background
    attempt: int = 0
    available_at: datetime = _moment()
    leased_until: datetime | None = _maybe_moment()
    flow_run_id: UUID | None = None
    started_at: datetime | None = _maybe_moment()
    finished_at: datetime | None = _maybe_moment()
    has_failed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    last_error: str | None = None
    created_at: datetime = _moment()


class Rendition(SQLModel, table=True):
    """What one asset becomes for one profile. The key names content, profile and encoder: made once."""

    key: str = Field(primary_key=True)
    source_sha256: str = Field(index=True)
    profile: str
    state: str = "wanted"  # wanted, ready, failed
    files: list[Any] = _list()
    measured: dict[str, Any] = _object()
    refusal: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    created_at: datetime = _moment()
    ready_at: datetime | None = _maybe_moment()


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
    settings: dict[str, Any] = _object()
    secret: str | None = None
    is_enabled: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = _moment()


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
    files: dict[str, Any] = _object()
    message: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    confirmed_at: datetime | None = _maybe_moment()


class IdempotentReply(SQLModel, table=True):
    """The first answer to a request that carried an `Idempotency-Key`, given again to its repeats."""

    __tablename__ = "idempotent_reply"
    person_id: UUID = Field(foreign_key="person.id", primary_key=True)
    key: str = Field(primary_key=True)
    request_sha256: str
    status: int
    body: dict[str, Any] = _object()
    created_at: datetime = _moment(index=True)


def core(model: type[SQLModel]) -> Table:
    """The plain table under a model, for statements on the hot path: no instrumented objects, built once."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
