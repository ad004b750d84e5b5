"""Whether a move is legal, and where it leads. `transitions` decides legality only.

Concurrency is not decided here: the database does that, by compare-and-set on what was read.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from transitions import EventData, Machine

from states.conditions import CONDITIONS
from states.events import Event
from states.guards import GUARDS, PERSONAL
from states.item import Item, Request, State
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import Actor, Delegated, Role
from states.submission import MOVES, MOVES_FROM, Move


@dataclass(frozen=True, slots=True)
class Decision:
    """A legal move: the row that allows it, and for whom the actor acts, unless in their own right."""

    move: Move
    delegated: Delegated | None = None

    @property
    def target(self) -> State:
        """Where the item goes."""
        return self.move.target


class _Pending:
    """The model that `transitions` moves: never stored, it carries what was decided or refused."""

    def __init__(self, item: Item, request: Request) -> None:
        self.state: str = item.state.value
        self.item = item
        self.request = request
        self.decision: Decision | None = None
        self.refusal: RoleMissing | GuardRefused | None = None


def _details(guard: str, item: Item) -> tuple[str, ...]:
    if guard == "renditions_ready":
        return item.missing_renditions
    return item.destination_problems if guard == "within_platform_limits" else ()


def _applies(move: Move) -> Callable[[EventData], bool]:
    def condition(event: EventData) -> bool:
        pending = cast(_Pending, event.model)
        return all(CONDITIONS[name](pending.item, pending.request) for name in move.when)

    return condition


def _permits(move: Move) -> Callable[[EventData], bool]:
    def condition(event: EventData) -> bool:
        pending = cast(_Pending, event.model)
        found = _judge(move, pending.item, pending.request)
        if isinstance(found, Decision):
            pending.decision = found
            return True
        pending.refusal = found
        return False

    return condition


def _judge(move: Move, item: Item, request: Request) -> Decision | RoleMissing | GuardRefused:
    """The actor in their own right, or as the deputy of somebody who may."""
    roles = _roles(move, item)
    refusal: RoleMissing | GuardRefused = RoleMissing(move.event, roles)
    if move.roles & request.actor.roles & roles:
        own = _first_closed(move, item, request)
        if own is None:
            return Decision(move)
        refusal = own
    for delegated in () if move.in_own_right else request.actor.delegated:
        if delegated.role not in roles or delegated.until <= item.now:
            continue
        closed = _first_closed(move, item, _as_deputy(request, delegated)) or _personal(
            move, item, request, delegated
        )
        if closed is None:
            return Decision(move, delegated)
        if isinstance(refusal, RoleMissing):
            refusal = closed
    return refusal


def _roles(move: Move, item: Item) -> frozenset[Role]:
    if move.by_stage and item.here is not None:
        return move.roles & {item.here.role}
    return move.roles


def _as_deputy(request: Request, delegated: Delegated) -> Request:
    return replace(request, actor=replace(request.actor, columns=delegated.columns))


def _personal(move: Move, item: Item, request: Request, delegated: Delegated) -> GuardRefused | None:
    """What keeps reviewers apart holds for the one who lends the role, too."""
    principal = Actor(delegated.principal_id, frozenset({delegated.role}), delegated.columns)
    guards = tuple(name for name in move.guards if name in PERSONAL)
    return _first_closed(replace(move, guards=guards), item, replace(request, actor=principal))


def _first_closed(move: Move, item: Item, request: Request) -> GuardRefused | None:
    for name in move.guards:
        guard = GUARDS[name]
        if not guard.holds(item, request):
            return GuardRefused(name, guard.refusal, _details(name, item))
    return None


def _build() -> Machine:
    """The machine over plain values: `transitions` would take a StrEnum's name, not its value."""
    machine = Machine(
        model=None,
        states=[state.value for state in State],
        initial=State.DRAFT.value,
        auto_transitions=False,
        send_event=True,
    )
    for move in MOVES:
        machine.add_transition(
            move.event.value,
            move.source.value,
            move.target.value,
            conditions=[_applies(move), _permits(move)],
        )
    return machine


_MACHINE = _build()


def decide(item: Item, event: Event, request: Request) -> Decision:
    """The one row of the table that lets `request.actor` make this move now.

    Raises IllegalMove when no row fits the item, RoleMissing or GuardRefused when one fits and stands
    closed. Changes nothing: the caller writes the move, with compare-and-set on what it read.
    """
    pending = _Pending(item, request)
    trigger = _MACHINE.events[event.value]
    if item.state.value in trigger.transitions:
        trigger.trigger(pending)
    if pending.decision is not None:
        return pending.decision
    if pending.refusal is not None:
        raise pending.refusal
    raise IllegalMove(
        event.value, item.state.value, tuple(e.value for e in allowed_events(item, request.actor))
    )


def allowed_events(item: Item, actor: Actor) -> tuple[Event, ...]:
    """The events that this actor could send now, having read the current revision and given what each asks for."""
    request = Request(actor, revision_sha256=item.revision_sha256, reason="·")
    return tuple(event for event in Event if _is_open(item, event, request))


# What a request answers with its own fields; whether it answers well is seen when it comes.
_ASKED_FOR = frozenset({"successor_fits", "release_in_future", "after_embargo"})


def _is_open(item: Item, event: Event, request: Request) -> bool:
    rows = MOVES_FROM.get((event, item.state), ())
    return any(
        all(CONDITIONS[name](item, request) for name in move.when)
        and isinstance(_judge(_without_answers(move), item, request), Decision)
        for move in rows
    )


def _without_answers(move: Move) -> Move:
    if _ASKED_FOR.isdisjoint(move.guards):
        return move
    return replace(move, guards=tuple(name for name in move.guards if name not in _ASKED_FOR))
