"""A piece played at random, by honest people and by others: what is out is what three people signed."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from states.conditions import CONDITIONS
from states.content import Content
from states.decide import Decision, decide
from states.events import Effect, Event
from states.item import REVIEWS, STAGES, Here, Item, Override, Request, State
from states.refusals import MoveRefused
from states.roles import SYSTEM, Actor, Delegated, Role
from states.submission import MOVES_FROM
from states.text import Text
from states.wall_time import WallTime
from states.workflow import STANDARD, Stage, Workflow

pytestmark = pytest.mark.slow

MORNING = datetime(2026, 5, 4, 0, 0, tzinfo=UTC)
REVIEWERS = (Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF)


def lends(principal: str, role: Role, hours: float) -> Delegated:
    until = MORNING + timedelta(hours=hours)
    return Delegated(role, principal, frozenset(), f"{principal} lends {role}", until)


# Nearly everybody may do everything, so that only the guards keep three reviews with three people.
PEOPLE = (
    *(
        Actor(name, frozenset(roles))
        for name, roles in {
            "author": (Role.CORRESPONDENT, *REVIEWERS),
            "zhao": REVIEWERS,
            "qian": REVIEWERS,
            "sun": REVIEWERS,
            "zhou": REVIEWERS,
            "zheng": REVIEWERS,
            "wang": REVIEWERS,
            "li": (Role.DUTY_EDITOR,),
            "stranger": (Role.CORRESPONDENT, Role.OPERATOR, Role.ADMINISTRATOR),
        }.items()
    ),
    Actor("deputy", frozenset(), delegated=tuple(lends("zhao", role, 1e4) for role in REVIEWERS)),
    Actor("authors deputy", frozenset(), delegated=tuple(lends("author", role, 1e4) for role in REVIEWERS)),
    Actor("deputy of old", frozenset(), delegated=tuple(lends("wu", role, 0) for role in REVIEWERS)),
)
LAW = Stage("law", State.EXTRA_REVIEW, Text("法务", "law"), Role.DESK_HEAD, "final_review")
LONGER = Workflow(
    (
        STANDARD.stages[0],
        replace(STANDARD.stages[1], next="law", signatures=2),
        LAW,
        STANDARD.stages[2],
    ),
    "first_review",
)
ONWARDS = (Event.SUBMIT, Event.CLAIM, Event.APPROVE, Event.RESUME, Event.GO_OUT)
SIDEWAYS = (
    Event.EDIT,
    Event.RETURN_FOR_REVISION,
    Event.HOLD,
    Event.RELEASE,
    Event.HAND_OVER,
    Event.FORCE_RELEASE,
    Event.CORRECT,
    Event.ASK_OVERRIDE,
    Event.CONFIRM_OVERRIDE,
    Event.DECLINE_OVERRIDE,
    Event.RECALL,
)
SIGNING = ((Event.APPROVE,),) * 5
# What is rare when each event is drawn by itself.
CHAINS = (
    ((Event.ASK_OVERRIDE,), (Event.CONFIRM_OVERRIDE,)),
    ((Event.ASK_OVERRIDE,), (Event.DECLINE_OVERRIDE,)),
    ((Event.CLAIM,), (Event.HAND_OVER,)),
    ((Event.SCHEDULE,), *SIGNING),
)
REACHED: Counter[str] = Counter()


@dataclass(frozen=True)
class Signature:
    """One signature: at which stage, by whom, in whose name, for what, confirmed by whom."""

    stage: str
    person: str
    principal: str | None
    sha256: str
    confirmed_by: str | None = None

    @property
    def people(self) -> set[str]:
        return {self.person} | ({self.principal} if self.principal else set())


def is_open(item: Item, event: Event, request: Request) -> bool:
    rows = MOVES_FROM.get((event, item.state), ())
    if not any(all(CONDITIONS[name](item, request) for name in move.when) for move in rows):
        return False  # without the words for it, which take longest
    try:
        decide(item, event, request)
    except MoveRefused:
        return False
    return True


class Newsroom(RuleBasedStateMachine):
    """One piece and what the database and the readers would hold of it, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.workflow, self.turn = STANDARD, 0
        self.revisions: dict[str, Content] = {}
        self.item = Item(State.DRAFT, "author", "author", None, "", now=MORNING)
        self.round: list[Signature] = []  # since it was last sent in
        self.signatures: list[Signature] = []  # as long as the piece lives
        self.signed: list[str] = []
        self.released: list[str] = []
        self.asked_for: str | None = None  # in whose name the override was asked for
        self.planned: str | None = None  # the revision that a delivery is to take out
        self.public: Content | None = None
        self._write("the first words", "author")

    def _write(self, body: str, person_id: str) -> None:
        content = Content(title="标题", body=body, ai_label="none")
        if content.sha256() == self.item.revision_sha256:
            return
        self.revisions[content.sha256()] = content
        self.item = replace(
            self.item,
            revision_sha256=content.sha256(),
            last_editor_id=person_id,
            has_title=True,
            has_body_or_asset=True,
            is_ai_declared=True,
            missing_renditions=("app_hls",),
            is_signed=False,
            is_changed_since_live=True,
        )

    def _make(self, event: Event, request: Request, body: str = "") -> None:
        """Decide, then keep what `storage.advance` keeps. Raises what `decide` raises."""
        if event is Event.EDIT:
            brings = Content(title="标题", body=body, ai_label="none").sha256()
            request = replace(request, brings_sha256=brings)
        decision = decide(self.item, event, request)
        move, before = decision.move, self.item
        if event is Event.EDIT:
            self._write(body, request.actor.person_id or "")
        if event is Event.ASK_OVERRIDE:
            self.asked_for = decision.delegated.principal_id if decision.delegated else None
        if move.is_approval:
            self._sign(decision, request)
        if move.target is State.RECEIVED and before.state is not State.RECEIVED:
            self.round.clear()
        stage = self._stage_after(decision, before)
        self.item = replace(
            self.item,
            state=move.target,
            **self._claim(decision, before, request),
            **self._kept(decision, before, request, stage),
        )
        self.item = replace(self.item, here=self._here(stage))
        self._follow(decision)
        REACHED[event] += 1
        REACHED[move.target] += move.target is not move.source
        REACHED["for somebody"] += decision.delegated is not None

    def _sign(self, decision: Decision, request: Request) -> None:
        assert self.item.here is not None
        person, principal, confirmed_by = request.actor.person_id or "", None, None
        if decision.move.event is Event.CONFIRM_OVERRIDE:
            assert self.item.override is not None
            REACHED["overridden"] += 1
            principal = self.asked_for
            person, confirmed_by = self.item.override.asker.person_id or "", person
        elif decision.delegated is not None:
            principal = decision.delegated.principal_id
        made = Signature(self.item.here.key, person, principal, request.revision_sha256 or "", confirmed_by)
        self.round.append(made)
        self.signatures.append(made)

    def _stage_after(self, decision: Decision, before: Item) -> str | None:
        move = decision.move
        if move.target is State.RECEIVED and before.state is not State.RECEIVED:
            return self.workflow.start
        if before.here is None or move.target not in (State.RECEIVED, State.HELD, *STAGES):
            return None
        signs_last = move.is_approval and "needs_countersignature" not in move.when
        return self.workflow.by_key[before.here.key].next if signs_last else before.here.key

    def _here(self, stage: str | None) -> Here | None:
        if stage is None:
            return None
        defined, following = self.workflow.by_key[stage], self.workflow.after(stage)
        signed = [each for each in self.round if each.stage == stage]
        signed_by = frozenset(each.person for each in signed)
        signed_for = frozenset(who for each in signed for who in each.people) - signed_by
        leads_to = following.state if following else State.APPROVED
        return Here(stage, defined.role, defined.signatures, signed_by, leads_to, signed_for)

    def _claim(self, decision: Decision, before: Item, request: Request) -> dict[str, Any]:
        move, holder = decision.move, before.claimed_by
        if move.event in (Event.CLAIM, Event.CORRECT):
            holder = request.actor.person_id
        elif move.event is Event.HAND_OVER:
            holder = request.successor.person_id if request.successor else None
        elif move.target is State.CORRECTING and before.state is not State.CORRECTING:
            holder = before.last_editor_id
        elif (
            move.target is not before.state
            or move.is_approval
            or move.event in (Event.RELEASE, Event.FORCE_RELEASE)
        ):
            holder = None
        lasts = holder is None or move.target is State.CORRECTING
        return {"claimed_by": holder, "claimed_until": None if lasts else before.now + timedelta(minutes=30)}

    def _kept(self, decision: Decision, before: Item, request: Request, stage: str | None) -> dict[str, Any]:
        move, now = decision.move, before.now
        kept: dict[str, Any] = {
            "reviewers": frozenset((each.stage, who) for each in self.signatures for who in each.people)
        }
        if move.is_approval or before.here is None or stage != before.here.key:
            kept["override"] = None
        if Effect.DISTRIBUTE in move.effects:
            kept |= {"is_live": True, "is_changed_since_live": False}
        if move.is_approval and move.target is State.APPROVED:
            kept["is_signed"] = True
        if Effect.DISTRIBUTE in move.effects or move.event in (Event.UNSCHEDULE, Event.RECALL):
            kept["release_at"] = None
        if move.target is State.RECEIVED and before.state is not State.RECEIVED:
            kept["is_intake_done"] = False
        asked = Override(request.actor, before.here.key if before.here else "", before.revision_sha256)
        return kept | {
            Event.INTAKE_PASSED: {"is_intake_done": True},
            Event.MEDIA_READY: {"missing_renditions": ()},
            Event.HOLD: {"held_from": before.state},
            Event.RESUME: {"held_from": None},
            Event.ASK_OVERRIDE: {"override": asked},
            Event.DECLINE_OVERRIDE: {"override": None},
            Event.SCHEDULE: {"release_at": request.release.instant() if request.release else now},
            Event.RECALL: {"is_signed": False},
            Event.DELIVERY_CONFIRMED: {"is_published": True},
        }.get(move.event, {})

    def _follow(self, decision: Decision) -> None:
        move = decision.move
        if move.is_approval and move.target is State.APPROVED:
            self.signed.append(self.item.revision_sha256)
            self._check_sign_off()
        if Effect.DISTRIBUTE in move.effects:
            self.planned = self.item.revision_sha256
            self.released.append(self.planned)
        if Effect.RETRACT in move.effects:
            self.planned, self.public = None, None

    def _check_sign_off(self) -> None:
        """Written without the machine's own words: who signed what, from the list of signatures alone."""
        wanted = [stage.key for stage in self.workflow.stages for _ in range(stage.signatures)]
        assert [each.stage for each in self.round] == wanted
        assert {each.sha256 for each in self.round} == {self.item.revision_sha256}
        involved = [who for each in self.round for who in each.people]
        assert len(set(involved)) == len(involved), "one person, or one in whose name it was, signed twice"
        assert {"author", self.item.author_id, self.item.last_editor_id}.isdisjoint(involved)
        assert len({each.person for each in self.round if each.stage in REVIEWS}) >= 3
        assert all(each.confirmed_by not in each.people for each in self.round)

    @invariant()
    def nobody_ever_signed_two_stages(self) -> None:
        stages: dict[str, str] = {}
        for each in self.signatures:
            for who in each.people:
                assert stages.setdefault(who, each.stage) == each.stage, who

    def _request(self, actor: Actor, successor: str = "qian", hours: int = 1) -> Request:
        local = (self.item.now + timedelta(hours=hours)).replace(tzinfo=None).isoformat()
        to = next(each for each in PEOPLE if each.person_id == successor)
        revision = self.item.revision_sha256
        return Request(actor, revision, "because", successor=to, release=WallTime(local, "UTC"))

    def _take_one(self, data: st.DataObject, events: tuple[Event, ...], body: str = "") -> None:
        requests = [self._request(who) for who in (*PEOPLE, SYSTEM)]
        choices = {
            event: able
            for event in events
            if (able := [request for request in requests if is_open(self.item, event, request)])
        }
        if choices:
            event = data.draw(st.sampled_from(list(choices)))
            self._make(event, data.draw(st.sampled_from(choices[event])), body)

    @initialize(data=st.data(), steps=st.integers(0, 24), is_longer=st.booleans(), turn=st.integers(0, 3))
    def it_has_come_some_way(self, data: st.DataObject, steps: int, is_longer: bool, turn: int) -> None:
        self.turn = turn
        self.workflow = LONGER if is_longer else STANDARD
        for _ in range(steps):
            self._take_one(data, (*ONWARDS, Event.EDIT, Event.CORRECT), "before")
            self._finish_flows()

    @rule(data=st.data(), steps=st.integers(1, 6))
    def the_work_goes_on(self, data: st.DataObject, steps: int) -> None:
        for _ in range(steps):
            self._take_one(data, ONWARDS)
            self._finish_flows()

    def _finish_flows(self) -> None:
        request = Request(SYSTEM, self.item.revision_sha256)
        if not self.item.is_intake_done and is_open(self.item, Event.INTAKE_PASSED, request):
            self._make(Event.INTAKE_PASSED, request)
        if self.item.missing_renditions and is_open(self.item, Event.MEDIA_READY, request):
            self._make(Event.MEDIA_READY, request)
        if self.planned and self.item.state is State.APPROVED and not self._waits():
            self._deliver()

    def _waits(self) -> bool:
        return self.item.is_signed and (not self.item.is_live or self.item.is_changed_since_live)

    def _deliver(self) -> None:
        assert self.planned is not None
        self.public = self.revisions[self.planned]
        try:
            self._make(Event.DELIVERY_CONFIRMED, Request(SYSTEM, self.planned))
        except MoveRefused:
            assert self._waits(), (
                "only a new revision that waits for its time makes an old one's arrival moot"
            )
        self.planned = None
        REACHED["delivered"] += 1

    @rule(data=st.data(), body=st.sampled_from(["first", "second", "third"]))
    def somebody_goes_sideways(self, data: st.DataObject, body: str) -> None:
        self._take_one(data, SIDEWAYS, body)

    @precondition(lambda self: self.item.is_live)
    @rule(data=st.data())
    def somebody_ends_it(self, data: st.DataObject) -> None:
        self._take_one(data, (Event.REJECT, Event.WITHDRAW, Event.RETRACT))

    @precondition(lambda self: self.planned)
    @rule()
    def a_platform_confirms(self) -> None:
        self._deliver()

    @rule(minutes=st.sampled_from([1, 31, 90]), data=st.data())
    def time_passes(self, minutes: int, data: st.DataObject) -> None:
        self.item = replace(self.item, now=self.item.now + timedelta(minutes=minutes))
        self._take_one(data, (Event.GO_OUT,))

    @precondition(lambda self: self.item.state is State.APPROVED and self._waits())
    @rule(data=st.data())
    def what_waits_goes_out_or_comes_back(self, data: st.DataObject) -> None:
        self.turn += 1
        if self.turn % 3 == 0:
            self._take_one(data, (Event.RECALL,))
            return
        self.item = replace(self.item, now=self.item.release_at or self.item.now)
        self._take_one(data, (Event.GO_OUT,))

    @precondition(lambda self: self.item.state in STAGES)
    @rule(data=st.data())
    def one_thing_follows_another(self, data: st.DataObject) -> None:
        """In turn, not drawn: hypothesis likes to draw one thing again and again."""
        self.turn += 1
        for events in CHAINS[self.turn % len(CHAINS)]:
            self._take_one(data, events)
            self._finish_flows()

    @rule(
        actor=st.sampled_from((*PEOPLE, SYSTEM, Actor(None, frozenset()))),
        event=st.sampled_from([e for e in Event if not e.value.startswith("delivery_")]),
        is_current=st.booleans(),
        reason=st.sampled_from([None, "", "because"]),
        successor=st.sampled_from([each.person_id for each in PEOPLE]),
        hours=st.integers(-1, 1),
    )
    def anybody_asks_for_anything(
        self, actor: Actor, event: Event, is_current: bool, reason: str | None, successor: str, hours: int
    ) -> None:
        before = (self.item, list(self.round), list(self.signatures), self.public)
        asked = replace(self._request(actor, successor, hours), reason=reason)
        asked = asked if is_current else replace(asked, revision_sha256="0" * 64)
        try:
            self._make(event, asked, "fourth")
        except MoveRefused:
            assert (self.item, self.round, self.signatures, self.public) == before

    @invariant()
    def what_is_out_was_signed(self) -> None:
        if self.public is not None:
            assert self.public.sha256() in self.signed
        if self.planned is not None:
            assert self.planned == self.released[-1]
            assert self.planned in self.signed

    @invariant()
    def nothing_is_out_before_a_sign_off_or_after_a_retraction(self) -> None:
        if not self.signed or self.item.state is State.RETRACTED:
            assert self.public is None
            assert self.planned is None

    @invariant()
    def a_published_piece_is_out_and_is_its_last_released_revision(self) -> None:
        if self.item.state is State.PUBLISHED and self.planned is None:
            assert self.public == self.revisions[self.released[-1]]


def test_a_piece_played_at_random_keeps_the_three_reviews() -> None:
    REACHED.clear()
    run_state_machine_as_test(
        Newsroom,
        settings=settings(
            max_examples=160,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # within seconds when it fails, too: no shrinking
            suppress_health_check=list(HealthCheck),
        ),
    )
    # Without these the test would prove nothing.
    assert REACHED[State.APPROVED] >= 10
    assert REACHED["delivered"] >= 10
    assert REACHED["for somebody"] >= 20
    assert REACHED[State.CORRECTING] >= 5
    assert REACHED[State.EXTRA_REVIEW] >= 10
    rare = (Event.GO_OUT, Event.SCHEDULE, Event.RECALL, Event.ASK_OVERRIDE, Event.HAND_OVER, "overridden")
    for once in (State.RETRACTED, State.HELD, *rare):
        assert REACHED[once] >= 1, once
