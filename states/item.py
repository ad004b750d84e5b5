"""What the guards of a move look at: the item as it stands and the request, as plain values."""

from dataclasses import dataclass
from enum import StrEnum

from states.roles import Actor


class State(StrEnum):
    """Where a submission stands."""

    DRAFT = "draft"
    RECEIVED = "received"
    FIRST_REVIEW = "first_review"
    SECOND_REVIEW = "second_review"
    FINAL_REVIEW = "final_review"
    APPROVED = "approved"
    PUBLISHED = "published"
    CORRECTING = "correcting"
    RETURNED = "returned"
    HELD = "held"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"


REVIEWS = (State.FIRST_REVIEW, State.SECOND_REVIEW, State.FINAL_REVIEW)


@dataclass(frozen=True, slots=True)
class Item:
    """One submission at one version, with what the database knows that a guard may ask for."""

    state: State
    author_id: str
    last_editor_id: str
    column: str | None
    revision_sha256: str
    claimed_by: str | None = None
    held_from: State | None = None
    is_intake_done: bool = False
    is_live: bool = False  # a revision is, or is about to be, before readers
    is_changed_since_live: bool = False  # of a live piece: the current revision is not the live one
    is_fast_track: bool = False
    reviewers: frozenset[tuple[State, str]] = (
        frozenset()
    )  # every approval the piece ever had: stage and person
    has_title: bool = False
    has_body_or_asset: bool = False
    is_ai_declared: bool = False
    has_open_uploads: bool = False
    missing_renditions: tuple[str, ...] = ()
    destination_problems: tuple[str, ...] = ()
    has_destination: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a move: who, on which content, and why."""

    actor: Actor
    revision_sha256: str | None = None
    reason: str | None = None
