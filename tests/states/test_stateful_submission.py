"""A piece played at random, by honest people and by others: what is out is what three people signed."""

from collections import Counter
from dataclasses import replace
from typing import Any

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

from states.content import Content
from states.decide import allowed_events, decide
from states.item import REVIEWS, Item, Request, State
from states.refusals import MoveRefused
from states.roles import SYSTEM, Actor, Role
from states.submission import Effect, Event, Move

REVIEWERS = (Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF)
# Nearly everybody may do everything, so that only the guards keep three reviews with three people.
PEOPLE = tuple(
    Actor(name, frozenset(roles))
    for name, roles in {
        "author": (Role.CORRESPONDENT, *REVIEWERS),
        "zhao": REVIEWERS,
        "qian": REVIEWERS,
        "sun": REVIEWERS,
        "li": (Role.DUTY_EDITOR,),
        "stranger": (Role.CORRESPONDENT, Role.OPERATOR, Role.ADMINISTRATOR),
    }.items()
)
ONWARDS = (Event.SUBMIT, Event.CLAIM, Event.APPROVE, Event.RESUME)
SIDEWAYS = (Event.EDIT, Event.RETURN_FOR_REVISION, Event.HOLD, Event.RELEASE, Event.CORRECT)
REACHED: Counter[str] = Counter()


class Newsroom(RuleBasedStateMachine):
    """One piece and what the database and the readers would hold of it, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.revisions: dict[str, Content] = {}
        self.item = Item(State.DRAFT, "author", "author", None, "")
        self.approvals: list[tuple[State, str, str]] = []  # since it was last sent in: who saw what
        self.reviewed: set[tuple[State, str]] = set()  # as long as the piece lives
        self.signed: list[str] = []
        self.planned: str | None = None  # the revision that a delivery is to take out
        self.public: Content | None = None
        self._write("the first words", "author")

    def _write(self, body: str, person_id: str) -> None:
        content = Content(title="标题", body=body, ai_label="none")
        self.revisions[content.sha256()] = content
        self.item = replace(
            self.item,
            revision_sha256=content.sha256(),
            last_editor_id=person_id,
            has_title=True,
            has_body_or_asset=True,
            is_ai_declared=True,
            missing_renditions=("app_hls",),
            is_changed_since_live=True,
        )

    def _make(self, event: Event, request: Request, body: str = "") -> Move:
        """Decide, then keep what `storage.advance` keeps. Raises what `decide` raises."""
        move = decide(self.item, event, request).move
        person = request.actor.person_id or ""
        if event is Event.EDIT:
            self._write(body, person)
        if move.is_approval:
            self.approvals.append((move.source, person, request.revision_sha256 or ""))
            self.reviewed.add((move.source, person))
        if event is Event.SUBMIT:
            self.approvals.clear()
        self.item = replace(self.item, state=move.target, **self._kept(move, person))
        self._follow(move)
        REACHED[move.target if move.target is not move.source else event] += 1
        return move

    def _kept(self, move: Move, person: str) -> dict[str, Any]:
        kept: dict[str, Any] = {"reviewers": frozenset(self.reviewed)}
        if move.event in (Event.CLAIM, Event.CORRECT):
            kept["claimed_by"] = person
        elif move.target is State.CORRECTING and move.event is not Event.EDIT:
            kept["claimed_by"] = self.item.last_editor_id
        elif move.target is not move.source or move.event is Event.RELEASE:
            kept["claimed_by"] = None
        if move.event is Event.HOLD:
            kept["held_from"] = move.source
        if move.target is State.APPROVED:
            kept |= {"is_live": True, "is_changed_since_live": False}
        return kept | {
            Event.SUBMIT: {"is_intake_done": False},
            Event.INTAKE_PASSED: {"is_intake_done": True},
            Event.MEDIA_READY: {"missing_renditions": ()},
            Event.RESUME: {"held_from": None},
        }.get(move.event, {})

    def _follow(self, move: Move) -> None:
        if Effect.DISTRIBUTE in move.effects:
            self.signed.append(self.item.revision_sha256)
            self.planned = self.item.revision_sha256
            self._check_sign_off()
        if Effect.RETRACT in move.effects:
            self.planned, self.public = None, None

    def _check_sign_off(self) -> None:
        """Written without the machine's own words: who signed what, from the list of approvals alone."""
        stages, people, contents = zip(*self.approvals, strict=True)
        assert stages == REVIEWS
        assert len(set(people)) == 3
        assert len({person for _, person in self.reviewed}) == len(self.reviewed), "two stages, one person"
        assert self.item.author_id not in people
        assert self.item.last_editor_id not in people
        assert set(contents) == {self.item.revision_sha256}

    def _take_one(self, data: st.DataObject, events: tuple[Event, ...], body: str = "") -> None:
        asking = (*PEOPLE, SYSTEM)
        choices = [(who, e) for who in asking for e in allowed_events(self.item, who) if e in events]
        if choices:
            actor, event = data.draw(st.sampled_from(choices))
            self._make(event, Request(actor, self.item.revision_sha256, "because"), body)

    @initialize(data=st.data(), steps=st.integers(0, 24))
    def it_has_come_some_way(self, data: st.DataObject, steps: int) -> None:
        for _ in range(steps):
            self._take_one(data, (*ONWARDS, Event.EDIT, Event.CORRECT), "before")
            self._finish_flows()

    @rule(data=st.data(), steps=st.integers(1, 6))
    def the_work_goes_on(self, data: st.DataObject, steps: int) -> None:
        for _ in range(steps):
            self._take_one(data, ONWARDS)
            self._finish_flows()

    def _finish_flows(self) -> None:
        for event in (Event.INTAKE_PASSED, Event.MEDIA_READY):
            if event in allowed_events(self.item, SYSTEM):
                self._make(event, Request(SYSTEM, self.item.revision_sha256))
        if self.planned and self.item.state is State.APPROVED:
            self._deliver()

    def _deliver(self) -> None:
        assert self.planned is not None
        self.public = self.revisions[self.planned]
        self._make(Event.DELIVERY_CONFIRMED, Request(SYSTEM, self.planned))
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

    @rule(
        actor=st.sampled_from((*PEOPLE, SYSTEM, Actor(None, frozenset()))),
        event=st.sampled_from([e for e in Event if not e.value.startswith("delivery_")]),
        is_current=st.booleans(),
        reason=st.sampled_from([None, "", "because"]),
    )
    def anybody_asks_for_anything(
        self, actor: Actor, event: Event, is_current: bool, reason: str | None
    ) -> None:
        before = (self.item, list(self.approvals), self.public)
        seen = self.item.revision_sha256 if is_current else "0" * 64
        try:
            self._make(event, Request(actor, seen, reason), "fourth")
        except MoveRefused:
            assert (self.item, self.approvals, self.public) == before

    @invariant()
    def what_is_out_was_signed(self) -> None:
        if self.public is not None:
            assert self.public.sha256() in self.signed
        if self.planned is not None:
            assert self.planned == self.signed[-1]

    @invariant()
    def nothing_is_out_before_a_sign_off_or_after_a_retraction(self) -> None:
        if not self.signed or self.item.state is State.RETRACTED:
            assert self.public is None
            assert self.planned is None

    @invariant()
    def a_published_piece_is_out_and_is_its_last_signed_revision(self) -> None:
        if self.item.state is State.PUBLISHED and self.planned is None:
            assert self.public == self.revisions[self.signed[-1]]


def test_a_piece_played_at_random_keeps_the_three_reviews() -> None:
    REACHED.clear()
    run_state_machine_as_test(
        Newsroom,
        settings=settings(
            max_examples=50,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # within seconds when it fails, too: no shrinking
            suppress_health_check=list(HealthCheck),
        ),
    )
    # Without these the test would prove nothing.
    assert REACHED[State.APPROVED] >= 20
    assert REACHED["delivered"] >= 20
    assert REACHED[State.CORRECTING] >= 10
    assert REACHED[State.RETRACTED] >= 1
