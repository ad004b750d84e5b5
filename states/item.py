"""What the guards of a move look at: the item as it stands and the request, as plain values."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from states.roles import Actor, Role
from states.wall_time import WallTime


class State(StrEnum):
    """Where a submission stands."""

    DRAFT = "draft"
    RECEIVED = "received"
    FIRST_REVIEW = "first_review"
    SECOND_REVIEW = "second_review"
    FINAL_REVIEW = "final_review"
    EXTRA_REVIEW = "extra_review"  # a stage that a workflow adds between the three; `stage` says which
    APPROVED = "approved"
    PUBLISHED = "published"
    CORRECTING = "correcting"
    RETURNED = "returned"
    HELD = "held"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"


REVIEWS = (State.FIRST_REVIEW, State.SECOND_REVIEW, State.FINAL_REVIEW)
STAGES = (*REVIEWS, State.EXTRA_REVIEW)


# Before any clock was read.
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Here:
    """The stage that an item is in, or waits for: its key, its role, and how far its signatures are."""

    key: str
    role: Role
    signatures: int = 1
    signed_by: frozenset[str] = frozenset()  # in this round, for the current revision
    leads_to: State = State.APPROVED  # where the last signature leads
    signed_for: frozenset[str] = frozenset()  # those on whose behalf it was signed


@dataclass(frozen=True, slots=True)
class Override:
    """An emergency override that somebody asked for; it holds for one revision at one stage."""

    asker: Actor
    stage: str
    revision_sha256: str


@dataclass(frozen=True, slots=True)
class Item:
    """One submission at one version, with what the database knows that a guard may ask for; its clock too."""

    state: State
    author_id: str
    last_editor_id: str
    column: str | None
    revision_sha256: str
    now: datetime = BEGINNING
    here: Here | None = None
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    held_from: State | None = None
    override: Override | None = None
    release_at: datetime | None = None  # scheduled, or the end of the embargo, whichever is later
    embargo_until: datetime | None = None
    is_intake_done: bool = False
    is_live: bool = False  # a revision is, or is about to be, before readers
    is_published: bool = False  # readers have had one
    is_signed: bool = False  # the current revision has its sign-off
    is_changed_since_live: bool = False  # of a live piece: the current revision is not the live one
    is_fast_track: bool = False
    # Every approval the piece ever had: stage and person, and the person on whose behalf.
    reviewers: frozenset[tuple[str, str]] = field(default=frozenset())
    has_title: bool = False
    has_body_or_asset: bool = False
    is_ai_declared: bool = False
    has_open_uploads: bool = False
    missing_renditions: tuple[str, ...] = ()
    destination_problems: tuple[str, ...] = ()
    has_destination: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a move: who, on which content, and why; and what single events ask for besides."""

    actor: Actor
    revision_sha256: str | None = None
    reason: str | None = None
    brings_sha256: str | None = None  # the content that an edit brings
    successor: Actor | None = None  # to whom a piece is handed over
    release: WallTime | None = None
