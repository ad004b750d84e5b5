"""The one table of moves of a submission.

It is the source of the diagram, of the docs, of `allowed_events`, of the buttons and of the tests.
"""

from dataclasses import dataclass
from enum import StrEnum

from states.item import REVIEWS, State
from states.roles import EDITORS, Role


class Event(StrEnum):
    """What can be asked of a submission: verbs from outside, and facts that the flows report."""

    EDIT = "edit"
    SUBMIT = "submit"
    INTAKE_PASSED = "intake_passed"
    INTAKE_REFUSED = "intake_refused"
    CLAIM = "claim"
    RELEASE = "release"
    APPROVE = "approve"
    RETURN_FOR_REVISION = "return_for_revision"
    HOLD = "hold"
    RESUME = "resume"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    MEDIA_READY = "media_ready"
    MEDIA_FAILED = "media_failed"
    DELIVERY_CONFIRMED = "delivery_confirmed"
    DELIVERY_HANDED_OFF = "delivery_handed_off"
    DELIVERY_REFUSED = "delivery_refused"
    DELIVERY_UNKNOWN = "delivery_unknown"
    CORRECT = "correct"
    RETRACT = "retract"


class Effect(StrEnum):
    """What follows from a move, written as outbox rows in the same transaction."""

    INTAKE = "intake"
    RENDER = "render"
    DISTRIBUTE = "distribute"
    RETRACT = "retract"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: who may lead an item from where to where, under which guards, with what effects.

    `when` names the conditions that choose between rows of one event and source: a row whose `when`
    does not hold is not there for that item. `guards` refuse, each in its own words.
    """

    event: Event
    source: State
    target: State
    roles: frozenset[Role]
    guards: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    when: tuple[str, ...] = ()
    is_approval: bool = False


_WRITERS = frozenset({Role.CORRESPONDENT}) | EDITORS  # staff file stories too; the guards name the author
_CHIEF = frozenset({Role.EDITOR_IN_CHIEF})
_SYSTEM = frozenset({Role.SYSTEM})
_REVIEWER = {
    State.FIRST_REVIEW: frozenset({Role.DUTY_EDITOR}),
    State.SECOND_REVIEW: frozenset({Role.DESK_HEAD}),
    State.FINAL_REVIEW: _CHIEF,
}
_INDEPENDENT = (
    "not_author",
    "not_last_editor",
    "not_earlier_reviewer",
    "column_fits",
    "not_claimed_by_another",
)
_DECIDES = (*_INDEPENDENT, "sees_current_revision")
_SUBMITTABLE = ("has_title", "has_content", "ai_declared", "uploads_finished", "has_destination")


def _writing() -> list[Move]:
    """Drafting, sending in, and what intake finds."""
    rows = [
        Move(Event.EDIT, state, state, _WRITERS, ("is_author",)) for state in (State.DRAFT, State.RETURNED)
    ]
    rows.append(Move(Event.EDIT, State.CORRECTING, State.CORRECTING, _WRITERS, ("holds_claim",)))
    rows += [
        Move(Event.SUBMIT, state, State.RECEIVED, _WRITERS, ("is_author", *_SUBMITTABLE), (Effect.INTAKE,))
        for state in (State.DRAFT, State.RETURNED)
    ]
    rows.append(
        Move(
            Event.SUBMIT,
            State.CORRECTING,
            State.RECEIVED,
            _WRITERS,
            ("holds_claim", "has_changes", *_SUBMITTABLE),
            (Effect.INTAKE,),
        )
    )
    received = (Event.INTAKE_PASSED, State.RECEIVED, State.RECEIVED, _SYSTEM, ("sees_current_revision",))
    rows.append(Move(*received, when=("is_ordinary",)))
    rows.append(Move(*received, effects=(Effect.RENDER,), when=("is_fast_track",)))
    rows.append(
        Move(
            Event.INTAKE_REFUSED,
            State.RECEIVED,
            State.RETURNED,
            _SYSTEM,
            ("sees_current_revision",),
            when=("not_live",),
        )
    )
    rows.append(
        Move(
            Event.INTAKE_REFUSED,
            State.RECEIVED,
            State.CORRECTING,
            _SYSTEM,
            ("sees_current_revision",),
            when=("is_live",),
        )
    )
    return rows


def _reviewing() -> list[Move]:
    """The three reviews: claim, decide, hold, resume."""
    rows = [
        Move(
            Event.CLAIM,
            State.RECEIVED,
            State.FIRST_REVIEW,
            _REVIEWER[State.FIRST_REVIEW],
            ("intake_done", *_INDEPENDENT),
        )
    ]
    onwards = dict(zip(REVIEWS, (*REVIEWS[1:], State.APPROVED), strict=True))
    for stage in REVIEWS:
        roles = _REVIEWER[stage]
        rows.append(Move(Event.CLAIM, stage, stage, roles, _INDEPENDENT))
        rows.append(Move(Event.RELEASE, stage, stage, roles, ("holds_claim",)))
        rows.append(_approval(stage, onwards[stage]))
        rows += _adverse(stage, roles)
        rows.append(Move(Event.HOLD, stage, State.HELD, roles, (*_DECIDES, "gives_reason")))
        rows.append(
            Move(Event.RESUME, State.HELD, stage, roles, ("column_fits",), when=(f"held_from_{stage.value}",))
        )
    return rows


def _approval(stage: State, target: State) -> Move:
    """An approval at one stage; the final one is the sign-off (签发)."""
    effects = {State.FIRST_REVIEW: (Effect.RENDER,), State.FINAL_REVIEW: (Effect.DISTRIBUTE,)}
    sign_off = ("ai_declared", "has_destination", "renditions_ready", "within_platform_limits")
    guards = _DECIDES + (sign_off if stage is State.FINAL_REVIEW else ())
    return Move(
        Event.APPROVE, stage, target, _REVIEWER[stage], guards, effects.get(stage, ()), is_approval=True
    )


def _adverse(stage: State, roles: frozenset[Role]) -> list[Move]:
    """Return and reject. A correction that is turned down leaves the old revision up."""
    why = (*_DECIDES, "gives_reason")
    return [
        Move(Event.RETURN_FOR_REVISION, stage, State.RETURNED, roles, why, when=("not_live",)),
        Move(Event.RETURN_FOR_REVISION, stage, State.CORRECTING, roles, why, when=("is_live",)),
        Move(Event.REJECT, stage, State.REJECTED, roles, why, when=("not_live",)),
        Move(Event.REJECT, stage, State.PUBLISHED, roles, why, when=("is_live",)),
    ]


def _leaving() -> list[Move]:
    """The author's withdrawal before sign-off; correction and retraction after it."""
    before = (State.RECEIVED, *REVIEWS, State.HELD)
    rows = [
        Move(Event.WITHDRAW, state, State.WITHDRAWN, _WRITERS, ("is_author",), when=("not_live",))
        for state in (State.DRAFT, *before, State.RETURNED)
    ]
    rows += [
        Move(Event.WITHDRAW, state, State.PUBLISHED, _WRITERS, ("is_author_or_editor",), when=("is_live",))
        for state in (State.CORRECTING, *before)
    ]
    rows.append(Move(Event.CORRECT, State.PUBLISHED, State.CORRECTING, EDITORS, ("gives_reason",)))
    rows += [
        Move(
            Event.RETRACT,
            state,
            State.RETRACTED,
            _CHIEF,
            ("gives_reason",),
            (Effect.RETRACT,),
            when=() if state in (State.APPROVED, State.PUBLISHED) else ("is_live",),
        )
        for state in (State.APPROVED, State.PUBLISHED, State.CORRECTING, *before)
    ]
    return rows


def _reporting() -> list[Move]:
    """Facts that the flows report; only the first confirmed delivery moves the item."""
    rows = [
        Move(event, state, state, _SYSTEM, ("sees_current_revision",))
        for event in (Event.MEDIA_READY, Event.MEDIA_FAILED)
        for state in (State.RECEIVED, *REVIEWS, State.HELD)
    ]
    confirming = _SYSTEM | EDITORS  # a person confirms a hand-off with the link
    # A late confirmation of an earlier revision does not publish the correction that waits.
    current = ("sees_current_revision",)
    rows.append(Move(Event.DELIVERY_CONFIRMED, State.APPROVED, State.PUBLISHED, confirming, current))
    # Not `returned`: a live piece that is turned back is `correcting`.
    after = (State.PUBLISHED, State.CORRECTING, State.RETRACTED, State.RECEIVED, *REVIEWS, State.HELD)
    rows += [Move(Event.DELIVERY_CONFIRMED, state, state, confirming, when=("is_live",)) for state in after]
    rows += [
        Move(event, state, state, _SYSTEM, when=() if state is State.APPROVED else ("is_live",))
        for event in (Event.DELIVERY_HANDED_OFF, Event.DELIVERY_REFUSED, Event.DELIVERY_UNKNOWN)
        for state in (State.APPROVED, *after)
    ]
    return rows


MOVES: tuple[Move, ...] = (*_writing(), *_reviewing(), *_leaving(), *_reporting())
MOVES_FROM: dict[tuple[Event, State], tuple[Move, ...]] = {
    (event, state): rows
    for event in Event
    for state in State
    if (rows := tuple(move for move in MOVES if (move.event, move.source) == (event, state)))
}
