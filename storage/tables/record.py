"""What is on record for good: events and approvals, and what people did that moves no item."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, Integer, UniqueConstraint
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import json_object, moment, strings


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
    actor_roles: list[str] = strings()
    revision_sha256: str | None = None
    facts: dict[str, Any] = json_object()
    commitments: dict[str, Any] = json_object()  # by field: what stands in `disclosure`, salted and hashed
    at: datetime = moment()
    prev_hash: str
    hash: str
    __table_args__ = (UniqueConstraint("submission_id", "item_seq"),)


class Disclosure(SQLModel, table=True):
    """What an event says of people, apart from the record: it can be erased, and the record still holds."""

    submission_id: UUID = Field(primary_key=True)
    item_seq: int = Field(primary_key=True)
    opened: dict[str, Any] = json_object()  # by field: [salt, value]
    __table_args__ = (
        ForeignKeyConstraint(["submission_id", "item_seq"], ["event.submission_id", "event.item_seq"]),
    )


class Approval(SQLModel, table=True):
    """One approval. Constraints and triggers keep reviewers apart from each other and from the author."""

    __table_args__ = (
        UniqueConstraint("submission_id", "review_round", "person_id", name="approval_distinct_reviewers"),
        Index("approval_at", "at", "submission_id", "item_seq"),  # the order of an audit
    )
    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    review_round: int = Field(primary_key=True)
    stage: str = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", primary_key=True, index=True)
    on_behalf_of: UUID | None = Field(default=None, foreign_key="person.id")
    delegation_id: UUID | None = Field(default=None, foreign_key="delegation.id")
    confirmed_by: UUID | None = Field(default=None, foreign_key="person.id")  # of an emergency override
    revision_sha256: str
    manifest_sha256: str | None = None
    item_seq: int
    at: datetime = moment()


class JournalRow(SQLModel, table=True):
    """What somebody did that moves no item and must be known later. Append-only, in the log like an event."""

    __tablename__ = "journal"
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    action: str
    actor_id: UUID | None = Field(default=None, foreign_key="person.id")
    subject: str
    facts: dict[str, Any] = json_object()
    at: datetime = moment()
    hash: str


class Workflow(SQLModel, table=True):
    """One version of the reviews of a column (no column: of all others). Append-only; items keep theirs."""

    __table_args__ = (UniqueConstraint("column_name", "number", postgresql_nulls_not_distinct=True),)
    id: int | None = Field(default=None, sa_column=Column(Integer, Identity(), primary_key=True))
    column_name: str | None = None
    number: int
    definition: dict[str, Any] = json_object()
    created_by: UUID | None = Field(default=None, foreign_key="person.id")
    created_at: datetime = moment()
