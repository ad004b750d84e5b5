"""The one table of moves of a submission.

It is the source of the diagram, of the docs, of `allowed_events`, of the buttons and of the tests.
"""

from dataclasses import dataclass

from states.events import Effect, Event
from states.item import STAGES, State
from states.roles import EDITORS, Role


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: who may lead an item from where to where, under which guards, with what effects.

    `when` names the conditions that choose between rows of one event and source: a row whose `when`
    does not hold is not there for that item. `guards` refuse, each in its own words. `by_stage`: of the
    roles only the one counts that the workflow gives to the stage. `in_own_right`: a lent role is not enough.
    """

    event: Event
    source: State
    target: State
    roles: frozenset[Role]
    guards: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    when: tuple[str, ...] = ()
    is_approval: bool = False
    by_stage: bool = False
    in_own_right: bool = False


_WRITERS = frozenset({Role.CORRESPONDENT}) | EDITORS  # staff file stories too; the guards name the author
_CHIEF = frozenset({Role.EDITOR_IN_CHIEF})
_HEADS = frozenset({Role.DESK_HEAD, Role.EDITOR_IN_CHIEF})
_SYSTEM = frozenset({Role.SYSTEM})
_REVIEWER = {
    State.FIRST_REVIEW: frozenset({Role.DUTY_EDITOR}),
    State.SECOND_REVIEW: frozenset({Role.DESK_HEAD}),
    State.FINAL_REVIEW: _CHIEF,
    State.EXTRA_REVIEW: EDITORS,
}
# Where a stage's last signature may lead: the three in their order, extra stages between them.
_ONWARDS = {
    State.FIRST_REVIEW: (State.EXTRA_REVIEW, State.SECOND_REVIEW),
    State.SECOND_REVIEW: (State.EXTRA_REVIEW, State.FINAL_REVIEW),
    State.EXTRA_REVIEW: (State.EXTRA_REVIEW, State.SECOND_REVIEW, State.FINAL_REVIEW),
    State.FINAL_REVIEW: (State.APPROVED,),
}
_APART = ("not_author", "not_last_editor", "not_earlier_reviewer")
_INDEPENDENT = (*_APART, "column_fits", "not_claimed_by_another")
_DECIDES = (*_INDEPENDENT, "sees_current_revision")
_SUBMITTABLE = ("has_title", "has_content", "ai_declared", "uploads_finished", "has_destination")
_SIGN_OFF = ("ai_declared", "has_destination", "renditions_ready", "within_platform_limits")
_CURRENT = ("sees_current_revision",)
_IN_REVIEW = (State.RECEIVED, *STAGES)
_BEFORE_SIGN_OFF = (*_IN_REVIEW, State.HELD)


def _at(
    stage: State,
    event: Event,
    target: State,
    guards: tuple[str, ...],
    effects: tuple[Effect, ...] = (),
    when: tuple[str, ...] = (),
) -> Move:
    """A row for a stage's own reviewers."""
    approves = event is Event.APPROVE
    return Move(event, stage, target, _REVIEWER[stage], guards, effects, when, approves, by_stage=True)


def _writing() -> list[Move]:
    """Drafting, sending in, and what intake finds. An edit under review begins the reviews anew."""
    rows = [
        Move(Event.EDIT, state, state, _WRITERS, ("is_author",)) for state in (State.DRAFT, State.RETURNED)
    ]
    rows.append(Move(Event.EDIT, State.CORRECTING, State.CORRECTING, EDITORS, ("holds_claim",)))
    anew = ("holds_claim", "column_fits", *_SUBMITTABLE[:3])
    for stage in STAGES:
        rows.append(_at(stage, Event.EDIT, State.RECEIVED, anew, (Effect.INTAKE,), ("changes_content",)))
        rows.append(_at(stage, Event.EDIT, stage, anew[:1], when=("changes_nothing",)))
    rows += [
        Move(Event.SUBMIT, state, State.RECEIVED, _WRITERS, ("is_author", *_SUBMITTABLE), (Effect.INTAKE,))
        for state in (State.DRAFT, State.RETURNED)
    ]
    amended = ("holds_claim", "has_changes", *_SUBMITTABLE)
    rows.append(Move(Event.SUBMIT, State.CORRECTING, State.RECEIVED, EDITORS, amended, (Effect.INTAKE,)))
    received = (Event.INTAKE_PASSED, State.RECEIVED, State.RECEIVED, _SYSTEM, _CURRENT)
    rows.append(Move(*received, when=("is_ordinary",)))
    rows.append(Move(*received, effects=(Effect.RENDER,), when=("is_fast_track",)))
    rows += [
        Move(Event.INTAKE_REFUSED, State.RECEIVED, target, _SYSTEM, _CURRENT, when=(when,))
        for target, when in ((State.RETURNED, "not_live"), (State.CORRECTING, "is_live"))
    ]
    return rows


def _reviewing() -> list[Move]:
    """The stages: claim, decide, hold, resume."""
    first = _REVIEWER[State.FIRST_REVIEW]
    start = ("intake_done", *_INDEPENDENT)
    rows = [Move(Event.CLAIM, State.RECEIVED, State.FIRST_REVIEW, first, start, by_stage=True)]
    for stage in STAGES:
        rows.append(_at(stage, Event.CLAIM, stage, (*_INDEPENDENT, "signs_once")))
        rows += [
            _at(stage, Event.APPROVE, *signing) for signing in _signings(stage, (*_DECIDES, "signs_once"))
        ]
        rows += _adverse(stage)
        held = (f"held_from_{stage.value}",)
        rows.append(
            Move(Event.RESUME, State.HELD, stage, _REVIEWER[stage], ("column_fits",), (), held, by_stage=True)
        )
    return rows


_Signing = tuple[State, tuple[str, ...], tuple[Effect, ...], tuple[str, ...]]


def _signings(stage: State, guards: tuple[str, ...]) -> list[_Signing]:
    """Where a signature leads: the last one onwards, an earlier one waits for the countersignature (会签)."""
    if stage is State.FINAL_REVIEW:
        guards = (*guards, *_SIGN_OFF)
    found: list[_Signing] = [(stage, guards, (), ("needs_countersignature",))]
    for target in _ONWARDS[stage]:
        leads = f"leads_to_{target.value}"
        if target is State.APPROVED:
            found.append((target, guards, (Effect.DISTRIBUTE,), (leads, "goes_out_now")))
            found.append((target, guards, (Effect.RELEASE,), (leads, "goes_out_later")))
        else:
            found.append((target, guards, (Effect.RENDER,) if stage is State.FIRST_REVIEW else (), (leads,)))
    return found


def _adverse(stage: State) -> list[Move]:
    """Hold, return and reject. A correction that is turned down leaves the old revision up."""
    rows = (
        (Event.HOLD, State.HELD, ()),
        (Event.RETURN_FOR_REVISION, State.RETURNED, ("not_live",)),
        (Event.RETURN_FOR_REVISION, State.CORRECTING, ("is_live",)),
        (Event.REJECT, State.REJECTED, ("not_live",)),
        (Event.REJECT, State.PUBLISHED, ("was_published",)),
        (Event.REJECT, State.APPROVED, ("never_published",)),
    )
    why = (*_DECIDES, "gives_reason")
    return [_at(stage, event, target, why, when=when) for event, target, when in rows]


def _holding() -> list[Move]:
    """Who has a piece in hand: letting go, handing over, and a head who takes it back."""
    rows = []
    for state in (*STAGES, State.CORRECTING):
        roles = _REVIEWER.get(state, EDITORS)
        mine = ("holds_claim",)
        rows.append(Move(Event.RELEASE, state, state, EDITORS, mine))
        rows.append(Move(Event.HAND_OVER, state, state, EDITORS, ("holds_claim", "successor_fits")))
        taken = ("is_held_by_another", "column_fits", "gives_reason")
        rows.append(Move(Event.FORCE_RELEASE, state, state, _HEADS, taken))
        if state is State.CORRECTING:
            rows.append(Move(Event.CLAIM, state, state, roles, ("column_fits", "not_claimed_by_another")))
    return rows


def _overriding() -> list[Move]:
    """When a stage's own editors cannot be reached: two people and a reason, never at the sign-off.

    It lifts the stage's role, the column and the claim, nothing else: the reviewers stay apart.
    """
    confirms = (
        "override_asked",
        "not_override_asker",
        "asker_independent",
        "not_author",
        "not_last_editor",
        "sees_current_revision",
        "gives_reason",
    )
    asks = (*_APART, "signs_once", "sees_current_revision", "gives_reason")
    first = (Event.ASK_OVERRIDE, State.RECEIVED, State.FIRST_REVIEW)  # nobody is there to claim it
    rows = [Move(*first, EDITORS, ("intake_done", *asks), in_own_right=True)]
    for stage in (State.FIRST_REVIEW, State.SECOND_REVIEW, State.EXTRA_REVIEW):
        rows.append(Move(Event.ASK_OVERRIDE, stage, stage, EDITORS, asks, in_own_right=True))
        rows += [
            Move(Event.CONFIRM_OVERRIDE, stage, target, _HEADS, guards, effects, when, is_approval=True)
            for target, guards, effects, when in _signings(stage, confirms)
        ]
        declines = ("override_asked", "gives_reason")
        rows.append(Move(Event.DECLINE_OVERRIDE, stage, stage, _HEADS, declines))
    return rows


def _leaving() -> list[Move]:
    """The author's withdrawal before sign-off; correction and retraction after it."""
    own = ("is_author",)
    rows = [
        Move(Event.WITHDRAW, state, State.WITHDRAWN, _WRITERS, own, when=("not_live",))
        for state in (State.DRAFT, *_BEFORE_SIGN_OFF, State.RETURNED)
    ]
    rows += [
        Move(Event.WITHDRAW, state, target, _WRITERS, ("is_author_or_editor",), when=(when,))
        for state in (State.CORRECTING, *_BEFORE_SIGN_OFF)
        for target, when in ((State.PUBLISHED, "was_published"), (State.APPROVED, "never_published"))
    ]
    why = ("gives_reason",)
    rows.append(Move(Event.CORRECT, State.PUBLISHED, State.CORRECTING, EDITORS, why))
    rows.append(Move(Event.CORRECT, State.APPROVED, State.CORRECTING, EDITORS, why, when=("was_released",)))
    rows += [
        Move(
            Event.RETRACT,
            state,
            State.RETRACTED,
            _CHIEF,
            why,
            (Effect.RETRACT,),
            () if state in (State.APPROVED, State.PUBLISHED) else ("is_live",),
        )
        for state in (State.APPROVED, State.PUBLISHED, State.CORRECTING, *_BEFORE_SIGN_OFF)
    ]
    return rows


def _releasing() -> list[Move]:
    """When a signed piece goes out: scheduled by wall clock, not before its embargo, exactly once."""
    timed = ("column_fits", "release_in_future", "after_embargo")
    waits = ("awaits_release",)
    rows = [Move(Event.SCHEDULE, state, state, EDITORS, timed) for state in (*STAGES, State.HELD)]
    rows += [
        Move(Event.UNSCHEDULE, state, state, EDITORS, ("column_fits",)) for state in (*STAGES, State.HELD)
    ]
    approved = State.APPROVED
    rows += [
        Move(Event.SCHEDULE, approved, approved, _CHIEF, timed, (Effect.RELEASE,), waits),
        Move(Event.UNSCHEDULE, approved, approved, _CHIEF, (), (Effect.RELEASE,), waits),
        Move(Event.GO_OUT, approved, approved, _SYSTEM, ("is_due",), (Effect.DISTRIBUTE,), waits),
    ]
    rows += [
        Move(Event.RECALL, approved, target, _CHIEF, ("gives_reason",), when=(*waits, when))
        for target, when in ((State.RETURNED, "not_live"), (State.CORRECTING, "is_live"))
    ]
    return rows


def _reporting() -> list[Move]:
    """Facts that the flows report; only the first confirmed delivery moves the item."""
    rows = [
        Move(event, state, state, _SYSTEM, _CURRENT)
        for event in (Event.MEDIA_READY, Event.MEDIA_FAILED)
        for state in _BEFORE_SIGN_OFF
    ]
    rows += [
        Move(event, state, state, _SYSTEM) for event in (Event.REMIND, Event.ESCALATE) for state in _IN_REVIEW
    ]
    confirming = _SYSTEM | EDITORS  # a person confirms a hand-off with the link
    # A late confirmation of an earlier revision does not publish the correction that waits.
    out = (Event.DELIVERY_CONFIRMED, State.APPROVED, State.PUBLISHED, confirming)
    rows.append(Move(*out, _CURRENT, when=("is_signed", "was_released")))
    rows.append(Move(*out, when=("not_signed",)))  # a correction was given up before the first confirmation
    old = ("awaits_release", "is_live")  # the revision before the one that waits
    rows.append(Move(out[0], State.APPROVED, State.APPROVED, confirming, when=old))
    # Not `returned`: a live piece that is turned back is `correcting`.
    after = (State.PUBLISHED, State.CORRECTING, State.RETRACTED, *_BEFORE_SIGN_OFF)
    rows += [Move(Event.DELIVERY_CONFIRMED, state, state, confirming, when=("is_live",)) for state in after]
    rows += [
        Move(event, state, state, _SYSTEM, when=() if state is State.APPROVED else ("is_live",))
        for event in (Event.DELIVERY_HANDED_OFF, Event.DELIVERY_REFUSED, Event.DELIVERY_UNKNOWN)
        for state in (State.APPROVED, *after)
    ]
    return rows


MOVES: tuple[Move, ...] = (
    *_writing(),
    *_reviewing(),
    *_holding(),
    *_overriding(),
    *_leaving(),
    *_releasing(),
    *_reporting(),
)
MOVES_FROM: dict[tuple[Event, State], tuple[Move, ...]] = {
    (event, state): rows
    for event in Event
    for state in State
    if (rows := tuple(move for move in MOVES if (move.event, move.source) == (event, state)))
}
