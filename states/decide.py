"""Whether a move is legal, and where it leads. `transitions` decides legality only.

Concurrency is not decided here: the database does that, by compare-and-set on what was read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from transitions import EventData, Machine

from states.guards import CONDITIONS, GUARDS
from states.item import Item, Request, State
from states.refusals import GuardRefused, IllegalMove, RoleMissing
from states.roles import Actor
from states.submission import MOVES, MOVES_FROM, Event, Move


@dataclass(frozen=True, slots=True)
class Decision:
    """A legal move: the row that allows it."""

    move: Move

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
        self.move: Move | None = None
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
        pending.refusal = _refusal(move, pending.item, pending.request)
        if pending.refusal is None:
            pending.move = move
        return pending.refusal is None

    return condition


def _refusal(move: Move, item: Item, request: Request) -> RoleMissing | GuardRefused | None:
    if not move.roles & request.actor.roles:
        return RoleMissing(move.event, move.roles)
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
    if pending.move is not None:
        return Decision(pending.move)
    if pending.refusal is not None:
        raise pending.refusal
    raise IllegalMove(
        event.value, item.state.value, tuple(e.value for e in allowed_events(item, request.actor))
    )


def allowed_events(item: Item, actor: Actor) -> tuple[Event, ...]:
    """The events that this actor could send now, having read the current revision and given a reason."""
    request = Request(actor, revision_sha256=item.revision_sha256, reason="·")
    return tuple(event for event in Event if _is_open(item, event, request))


def _is_open(item: Item, event: Event, request: Request) -> bool:
    rows = MOVES_FROM.get((event, item.state), ())
    return any(
        all(CONDITIONS[name](item, request) for name in move.when) and _refusal(move, item, request) is None
        for move in rows
    )
