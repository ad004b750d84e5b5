"""What is on record about a submission: history, revisions, renditions, deliveries, runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.assets import Finding
from api.schemas.base import Body, Line, PersonRef, Shown, TextShown


class HistoryEvent(Shown):
    """One event of the record, with its place in the hash chain."""

    item_seq: int
    event: str
    from_state: str | None
    to_state: str
    actor: PersonRef | None = Field(description="null: the machine itself")
    actor_roles: list[str]
    revision_sha256: str | None
    reason: str | None
    comment: str | None
    facts: dict[str, Any]
    commitments: dict[str, str] = Field(
        description="Salted hashes of what the event says of people; the values can be erased, these stay."
    )
    at: datetime
    prev_hash: str
    hash: str


class History(Shown):
    """Every event, from the first."""

    events: list[HistoryEvent]


class RevisionShown(Shown):
    """One revision of the content; it never changes."""

    number: int
    sha256: str
    editor: PersonRef
    created_at: datetime
    content: dict[str, Any]


class Revisions(Shown):
    """Every revision, from the first."""

    revisions: list[RevisionShown]


class FileShown(Shown):
    """A file of a rendition; the address can be read for one hour."""

    role: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: str | None = Field(description="null for the segments of a playlist")


class RenditionShown(Shown):
    """What one file becomes for one profile."""

    key: str
    source_sha256: str
    profile: str
    state: str = Field(description="wanted, ready or failed")
    files: list[FileShown]
    measured: dict[str, Any]
    refusal: Finding | None


class Renditions(Shown):
    """What the current revision goes out with."""

    revision_sha256: str
    renditions: list[RenditionShown]


class DeliveryShown(Shown):
    """One revision on its way to one destination."""

    id: UUID
    submission_id: UUID
    revision_number: int
    destination: str
    destination_name: str
    platform: str
    state: str
    attempt: int
    external_id: str | None
    external_url: str | None
    message: TextShown | None
    files: dict[str, str] = Field(
        description="The hand-off package: addresses that can be read for one hour."
    )
    created_at: datetime
    updated_at: datetime
    confirmed_at: datetime | None


class Deliveries(Shown):
    """Every delivery that was ever planned, newest revision first."""

    deliveries: list[DeliveryShown]


class Confirmation(Body):
    """Where the story can be seen on the platform."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://video.example.org/works/7301"}]}
    )
    url: Line = Field(min_length=8, max_length=2000)


class RunShown(Shown):
    """One piece of work for the machine, with its Prefect run."""

    id: int
    effect: str
    state: str = Field(description="waiting, leased, running, finished or failed")
    attempt: int
    flow_run_id: UUID | None
    flow_run_url: str | None
    created_at: datetime
    available_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_error: str | None


class Runs(Shown):
    """The work that followed from this submission's events."""

    runs: list[RunShown]
