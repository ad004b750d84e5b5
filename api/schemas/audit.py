"""Reads for an audit: who approved what, when, from where, having seen what; and the journal."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.base import PersonRef, Shown


class RenditionSeen(Shown):
    """What a file goes out as: its files by name with their SHA-256, without the segments of a playlist."""

    key: str
    profile: str
    source_sha256: str
    files: dict[str, str]


class Seen(Shown):
    """What lay before the reviewer: one revision, its files in order, and at sign-off the renditions."""

    revision_number: int
    revision_sha256: str
    url: str = Field(description="Where that revision's content can be read.")
    title: str
    column: str | None
    asset_sha256s: list[str]
    manifest_sha256: str | None = Field(description="At sign-off: the hash over all the renditions signed.")
    renditions: list[RenditionSeen]


class ApprovalShown(Shown):
    """One approval. `person` is the reviewer; of an emergency override, who asked for it."""

    at: datetime
    submission_id: UUID
    stage: str
    review_round: int
    person: PersonRef
    on_behalf_of: PersonRef | None
    delegation_id: UUID | None
    confirmed_by: PersonRef | None = Field(description="Of an emergency override: the second person.")
    address: str | None = Field(description="Where the request came from; null once it was erased.")
    seen: Seen
    item_seq: int = Field(description="The event of the record that this approval is.")
    event_hash: str


class ApprovalPage(Shown):
    """One page, newest first; `next` is the cursor of the page behind it."""

    items: list[ApprovalShown]
    next: str | None


class JournalShown(Shown):
    """Something that moves no item and must be known later."""

    id: int
    action: str
    actor: PersonRef | None = Field(description="null: the machine itself")
    subject: str
    facts: dict[str, Any]
    at: datetime
    hash: str


class JournalPage(Shown):
    """One page, newest first; `next` is the cursor of the page behind it."""

    items: list[JournalShown]
    next: int | None
