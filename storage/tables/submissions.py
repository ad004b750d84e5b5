"""A piece: its row, its revisions, its files and their uploads."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import json_list, json_object, maybe_json, maybe_moment, moment

# The order of a queue. What has no deadline is last; that year is beyond those of any cursor of ours.
BY_TIME_LEFT = "coalesce(due_at, '2096-01-01 00:00:00+00'::timestamptz)"
# Signed, and still to go out: at the time that was chosen, or when its embargo ends.
AWAITS_RELEASE = "state = 'approved' AND signed_revision_number IS DISTINCT FROM live_revision_number"
_WAITS = text("stage_role IS NOT NULL AND state <> 'held'")


class Submission(SQLModel, table=True):
    """One piece. `storage.advance` alone writes `state` and `version`; `version` counts the events."""

    __table_args__ = (
        Index("submission_board", "state", "updated_at", "id"),
        Index("submission_author", "author_id", "updated_at", "id"),
        # A page of somebody's queue costs a page, for all columns or column by column (storage.queue).
        Index("submission_queue", "stage_role", text(BY_TIME_LEFT), "id", postgresql_where=_WAITS),
        Index(
            "submission_column_queue",
            "stage_role",
            "column_name",
            text(BY_TIME_LEFT),
            "id",
            postgresql_where=_WAITS,
        ),
        Index("submission_claimed", "claimed_by", postgresql_where=text("claimed_by IS NOT NULL")),
        Index("submission_override", "id", postgresql_where=text("override IS NOT NULL")),
        Index("submission_returned", "author_id", postgresql_where=text("state = 'returned'")),
        Index("submission_remind", "remind_at", postgresql_where=text("remind_at IS NOT NULL")),
        Index("submission_escalate", "escalate_at", postgresql_where=text("escalate_at IS NOT NULL")),
        Index("submission_release", "id", postgresql_where=text(AWAITS_RELEASE)),
    )
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    version: int
    state: str
    workflow_id: int | None = Field(default=None, foreign_key="workflow.id")  # from the first submit on
    workflow_column: str | None = None  # the column for which that workflow was chosen
    stage: str | None = None  # the workflow's stage that the piece is in, or waits for
    stage_role: str | None = None  # whose stage that is
    is_fast_track: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    author_id: UUID = Field(foreign_key="person.id")
    last_editor_id: UUID = Field(foreign_key="person.id")
    claimed_by: UUID | None = Field(default=None, foreign_key="person.id")
    claimed_at: datetime | None = maybe_moment()
    claimed_until: datetime | None = maybe_moment()  # afterwards anybody may take it over
    override: dict[str, Any] | None = maybe_json()  # an emergency override that waits for the second person
    due_at: datetime | None = maybe_moment()  # of the stage
    remind_at: datetime | None = maybe_moment()
    escalate_at: datetime | None = maybe_moment()
    release_local: str | None = None  # the wall-clock time of a scheduled release, and its IANA zone
    release_zone: str | None = None
    held_from: str | None = None
    review_round: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    revision_number: int
    revision_sha256: str
    column_name: str | None = None
    title: str
    is_intake_done: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    media_revision_sha256: str | None = None  # the revision whose renditions are complete
    media_manifest_sha256: str | None = None  # what exactly they are; signed with the final approval
    media_problems: list[Any] = json_list()
    signed_revision_number: int | None = None  # the newest that was signed off
    live_revision_number: int | None = None  # what readers see, or are about to
    last_event_hash: str
    created_at: datetime = moment()
    updated_at: datetime = moment(index=True)
    published_at: datetime | None = maybe_moment()


class Revision(SQLModel, table=True):
    """The content at one moment; a trigger refuses every change."""

    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    number: int = Field(primary_key=True)
    sha256: str
    content: dict[str, Any] = json_object()
    editor_id: UUID = Field(foreign_key="person.id")
    created_at: datetime = moment()


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
    probe: dict[str, Any] = json_object()
    findings: list[Any] = json_list()
    refusal: dict[str, Any] | None = maybe_json()
    # Of the packets or the pixels, without the container.
    essence_sha256: str | None = Field(default=None, index=True)
    contents: dict[str, Any] = json_object()  # of a package or a document, and what follows a picture
    # Where, when, with what and by whom it was made: private, and erased with the person.
    capture: dict[str, Any] | None = maybe_json()
    examined_by: str | None = None  # the version of the examination, once it was examined
    created_at: datetime = moment()
