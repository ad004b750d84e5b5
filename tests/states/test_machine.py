"""The machine as a whole: nothing unreachable, nothing skipped, nothing kept between two decisions."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pytest

from states import decide as decide_module
from states.decide import allowed_events, decide
from states.guards import CONDITIONS, GUARDS
from states.item import REVIEWS, Item, State
from states.refusals import MoveRefused
from states.roles import EDITORS, Actor, Role
from states.submission import MOVES, MOVES_FROM, Event, Move

FACTS = {
    Event.INTAKE_PASSED,
    Event.INTAKE_REFUSED,
    Event.MEDIA_READY,
    Event.MEDIA_FAILED,
    Event.DELIVERY_CONFIRMED,
    Event.DELIVERY_HANDED_OFF,
    Event.DELIVERY_REFUSED,
    Event.DELIVERY_UNKNOWN,
}
ENDS = {State.REJECTED, State.WITHDRAWN, State.RETRACTED}


@dataclass(frozen=True)
class Place:
    """Where a piece can be, with what it has been through since it was last sent in."""

    state: State = State.DRAFT
    is_live: bool = False
    held_from: State | None = None
    approvals: tuple[State, ...] = ()

    def after(self, move: Move) -> "Place":
        approvals = self.approvals + ((self.state,) if move.event is Event.APPROVE else ())
        return Place(
            move.target,
            self.is_live or move.target is State.APPROVED,
            {Event.HOLD: self.state, Event.RESUME: None}.get(move.event, self.held_from),
            () if move.event is Event.SUBMIT else approvals,
        )


def rows_at(place: Place, moves: tuple[Move, ...]) -> Iterator[Move]:
    """The rows that are there for a piece at this place, whoever asks and whatever the guards say."""
    names = ("not_live", "is_live")[place.is_live], f"held_from_{place.held_from}"
    there = {*names, "is_ordinary", "is_fast_track"}
    return (move for move in moves if move.source is place.state and there.issuperset(move.when))


def walk(moves: tuple[Move, ...] = MOVES) -> set[tuple[Place, Move, Place]]:
    """Every step that can be taken on any way from a draft."""
    steps: set[tuple[Place, Move, Place]] = set()
    waiting, seen = [Place()], {Place()}
    while waiting:
        place = waiting.pop()
        for move in rows_at(place, moves):
            steps.add((place, move, place.after(move)))
            if place.after(move) not in seen:
                seen.add(place.after(move))
                waiting.append(place.after(move))
    return steps


STEPS = walk()


def test_every_state_can_be_reached_from_a_draft() -> None:
    assert {State.DRAFT} | {after.state for _, _, after in STEPS} == set(State)


def test_every_row_can_be_taken_on_some_way_from_a_draft() -> None:
    assert set(MOVES) - {move for _, move, _ in STEPS} == set()


def test_every_way_to_approved_passes_the_three_approvals_in_order() -> None:
    arrivals = [(move, after) for _, move, after in STEPS if move.target is State.APPROVED]
    changing = [(move, after) for move, after in arrivals if move.source is not State.APPROVED]
    assert changing
    for move, after in changing:
        assert move.event is Event.APPROVE
        assert after.approvals == REVIEWS


@pytest.mark.parametrize("stage", REVIEWS)
def test_without_the_approval_of_one_stage_nothing_is_ever_approved_or_published(stage: State) -> None:
    others = tuple(move for move in MOVES if (move.event, move.source) != (Event.APPROVE, stage))
    reached = {after.state for _, _, after in walk(others)}
    assert reached.isdisjoint({State.APPROVED, State.PUBLISHED, State.CORRECTING, State.RETRACTED})


def test_a_live_piece_is_never_drafted_returned_rejected_or_withdrawn() -> None:
    gone = {State.DRAFT, State.RETURNED, State.REJECTED, State.WITHDRAWN}
    assert not [after for _, _, after in STEPS if after.is_live and after.state in gone]


def test_only_an_end_leaves_no_change_of_state() -> None:
    for place in {Place()} | {after for _, _, after in STEPS}:
        goes_on = any(move.target is not place.state for move in rows_at(place, MOVES))
        assert goes_on is (place.state not in ENDS), place


def test_no_place_has_two_rows_for_one_event_but_by_speed() -> None:
    for place in {before for before, _, _ in STEPS}:
        for speed in ("is_ordinary", "is_fast_track"):
            events = [m.event for m in rows_at(place, MOVES) if speed in m.when or not _is_by_speed(m)]
            assert len(events) == len(set(events)), place


def _is_by_speed(move: Move) -> bool:
    return bool({"is_ordinary", "is_fast_track"} & set(move.when))


def test_every_event_is_in_the_table() -> None:
    assert {move.event for move in MOVES} == set(Event)


def test_every_row_has_a_role_and_a_known_source_and_target() -> None:
    for move in MOVES:
        assert move.roles, move
        assert move.roles <= set(Role)
        assert {move.source, move.target} <= set(State)


def test_every_guard_and_condition_of_the_table_exists_and_is_used() -> None:
    assert {name for move in MOVES for name in move.guards} == set(GUARDS)
    assert {name for move in MOVES for name in move.when} == set(CONDITIONS)
    assert all(name == guard.name for name, guard in GUARDS.items())


def test_moves_from_holds_every_row_once() -> None:
    assert sorted(map(repr, MOVES)) == sorted(repr(move) for rows in MOVES_FROM.values() for move in rows)


def test_names_are_their_values_in_lower_case() -> None:
    for each in (*State, *Event, *Role):
        assert each.value == each.name.lower()


def test_transitions_knows_plain_values_only() -> None:
    machine = decide_module._MACHINE
    plain = {state.value for state in State}
    assert set(machine.states) == plain
    assert all(type(name) is str for name in machine.states)
    assert set(machine.events) == {event.value for event in Event}
    rows = [row for event in machine.events.values() for rows in event.transitions.values() for row in rows]
    assert len(rows) == len(MOVES)
    assert all(type(end) is str and end in plain for row in rows for end in (row.source, row.dest))
    assert machine.models == []


def test_facts_are_reported_by_the_system_alone_but_for_a_confirmed_hand_off() -> None:
    for move in MOVES:
        persons = move.roles - {Role.SYSTEM}
        if move.event is Event.DELIVERY_CONFIRMED:
            assert persons == EDITORS
        elif move.event in FACTS:
            assert persons == set(), move
        else:
            assert Role.SYSTEM not in move.roles, move


def test_operators_and_administrators_decide_on_no_content() -> None:
    assert not [move for move in MOVES if move.roles & {Role.OPERATOR, Role.ADMINISTRATOR}]


def test_approvals_and_only_they_are_marked_so() -> None:
    assert {move for move in MOVES if move.is_approval} == {m for m in MOVES if m.event is Event.APPROVE}
    assert {move.source for move in MOVES if move.is_approval} == set(REVIEWS)


def test_a_reason_is_due_where_the_newsroom_wants_one() -> None:
    due = {Event.RETURN_FOR_REVISION, Event.HOLD, Event.REJECT, Event.CORRECT, Event.RETRACT}
    assert {move.event for move in MOVES if "gives_reason" in move.guards} == due
    assert all("gives_reason" in move.guards for move in MOVES if move.event in due)


def test_guards_take_the_item_and_the_request_and_nothing_else() -> None:
    for condition in (*CONDITIONS.values(), *(guard.holds for guard in GUARDS.values())):
        assert list(inspect.signature(condition).parameters) == ["item", "request"]


def outcome(item: Item, event: Event, request: Any) -> tuple[str, Any]:
    try:
        return "moved", decide(item, event, request).move
    except MoveRefused as refusal:
        return type(refusal).__name__, refusal.text


def situations(open_situation: Callable[..., Any], close: dict[str, Any]) -> Iterator[tuple[Item, Any]]:
    """Every state and role; mine or not, live or not, held from each stage, and each guard closed once."""
    for state in State:
        for role in (*Role, None):
            for is_mine in (True, False):
                for changes in ({}, {"is_live": True}, *({"held_from": stage} for stage in REVIEWS)):
                    yield open_situation(state, role, is_mine=is_mine, **changes)
            for shut in close.values():
                yield shut(*open_situation(state, role))


def test_decide_gives_the_same_twice_and_changes_nothing(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for item, request in islice(situations(open_situation, close), 0, None, 7):  # each takes 40 decisions
        before = (replace(item), replace(request))
        first = [outcome(item, event, request) for event in Event]
        backwards = [outcome(item, event, request) for event in reversed(Event)]
        assert first == backwards[::-1]
        assert (item, request) == before


def test_allowed_events_are_those_that_decide_lets_through(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for item, request in situations(open_situation, close):
        asking = replace(request, revision_sha256=item.revision_sha256, reason="because")
        decided = [event for event in Event if outcome(item, event, asking)[0] == "moved"]
        assert list(allowed_events(item, request.actor)) == decided


def test_an_actor_without_a_role_can_do_nothing_at_all(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for item, request in situations(open_situation, close):
        nobody = Actor(request.actor.person_id, frozenset())
        assert allowed_events(item, nobody) == ()
