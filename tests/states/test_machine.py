"""The machine as a whole: nothing unreachable, nothing skipped, nothing kept between two decisions."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from itertools import islice, product
from typing import Any

import pytest

from states import decide as decide_module
from states.conditions import CONDITIONS
from states.decide import allowed_events, decide
from states.events import Effect, Event
from states.guards import GUARDS, PERSONAL
from states.item import BEGINNING, REVIEWS, STAGES, Here, Item, Request, State
from states.refusals import MoveRefused
from states.roles import EDITORS, SYSTEM, Actor, Role
from states.submission import MOVES, MOVES_FROM, Move
from states.text import Text
from states.wall_time import WallTime
from states.workflow import STANDARD, Stage, Workflow

FACTS = {
    Event.INTAKE_PASSED,
    Event.INTAKE_REFUSED,
    Event.MEDIA_READY,
    Event.MEDIA_FAILED,
    Event.DELIVERY_CONFIRMED,
    Event.DELIVERY_HANDED_OFF,
    Event.DELIVERY_REFUSED,
    Event.DELIVERY_UNKNOWN,
    Event.GO_OUT,
    Event.REMIND,
    Event.ESCALATE,
}
ENDS = {State.REJECTED, State.WITHDRAWN, State.RETRACTED}
APPROVING = {Event.APPROVE, Event.CONFIRM_OVERRIDE}


def _extra(key: str, following: str, signatures: int = 1) -> Stage:
    label = Text("加审", "extra review")
    return Stage(key, State.EXTRA_REVIEW, label, Role.DESK_HEAD, following, signatures)


def _with_extras() -> Workflow:
    """Two extra stages after the first review, one before the last; two sign each review and one extra stage."""
    first, second, final = STANDARD.stages
    stages = (
        replace(first, next="facts", signatures=2),
        _extra("facts", "law", 2),
        _extra("law", "second_review"),
        replace(second, next="platforms", signatures=2),
        _extra("platforms", "final_review"),
        replace(final, signatures=2),
    )
    return Workflow(stages, "first_review")


WORKFLOWS = (STANDARD, _with_extras())


@dataclass(frozen=True)
class Place:
    """Where a piece can be, with what it has been through since it was last sent in."""

    state: State = State.DRAFT
    stage: str | None = None
    is_live: bool = False
    is_published: bool = False
    is_signed: bool = False
    is_changed: bool = True
    held_from: State | None = None
    approvals: tuple[str, ...] = ()

    def item(self, workflow: Workflow, *, is_later: bool = False, is_fast: bool = False) -> Item:
        return Item(
            self.state,
            "author",
            "author",
            None,
            "the current one",
            here=self._here(workflow),
            held_from=self.held_from,
            release_at=BEGINNING + timedelta(days=1) if is_later else None,
            is_live=self.is_live,
            is_published=self.is_published,
            is_signed=self.is_signed,
            is_changed_since_live=self.is_changed,
            is_fast_track=is_fast,
        )

    def _here(self, workflow: Workflow) -> Here | None:
        if self.stage is None:
            return None
        stage, following = workflow.by_key[self.stage], workflow.after(self.stage)
        signed = frozenset(str(number) for number in range(self.approvals.count(self.stage)))
        leads_to = following.state if following else State.APPROVED
        return Here(stage.key, stage.role, stage.signatures, signed, leads_to)

    def after(self, move: Move, workflow: Workflow) -> "Place":
        place = replace(self, state=move.target, stage=self._stage_after(move, workflow))
        if move.is_approval:
            place = replace(place, approvals=(*self.approvals, self.stage or ""))
        elif place.stage is None or (move.target is State.RECEIVED and self.state is not State.RECEIVED):
            place = replace(place, approvals=())
        return replace(place, **self._marks_after(move))

    def _stage_after(self, move: Move, workflow: Workflow) -> str | None:
        if move.target is State.RECEIVED and self.state is not State.RECEIVED:
            return workflow.start
        if move.target not in (State.RECEIVED, State.HELD, *STAGES) or self.stage is None:
            return None
        if move.is_approval and "needs_countersignature" not in move.when:
            return workflow.by_key[self.stage].next
        return self.stage

    def _marks_after(self, move: Move) -> dict[str, Any]:
        marks: dict[Event, dict[str, Any]] = {
            Event.EDIT: {} if "changes_nothing" in move.when else {"is_changed": True, "is_signed": False},
            Event.HOLD: {"held_from": self.state},
            Event.RESUME: {"held_from": None},
            Event.RECALL: {"is_signed": False},
            Event.DELIVERY_CONFIRMED: {"is_published": True},
        }
        if move.target is State.APPROVED and move.is_approval:
            goes_out = Effect.DISTRIBUTE in move.effects
            return {"is_signed": True} | ({"is_live": True, "is_changed": False} if goes_out else {})
        if move.event is Event.GO_OUT:
            return {"is_live": True, "is_changed": False}
        return marks.get(move.event, {})


def rows_at(place: Place, workflow: Workflow, moves: tuple[Move, ...] = MOVES) -> Iterator[Move]:
    """The rows that are there for a piece at this place, whoever asks and whatever the guards say."""
    requests = [Request(SYSTEM, brings_sha256=brings) for brings in ("the current one", "another")]
    items = [
        place.item(workflow, is_later=later, is_fast=fast) for later, fast in product((False, True), repeat=2)
    ]
    for move in moves:
        if move.source is place.state and any(
            all(CONDITIONS[name](item, request) for name in move.when)
            for item in items
            for request in requests
        ):
            yield move


Step = tuple[Place, Move, Place]


def walk(workflow: Workflow, moves: tuple[Move, ...] = MOVES) -> set[Step]:
    """Every step that can be taken on any way from a draft."""
    steps: set[Step] = set()
    waiting, seen = [Place()], {Place()}
    while waiting:
        place = waiting.pop()
        for move in rows_at(place, workflow, moves):
            after = place.after(move, workflow)
            steps.add((place, move, after))
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return steps


@cache
def steps_of(workflow_number: int) -> frozenset[Step]:
    return frozenset(walk(WORKFLOWS[workflow_number]))


BOTH = pytest.mark.parametrize("number", range(len(WORKFLOWS)), ids=["standard", "with extra stages"])


def places(number: int) -> set[Place]:
    return {Place()} | {after for _, _, after in steps_of(number)}


@BOTH
def test_every_state_can_be_reached_from_a_draft(number: int) -> None:
    missing = set(State) - {place.state for place in places(number)}
    assert missing == ({State.EXTRA_REVIEW} if number == 0 else set())


def test_every_row_can_be_taken_on_some_way_from_a_draft() -> None:
    assert set(MOVES) - {move for number in range(len(WORKFLOWS)) for _, move, _ in steps_of(number)} == set()


@BOTH
def test_every_sign_off_has_every_signature_of_every_stage_in_order(number: int) -> None:
    wanted = []
    stage: str | None = WORKFLOWS[number].start
    while stage is not None:
        wanted += [stage] * WORKFLOWS[number].by_key[stage].signatures
        stage = WORKFLOWS[number].by_key[stage].next
    arrivals = [step for step in steps_of(number) if step[1].target is State.APPROVED and step[1].is_approval]
    assert arrivals
    assert {after.approvals or before.approvals for before, _, after in arrivals} == {tuple(wanted)}


@BOTH
def test_nothing_is_approved_or_published_without_a_sign_off_now_or_before(number: int) -> None:
    for before, move, _ in steps_of(number):
        if move.target in (State.APPROVED, State.PUBLISHED) and not move.is_approval:
            assert before.is_live or before.is_signed, (before, move)


@BOTH
def test_what_goes_out_is_signed(number: int) -> None:
    going = [step for step in steps_of(number) if Effect.DISTRIBUTE in step[1].effects]
    assert {move.event for _, move, _ in going} == {Event.APPROVE, Event.GO_OUT}
    assert all(after.is_signed for _, _, after in going)


@pytest.mark.parametrize("stage", REVIEWS)
@BOTH
def test_without_the_approvals_of_one_review_nothing_is_ever_signed_or_out(number: int, stage: State) -> None:
    others = tuple(move for move in MOVES if not (move.is_approval and move.source is stage))
    reached = {after.state for _, _, after in walk(WORKFLOWS[number], others)}
    assert reached.isdisjoint({State.APPROVED, State.PUBLISHED, State.CORRECTING, State.RETRACTED})


@BOTH
def test_a_live_piece_is_never_drafted_returned_rejected_or_withdrawn(number: int) -> None:
    gone = {State.DRAFT, State.RETURNED, State.REJECTED, State.WITHDRAWN}
    assert not [place for place in places(number) if place.is_live and place.state in gone]


@BOTH
def test_only_an_end_leaves_no_change_of_state(number: int) -> None:
    for place in places(number):
        goes_on = any(move.target is not place.state for move in rows_at(place, WORKFLOWS[number]))
        assert goes_on is (place.state not in ENDS), place


@BOTH
def test_from_every_place_an_end_can_be_reached(number: int) -> None:
    sources: dict[Place, set[Place]] = {}
    for before, _, after in steps_of(number):
        sources.setdefault(after, set()).add(before)
    reaching = {place for place in places(number) if place.state in ENDS}
    waiting = list(reaching)
    while waiting:
        new = sources.get(waiting.pop(), set()) - reaching
        reaching |= new
        waiting += new
    assert places(number) == reaching


def situations_of_conditions() -> Iterator[tuple[Item, Request]]:
    """Every combination of what the conditions look at."""
    for live, later, fast, signed, changed in product(
        ((False, False), (True, False), (True, True)), *[(False, True)] * 4
    ):
        for held_from, leads_to, signatures, brings in product(
            STAGES, (*STAGES, State.APPROVED), (1, 2), ("the current one", "another")
        ):
            place = Place(State.DRAFT, None, *live, signed, changed, held_from)
            item = place.item(STANDARD, is_later=later, is_fast=fast)
            here = Here("key", Role.DESK_HEAD, signatures, leads_to=leads_to)
            yield replace(item, here=here), Request(SYSTEM, brings_sha256=brings)


@cache
def truths() -> frozenset[frozenset[str]]:
    """For each of them, the conditions that hold."""
    return frozenset(
        frozenset(name for name, condition in CONDITIONS.items() if condition(item, request))
        for item, request in situations_of_conditions()
    )


@pytest.mark.parametrize("rows", MOVES_FROM.values(), ids=[f"{e}-{s}" for e, s in MOVES_FROM])
def test_rows_of_one_event_and_state_exclude_each_other(rows: tuple[Move, ...]) -> None:
    for truth in truths():
        assert sum(truth.issuperset(move.when) for move in rows) <= 1, truth


ONE_OF_THEM = {
    Event.INTAKE_PASSED: (State.RECEIVED,),
    Event.INTAKE_REFUSED: (State.RECEIVED,),
    Event.EDIT: STAGES,
    Event.RETURN_FOR_REVISION: STAGES,
    Event.REJECT: STAGES,
    Event.RESUME: (State.HELD,),
    Event.WITHDRAW: (State.RECEIVED, State.HELD, *STAGES),
}


@pytest.mark.parametrize(
    ("event", "state"), [(event, state) for event, states in ONE_OF_THEM.items() for state in states]
)
def test_rows_of_one_event_and_state_leave_no_case_out(event: Event, state: State) -> None:
    for truth in truths():
        assert any(truth.issuperset(move.when) for move in MOVES_FROM[event, state]), truth


@pytest.mark.parametrize("event", APPROVING)
@pytest.mark.parametrize(
    ("stage", "onwards"),
    [
        (State.FIRST_REVIEW, {State.SECOND_REVIEW, State.EXTRA_REVIEW}),
        (State.SECOND_REVIEW, {State.FINAL_REVIEW, State.EXTRA_REVIEW}),
        (State.EXTRA_REVIEW, {State.SECOND_REVIEW, State.FINAL_REVIEW, State.EXTRA_REVIEW}),
        (State.FINAL_REVIEW, {State.APPROVED}),
    ],
)
def test_signature_leads_on_wherever_a_workflow_may_and_nowhere_else(
    event: Event, stage: State, onwards: set[State]
) -> None:
    if event is Event.CONFIRM_OVERRIDE and stage is State.FINAL_REVIEW:
        assert (event, stage) not in MOVES_FROM
        return
    rows = MOVES_FROM[event, stage]
    assert {move.target for move in rows} == onwards | {stage}
    for truth in truths():
        leads_to = next((state for state in onwards if f"leads_to_{state}" in truth), None)
        there = leads_to is not None or "needs_countersignature" in truth
        assert any(truth.issuperset(move.when) for move in rows) is there, truth


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
    assert set(GUARDS) >= PERSONAL


def test_every_effect_is_some_rows() -> None:
    assert {effect for move in MOVES for effect in move.effects} == set(Effect)


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
    assert {move for move in MOVES if move.is_approval} == {m for m in MOVES if m.event in APPROVING}
    assert {move.source for move in MOVES if move.is_approval} == set(STAGES)


def test_every_approval_keeps_the_reviewers_apart_and_names_the_content() -> None:
    for move in (move for move in MOVES if move.is_approval):
        assert {"not_author", "not_last_editor", "sees_current_revision"} <= set(move.guards)
        if move.event is Event.APPROVE:
            assert {"not_earlier_reviewer", "signs_once"} <= set(move.guards)
        else:
            assert {"override_asked", "not_override_asker", "asker_independent"} <= set(move.guards)


def test_an_override_takes_two_people_and_a_reason_and_is_never_the_sign_off() -> None:
    overriding = {Event.ASK_OVERRIDE, Event.CONFIRM_OVERRIDE, Event.DECLINE_OVERRIDE}
    rows = [move for move in MOVES if move.event in overriding]
    assert all("gives_reason" in move.guards for move in rows)
    assert all(State.FINAL_REVIEW is not move.source and State.APPROVED is not move.target for move in rows)
    confirming = [move for move in rows if move.event is Event.CONFIRM_OVERRIDE]
    assert {role for move in confirming for role in move.roles} == {Role.DESK_HEAD, Role.EDITOR_IN_CHIEF}


def test_the_sign_off_is_the_editor_in_chiefs_alone() -> None:
    signing = [move for move in MOVES if move.is_approval and move.target is State.APPROVED]
    assert {move.roles for move in signing} == {frozenset({Role.EDITOR_IN_CHIEF})}


def test_a_stages_own_decisions_are_those_of_the_role_that_its_workflow_names() -> None:
    own = {
        Event.CLAIM,
        Event.APPROVE,
        Event.RETURN_FOR_REVISION,
        Event.REJECT,
        Event.HOLD,
        Event.RESUME,
        Event.EDIT,
    }
    in_stages = (State.RECEIVED, State.HELD, *STAGES)
    assert {move for move in MOVES if move.by_stage} == {
        move for move in MOVES if move.event in own and move.source in in_stages
    }


def test_a_reason_is_due_where_the_newsroom_wants_one() -> None:
    due = {
        Event.RETURN_FOR_REVISION,
        Event.HOLD,
        Event.REJECT,
        Event.CORRECT,
        Event.RETRACT,
        Event.RECALL,
        Event.FORCE_RELEASE,
        Event.ASK_OVERRIDE,
        Event.CONFIRM_OVERRIDE,
        Event.DECLINE_OVERRIDE,
    }
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


LATE_ENOUGH = WallTime("2126-05-04T08:00", "Asia/Shanghai")
NEEDS_A_STAGE = {"signs_once", "not_override_asker", "asker_independent"}


def situations(open_situation: Callable[..., Any], close: dict[str, Any]) -> Iterator[tuple[Item, Any]]:
    """Every state and role; mine or not, live or not, held from each stage, and each guard closed once."""
    for state in State:
        for role in (*Role, None):
            for is_mine in (True, False):
                for changes in ({}, {"is_live": True}, *({"held_from": stage} for stage in STAGES)):
                    yield open_situation(state, role, is_mine=is_mine, **changes)
            for guard, shut in close.items():
                if guard not in NEEDS_A_STAGE or state in STAGES:
                    yield shut(*open_situation(state, role))


def test_decide_gives_the_same_twice_and_changes_nothing(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for item, request in islice(situations(open_situation, close), 0, None, 29):  # each takes 62 decisions
        before = (replace(item), replace(request))
        first = [outcome(item, event, request) for event in Event]
        backwards = [outcome(item, event, request) for event in reversed(Event)]
        assert first == backwards[::-1]
        assert (item, request) == before


def test_allowed_events_are_those_that_decide_lets_through(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for item, request in islice(situations(open_situation, close), 0, None, 3):
        asking = replace(request, revision_sha256=item.revision_sha256, reason="because", release=LATE_ENOUGH)
        asking = replace(asking, successor=replace(asking.successor, roles=frozenset(Role) - {Role.SYSTEM}))
        decided = [event for event in Event if outcome(item, event, asking)[0] == "moved"]
        assert list(allowed_events(item, request.actor)) == decided


def test_an_actor_without_a_role_can_do_nothing_at_all(
    open_situation: Callable[..., Any], close: dict[str, Any]
) -> None:
    for item, request in situations(open_situation, close):
        nobody = Actor(request.actor.person_id, frozenset())
        assert allowed_events(item, nobody) == ()
