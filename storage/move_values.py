"""What a move changes in the submission's row, beside its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from states.content import Content
from states.decide import Decision
from states.events import Event
from states.item import STAGES, Request, State
from states.workflow import Stage, Workflow
from storage.claims import CLAIM_LEASE
from storage.items import LoadedItem
from storage.tables import Submission

_IN_A_STAGE = (State.RECEIVED, State.HELD, *STAGES)


@dataclass(frozen=True, slots=True)
class Moving:
    """One move on its way to be written."""

    loaded: LoadedItem
    decision: Decision
    request: Request
    content: Content | None
    facts: Mapping[str, Any]
    beginning: tuple[int, Workflow] | None = None  # under which the reviews begin (anew), with its id

    @property
    def row(self) -> Submission:
        """The submission as it was read."""
        return self.loaded.row

    @property
    def event(self) -> Event:
        """What was asked."""
        return self.decision.move.event

    @property
    def at(self) -> datetime:
        """When: the database's clock."""
        return self.loaded.item.now

    @property
    def new_content(self) -> Content | None:
        """Content that makes a revision; an edit that changes nothing makes none, and so voids no approval."""
        if self.content is None or self.content.sha256() == self.row.revision_sha256:
            return None
        return self.content

    @property
    def revision_sha256(self) -> str:
        """The content after the move."""
        return self.content.sha256() if self.content else self.row.revision_sha256

    @property
    def signs_off(self) -> bool:
        """Whether this is the sign-off."""
        return self.decision.move.is_approval and self.decision.target is State.APPROVED


def person_of(request: Request) -> UUID:
    """The person who asks. Raises ValueError for the machine, which edits, claims and decides nothing."""
    if request.actor.person_id is None:
        raise ValueError("only a person edits, claims or decides; the table of moves lets no system do it")
    return UUID(request.actor.person_id)


def begins_reviews(decision: Decision, row: Submission) -> bool:
    """Whether the piece is sent in, or sent in anew by an edit under review: earlier approvals are void."""
    return decision.target is State.RECEIVED and row.state != State.RECEIVED


def stage_after(moving: Moving) -> Stage | None:
    """The stage that the piece is in, or waits for, after the move."""
    move, workflow = moving.decision.move, moving.loaded.workflow
    if moving.beginning is not None:
        return moving.beginning[1].by_key[moving.beginning[1].start]
    if move.target not in _IN_A_STAGE or moving.row.stage is None or workflow is None:
        return None
    completes = move.is_approval and "needs_countersignature" not in move.when
    return workflow.after(moving.row.stage) if completes else workflow.by_key[moving.row.stage]


def enters_stage(moving: Moving) -> bool:
    """Whether the stage's time begins to run with this move."""
    stage = stage_after(moving)
    if stage is None or moving.decision.target is State.HELD:
        return False
    return moving.beginning is not None or stage.key != moving.row.stage or moving.event is Event.RESUME


def values_of(moving: Moving) -> dict[str, Any]:
    """The columns that change, but for state, version and deadlines."""
    return {
        **_content_values(moving),
        **_claim_values(moving),
        **_stage_values(moving),
        **_event_values(moving),
        **_release_values(moving),
    }


def _content_values(moving: Moving) -> dict[str, Any]:
    content = moving.new_content
    if content is None:
        return {}
    return {
        "revision_number": moving.row.revision_number + 1,
        "revision_sha256": content.sha256(),
        "title": content.title,
        "column_name": content.column,
        "last_editor_id": person_of(moving.request),
    }


def _claim_values(moving: Moving) -> dict[str, Any]:
    """Who holds the item after the move: a claim ends with every change of state and every decision."""
    move, row = moving.decision.move, moving.row
    holder: UUID | None = row.claimed_by
    if moving.event in (Event.CLAIM, Event.CORRECT):
        holder = person_of(moving.request)
    elif moving.event is Event.HAND_OVER:
        successor = moving.request.successor
        holder = UUID(successor.person_id) if successor and successor.person_id else None
    elif move.target is State.CORRECTING and row.state != State.CORRECTING:
        holder = row.last_editor_id  # a correction sent back is its editor's again
    elif (
        move.target.value != row.state
        or moving.event in (Event.RELEASE, Event.FORCE_RELEASE)
        or move.is_approval
    ):
        holder = None
    if holder is None:
        return {"claimed_by": None, "claimed_at": None, "claimed_until": None}
    if holder == row.claimed_by and moving.event is not Event.CLAIM:
        return {}
    # A correction belongs to its editor until it is sent in; a review is a lease.
    until = None if move.target is State.CORRECTING else moving.at + CLAIM_LEASE
    return {"claimed_by": holder, "claimed_at": moving.at, "claimed_until": until}


def _stage_values(moving: Moving) -> dict[str, Any]:
    stage = stage_after(moving)
    values: dict[str, Any] = {"stage": stage.key if stage else None}
    values["stage_role"] = stage.role.value if stage else None
    stays = stage is not None and stage.key == moving.row.stage and moving.beginning is None
    if not stays or moving.decision.move.is_approval:
        values["override"] = None
    if moving.beginning is not None:
        values |= {
            "review_round": moving.row.review_round + 1,
            "is_intake_done": False,
            "workflow_id": moving.beginning[0],
            "workflow_column": (moving.content or moving.loaded.content).column,
        }
    if stage is None or moving.decision.target is State.HELD:
        values |= {"due_at": None, "remind_at": None, "escalate_at": None}
    return values


def _release_values(moving: Moving) -> dict[str, Any]:
    """A schedule ends when the piece goes out, and when it goes back to its author."""
    goes_out = moving.event is Event.GO_OUT or (
        moving.signs_off and "goes_out_now" in moving.decision.move.when
    )
    values: dict[str, Any] = {}
    if moving.signs_off:
        values["signed_revision_number"] = moving.row.revision_number
    if goes_out:
        values["live_revision_number"] = moving.row.revision_number
    if goes_out or moving.event in (Event.UNSCHEDULE, Event.RECALL, Event.RETRACT):
        values |= {"release_local": None, "release_zone": None}
    if moving.event is Event.RECALL:
        values["signed_revision_number"] = moving.row.live_revision_number
    return values


def _asked_override(moving: Moving) -> dict[str, Any]:
    override = {
        "asker_id": moving.request.actor.person_id,
        "stage": moving.row.stage,
        "revision_sha256": moving.row.revision_sha256,
        "asked_at": moving.at.isoformat(),
    }
    return {"override": override}


# What the same event always leaves behind beside the state.
_ALWAYS: dict[Event, dict[str, Any]] = {
    Event.INTAKE_PASSED: {"is_intake_done": True},
    Event.RESUME: {"held_from": None},
    Event.DECLINE_OVERRIDE: {"override": None},
    Event.REMIND: {"remind_at": None},
    Event.ESCALATE: {"remind_at": None, "escalate_at": None},
}


def _event_values(moving: Moving) -> dict[str, Any]:
    if moving.event is Event.HOLD:
        return {"held_from": moving.row.state}
    if moving.event is Event.MEDIA_READY:
        return {
            "media_revision_sha256": moving.facts.get("revision_sha256"),
            "media_manifest_sha256": moving.facts.get("manifest_sha256"),
            "media_problems": moving.facts.get("problems", []),
        }
    if moving.event is Event.DELIVERY_CONFIRMED and moving.row.published_at is None:
        return {"published_at": moving.at}
    if moving.event is Event.ASK_OVERRIDE:
        return _asked_override(moving)
    if moving.event is Event.SCHEDULE and moving.request.release is not None:
        release = moving.request.release
        return {"release_local": release.local, "release_zone": release.zone}
    return _ALWAYS.get(moving.event, {})
