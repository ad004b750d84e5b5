"""A newsroom played at random through the real write path, on PostgreSQL: the tables say what three people signed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.conditions import CONDITIONS
from states.content import Content
from states.decide import decide
from states.delivery import DeliveryState
from states.events import Event
from states.item import REVIEWS, STAGES, Item, Request, State
from states.ledger import GENESIS
from states.refusals import MoveRefused
from states.roles import EDITORS, SYSTEM, Actor, Role
from states.submission import MOVES, MOVES_FROM
from states.text import Text
from states.wall_time import WallTime
from states.workflow import STANDARD, Stage, Workflow
from storage.advance import Advanced, Change, advance
from storage.database import Database
from storage.delegations import LentRole, clock, grant_delegation
from storage.deliveries import deliveries_of, move_delivery
from storage.destinations import add_destination
from storage.drafts import create_submission
from storage.errors import Conflict, StaleVersion
from storage.items import LoadedItem, load_item
from storage.people import actor_by_token, add_person, open_sign_in
from storage.record import ledger_event
from storage.tables import Approval, Delivery, Destination, EventRow, OutboxRow, Person, Revision, Submission
from storage.workflows import publish_workflow, workflow_by_id

pytestmark = pytest.mark.slow

T = TypeVar("T")
EXAMPLES, STEPS = 111, 50
PEOPLE = {
    "writer": [Role.CORRESPONDENT],
    "duty": [Role.DUTY_EDITOR],
    "second duty": [Role.DUTY_EDITOR, Role.CORRESPONDENT],
    "head": [Role.DESK_HEAD],
    "second head": [Role.DESK_HEAD],
    "chief": [Role.EDITOR_IN_CHIEF],
    "second chief": [Role.EDITOR_IN_CHIEF],
    "everything": [role for role in Role if role is not Role.SYSTEM],
    "deputy": [Role.OPERATOR],  # of a head, a chief and whoever holds every role
}
LENDERS = {"head": Role.DESK_HEAD, "chief": Role.EDITOR_IN_CHIEF, "everything": Role.DUTY_EDITOR}
AUTHORS = ("writer", "everything", "duty")
LAW = Stage("law", State.EXTRA_REVIEW, Text("法务", "law"), Role.DESK_HEAD, "final_review")
LONGER = Workflow(
    (
        replace(STANDARD.stages[0], signatures=2),
        replace(STANDARD.stages[1], next="law"),
        LAW,
        STANDARD.stages[2],
    ),
    "first_review",
)
_SIGNING = (Event.MEDIA_READY, Event.APPROVE, Event.CLAIM)
ONWARDS = {
    State.DRAFT: (Event.SUBMIT,),
    State.RETURNED: (Event.SUBMIT,),
    State.RECEIVED: (Event.INTAKE_PASSED, Event.CLAIM),
    **dict.fromkeys(STAGES, _SIGNING),
    State.HELD: (Event.RESUME,),
    State.APPROVED: (Event.GO_OUT,),
    State.PUBLISHED: (Event.CORRECT,),
    State.CORRECTING: (Event.SUBMIT, Event.EDIT, Event.CLAIM),
}
SIDEWAYS = (
    Event.HOLD,
    Event.EDIT,
    Event.ASK_OVERRIDE,
    Event.RETURN_FOR_REVISION,
    Event.SCHEDULE,
    Event.RELEASE,
    Event.HAND_OVER,
    Event.FORCE_RELEASE,
    Event.UNSCHEDULE,
    Event.RECALL,
    Event.CORRECT,
)
REPORTS = (Event.MEDIA_FAILED, Event.INTAKE_REFUSED, Event.REMIND, Event.ESCALATE)
WAITING = (Event.RECALL, Event.UNSCHEDULE, Event.SCHEDULE, Event.GO_OUT)
RARE = (Event.CONFIRM_OVERRIDE, Event.DECLINE_OVERRIDE, Event.RESUME, Event.GO_OUT)
ENDING = (Event.REJECT, Event.WITHDRAW, Event.RETRACT)
ENDS = {State.REJECTED, State.WITHDRAWN, State.RETRACTED}
ANSWERS = {
    DeliveryState.CONFIRMED: Event.DELIVERY_CONFIRMED,
    DeliveryState.HANDED_OFF: Event.DELIVERY_HANDED_OFF,
    DeliveryState.REFUSED: Event.DELIVERY_REFUSED,
    DeliveryState.UNKNOWN: Event.DELIVERY_UNKNOWN,
}
TABLE = {(move.event.value, move.source.value, move.target.value) for move in MOVES}
REACHED: Counter[str] = Counter()


def is_open(item: Item, event: Event, request: Request) -> bool:
    rows = MOVES_FROM.get((event, item.state), ())
    if not any(all(CONDITIONS[name](item, request) for name in move.when) for move in rows):
        return False  # without the words for it, which take longest
    try:
        decide(item, event, request)
    except MoveRefused:
        return False
    return True


@dataclass(frozen=True)
class House:
    """One database with its people, and the loop in which it is spoken to."""

    db: Database
    actors: dict[str, Actor]
    runner: asyncio.Runner

    def run(self, work: Callable[[AsyncSession], Coroutine[Any, Any, T]]) -> T:
        async def in_transaction() -> T:
            async with self.db.transaction() as session:
                return await work(session)

        return self.runner.run(in_transaction())

    @property
    def asking(self) -> list[Actor]:
        return [*self.actors.values(), SYSTEM]


async def _people(session: AsyncSession, password_hash: str) -> dict[str, Actor]:
    rows, tokens = {}, {}
    for name, roles in PEOPLE.items():
        person = Person(username=name, display_name=name, password_hash=password_hash, roles=list(roles))
        rows[name] = await add_person(session, person)
        tokens[name], _ = await open_sign_in(session, person, 1)
    everything = Actor(str(rows["everything"].id), frozenset(PEOPLE["everything"]))
    ends_at = await clock(session) + timedelta(days=1)
    for name, role in LENDERS.items():
        lent = LentRole(rows[name].id, rows["deputy"].id, role, ends_at)
        await grant_delegation(session, lent, everything)
    await publish_workflow(session, "法治", LONGER, everything)
    for destination in ("app", "short"):
        await add_destination(session, Destination(id=destination, platform="app", name=destination))
    found = {name: await actor_by_token(session, token) for name, token in tokens.items()}
    return {name: actor for name, actor in found.items() if actor is not None}


class Newsroom(RuleBasedStateMachine):
    """A few pieces; every step is one or two transactions, and at its end the tables are read from the start."""

    house: ClassVar[House]

    def __init__(self) -> None:
        super().__init__()
        self.items: list[UUID] = []
        self.turn = 0

    @initialize(
        authors=st.permutations(AUTHORS),
        is_longer=st.booleans(),
        steps=st.integers(0, 12),
        turn=st.integers(0, 99),
    )
    def it_has_come_some_way(self, authors: list[str], is_longer: bool, steps: int, turn: int) -> None:
        self.turn = turn
        self._begin(authors[0], is_longer)
        self._begin(authors[1], not is_longer)
        for step in range(steps):
            self._move(0, who=step)

    def _next(self) -> int:
        """Events come in turn and are not drawn: hypothesis likes to draw one thing again and again."""
        REACHED["steps"] += 1
        self.turn += 1
        return self.turn

    def _begin(self, author: str, is_longer: bool) -> None:
        column = "法治" if is_longer else None
        content = Content("标题", "", "正文。", column=column, ai_label="none", destinations=("app", "short"))
        actor = self.house.actors[author]
        is_fast = len(self.items) % 3 == 1
        row = self.house.run(
            lambda session: create_submission(session, actor, content, is_fast_track=is_fast)
        )
        self.items.append(row.id)

    @rule(which=st.integers(0, 1), who=st.integers(0, 9))
    def the_work_goes_on(self, which: int, who: int) -> None:
        self._next()
        self._move(which, who=who)
        if self._move(which, who=who + 1) is State.APPROVED:
            self._deliver(which, DeliveryState.CONFIRMED)

    @rule(which=st.integers(0, 1), who=st.integers(0, 9))
    def somebody_goes_sideways(self, which: int, who: int) -> None:
        first = self._next() % len(SIDEWAYS)
        self._move(which, *SIDEWAYS[first:], *SIDEWAYS[:first], who=who)

    @rule(which=st.integers(0, 1), who=st.integers(0, 9))
    def an_override_is_asked_for(self, which: int, who: int) -> None:
        answer = (Event.CONFIRM_OVERRIDE, Event.DECLINE_OVERRIDE)[self._next() % 2]
        for event in (Event.ASK_OVERRIDE, answer):
            self._move(which, event, who=who)

    @rule(which=st.integers(0, 1))
    def the_machine_reports(self, which: int) -> None:
        self._move(which, REPORTS[self._next() % len(REPORTS)], who=0)

    @rule(which=st.integers(0, 1), who=st.integers(0, 9))
    def somebody_ends_it_now_and_then(self, which: int, who: int) -> None:
        turn = self._next()
        events = (ENDING[turn % len(ENDING)],) if turn % 4 == 0 else ()
        if self._move(which, *events, who=who) in ENDS:
            self._begin(AUTHORS[turn % 3], is_longer=turn % 2 == 0)

    @rule(which=st.integers(0, 1), first=st.integers(0, 9))
    def two_act_at_once(self, which: int, first: int) -> None:
        """Both have read the same version: at the most one of them moves the piece."""
        second = SIDEWAYS[self._next() % len(SIDEWAYS)]
        item = self._item(which)

        async def both() -> list[Any]:
            async with self.house.db.transaction() as session:
                loaded = await load_item(session, item)
            orders = [self._order(loaded, first), self._order(loaded, first + 1, second)]
            return await asyncio.gather(
                *(self._send(item, *order, loaded.row.version) for order in orders if order),
                return_exceptions=True,
            )

        results = self.house.runner.run(both())
        won = [each for each in results if isinstance(each, Advanced)]
        assert len(won) <= 1
        lost = [each for each in results if not isinstance(each, Advanced)]
        assert all(isinstance(each, Conflict | StaleVersion | MoveRefused) for each in lost), lost
        REACHED["lost a race"] += len(lost)

    @rule(
        which=st.integers(0, 1),
        event=st.sampled_from(Event),
        who=st.integers(0, 9),
        is_current=st.booleans(),
        reason=st.sampled_from([None, " ", "理由"]),
    )
    def anybody_asks_for_anything(
        self, which: int, event: Event, who: int, is_current: bool, reason: str | None
    ) -> None:
        self._next()
        item, actor = self._item(which), self.house.asking[who]
        loaded = self.house.run(lambda session: load_item(session, item))
        request = self._request(loaded.item, actor, who)
        seen = request.revision_sha256 if is_current else "0" * 64
        request, change = self._with_content(
            loaded, event, replace(request, revision_sha256=seen, reason=reason), who
        )
        if event in ANSWERS.values():
            return  # a delivery's answer comes with its delivery: see below
        try:
            self.house.run(lambda session: advance(session, item, event, request, change))
            REACHED[event] += 1
        except MoveRefused:
            after = self.house.run(lambda session: load_item(session, item))
            assert after.row.version == loaded.row.version
            assert after.row.last_event_hash == loaded.row.last_event_hash

    @rule(which=st.integers(0, 1), who=st.integers(0, 9))
    def it_is_signed_for_later(self, which: int, who: int) -> None:
        then = WAITING[self._next() % len(WAITING)]
        if self._move(which, who=who) is State.FINAL_REVIEW:
            for event in (Event.SCHEDULE, Event.MEDIA_READY, Event.APPROVE, then):
                self._move(which, event, who=who)

    @rule(which=st.integers(0, 1))
    def time_passes(self, which: int) -> None:
        """Nobody can turn the database's clock, so what is to come is moved instead."""
        self._next()
        item = self._item(which)
        statement = text(
            "UPDATE submission SET claimed_until = now() - interval '1 minute',"
            " release_local = CASE WHEN release_local IS NULL THEN NULL ELSE '2026-01-01T08:00' END"
            " WHERE id = :id"
        )

        async def pass_by(session: AsyncSession) -> None:
            await (await session.connection()).execute(statement, {"id": item})

        self.house.run(pass_by)
        self._move(which, Event.GO_OUT, who=9)

    @rule(which=st.integers(0, 1))
    def a_platform_answers(self, which: int) -> None:
        self._deliver(which, list(ANSWERS)[self._next() % len(ANSWERS)])

    def _deliver(self, which: int, answer: DeliveryState) -> None:
        """As the flow does it: the delivery and the fact in one transaction; a fact that is moot moves nothing."""
        item = self._item(which)

        async def deliver(session: AsyncSession) -> None:
            for delivery, _ in await deliveries_of(session, item):
                if delivery.state == DeliveryState.PENDING:
                    break
            else:
                return
            for state in (DeliveryState.SENDING, answer):
                await move_delivery(session, delivery.id, state)
            revision = await session.get(Revision, (item, delivery.revision_number))
            assert revision is not None
            request = Request(SYSTEM, revision.sha256)
            try:
                await advance(session, item, ANSWERS[answer], request)
                REACHED["delivered"] += 1
            except MoveRefused:
                REACHED["came too late"] += 1

        self.house.run(deliver)

    def _item(self, which: int) -> UUID:
        """One of the two newest pieces."""
        return self.items[-1 - which % min(len(self.items), 2)]

    def _move(self, which: int, *events: Event, who: int) -> State:
        """The first of the events that somebody may send now; else whatever brings the piece on. Where it stands."""
        item = self._item(which)

        async def move(session: AsyncSession) -> State:
            loaded = await load_item(session, item)
            order = self._order(loaded, who, *events)
            if order is None:
                return loaded.item.state
            actor = order[1].actor
            REACHED[order[0]] += 1
            REACHED["for somebody"] += bool(actor.delegated) and not EDITORS & actor.roles
            return (await advance(session, item, *order)).state

        return self.house.run(move)

    def _order(self, loaded: LoadedItem, who: int, *events: Event) -> tuple[Event, Request, Change] | None:
        asking = self.house.asking
        for wanted in (*events, *ONWARDS.get(loaded.item.state, ())):
            if wanted is Event.MEDIA_READY and not loaded.item.missing_renditions:
                continue
            if wanted is Event.INTAKE_PASSED and loaded.item.is_intake_done:
                continue
            for number in range(len(asking)):
                actor = asking[(who + number) % len(asking)]
                request, change = self._with_content(
                    loaded, wanted, self._request(loaded.item, actor, who), who
                )
                if is_open(loaded.item, wanted, request):
                    return wanted, request, change
        return None

    def _request(self, item: Item, actor: Actor, who: int) -> Request:
        local = (item.now + timedelta(hours=1)).replace(tzinfo=None, microsecond=0).isoformat()
        successor = self.house.asking[(who + 1) % 9]
        release = WallTime(local, "UTC")
        return Request(actor, item.revision_sha256, "理由", successor=successor, release=release)

    def _with_content(
        self, loaded: LoadedItem, event: Event, request: Request, who: int
    ) -> tuple[Request, Change]:
        if event is Event.MEDIA_READY:
            facts = {"revision_sha256": loaded.row.revision_sha256, "manifest_sha256": f"{who:064d}"}
            return request, Change(facts=facts)
        if event is not Event.EDIT:
            return request, Change()
        content = replace(loaded.content, body=f"正文，改法 {who % 4}。")
        return replace(request, brings_sha256=content.sha256()), Change(content=content)

    async def _send(
        self, item: UUID, event: Event, request: Request, change: Change, version: int
    ) -> Advanced:
        async with self.house.db.transaction() as session:
            return await advance(session, item, event, request, replace(change, seen_version=version))

    def teardown(self) -> None:
        for item in self.items:
            check(self.house.run(lambda session, item=item: read_record(session, item)))


@dataclass(frozen=True)
class Record:
    """Everything that the database holds of one piece."""

    row: Submission
    events: list[EventRow]
    revisions: dict[int, Revision]
    approvals: list[Approval]
    deliveries: list[Delivery]
    work: list[OutboxRow]
    workflows: dict[int, Workflow]


async def read_record(session: AsyncSession, item: UUID) -> Record:
    async def rows(table: Any) -> list[Any]:
        return list(await session.exec(select(table).where(col(table.submission_id) == item)))

    row = (await session.exec(select(Submission).where(col(Submission.id) == item))).one()
    events = sorted(await rows(EventRow), key=lambda each: each.item_seq)
    ids = {each.facts["workflow"] for each in events if "workflow" in each.facts}
    workflows = {number: await workflow_by_id(session, number) for number in ids}
    revisions = {each.number: each for each in await rows(Revision)}
    approvals = sorted(await rows(Approval), key=lambda each: each.item_seq)
    return Record(row, events, revisions, approvals, await rows(Delivery), await rows(OutboxRow), workflows)


def check(record: Record) -> None:
    """What must hold of a piece whatever was done to it."""
    numbers = check_replay(record)
    check_nobody_signed_two_stages(record)
    signed = set()
    for event in record.events:
        if (event.event, event.to_state) == ("approve", "approved"):
            check_sign_off(record, event, numbers[event.item_seq])
            signed.add(numbers[event.item_seq])
            REACHED["signed off"] += 1
    check_what_is_out(record, signed)


def check_replay(record: Record) -> dict[int, int]:
    """The events alone give the row of the table; what comes back is the revision number after each event."""
    row, previous, state, sha256, number, rounds = record.row, GENESIS, None, None, 0, 0
    numbers = {}
    for seq, event in enumerate(record.events, 1):
        assert (event.item_seq, event.prev_hash, event.from_state) == (seq, previous, state)
        assert ledger_event(event).hash() == event.hash
        assert seq == 1 or (event.event, event.from_state, event.to_state) in TABLE
        if event.revision_sha256 != sha256:
            number += 1
            assert event.event in ("create", "edit")
            assert record.revisions[number].editor_id == event.actor_id
        rounds += event.to_state == State.RECEIVED and state != State.RECEIVED
        previous, state, sha256 = event.hash, event.to_state, event.revision_sha256
        numbers[seq] = number
        assert record.revisions[number].sha256 == sha256
    assert (row.version, row.state, row.last_event_hash) == (len(record.events), state, previous)
    assert (row.revision_number, row.revision_sha256, row.review_round) == (number, sha256, rounds)
    assert set(record.revisions) == set(range(1, number + 1))
    assert row.last_editor_id == record.revisions[number].editor_id
    for revision in record.revisions.values():
        assert Content.from_json(revision.content).sha256() == revision.sha256
    return numbers


def involved(record: Record, approval: Approval) -> set[str]:
    """Who signed and in whose name: from the row, and for an override from the event in which it was asked for."""
    people = {str(approval.person_id)}
    if approval.on_behalf_of is not None:
        people.add(str(approval.on_behalf_of))
    if approval.confirmed_by is not None:
        asked = [
            event
            for event in record.events[: approval.item_seq]
            if (event.event, event.actor_id) == ("ask_override", approval.person_id)
        ]
        people |= {asked[-1].facts["on_behalf_of"]} if "on_behalf_of" in asked[-1].facts else set()
        REACHED["overridden"] += 1
    return people


def check_nobody_signed_two_stages(record: Record) -> None:
    stages: dict[str, str] = {}
    for approval in record.approvals:
        for person in involved(record, approval):
            assert stages.setdefault(person, approval.stage) == approval.stage, person


def check_sign_off(record: Record, event: EventRow, number: int) -> None:
    """Every stage of the workflow that bound the piece is signed in order, by people apart, for this content."""
    sent_in = [each for each in record.events[: event.item_seq] if "workflow" in each.facts][-1]
    workflow = record.workflows[sent_in.facts["workflow"]]
    signatures = [each for each in record.approvals if sent_in.item_seq < each.item_seq <= event.item_seq]
    assert [each.stage for each in signatures] == list(stages_of(workflow))
    assert {each.revision_sha256 for each in signatures} == {event.revision_sha256}
    people = [person for each in signatures for person in involved(record, each)]
    assert len(people) == len(set(people)), "one person, or one in whose name it was, signed twice"
    assert {str(record.row.author_id), str(record.revisions[number].editor_id)}.isdisjoint(people)
    assert len({each.person_id for each in signatures if each.stage in set(REVIEWS)}) >= 3
    assert all(str(each.confirmed_by) not in involved(record, each) for each in signatures)
    assert signatures[-1].manifest_sha256 is not None


def stages_of(workflow: Workflow) -> Iterator[str]:
    key: str | None = workflow.start
    while key is not None:
        yield from [key] * workflow.by_key[key].signatures
        key = workflow.by_key[key].next


def check_what_is_out(record: Record, signed: set[int]) -> None:
    row = record.row
    assert {each.revision_number for each in record.deliveries} <= signed
    assert row.live_revision_number is None or row.live_revision_number in signed
    going = [each.payload for each in record.work if each.effect == "distribute"]
    shas = {record.revisions[number].sha256 for number in signed}
    assert {each["revision_sha256"] for each in going} <= shas
    REACHED["published"] += "published" in {event.to_state for event in record.events}
    if row.state == State.PUBLISHED:
        assert row.live_revision_number is not None
        confirmed = {"confirmed", "retracting", "retracted", "needs_person"}
        assert confirmed & {each.state for each in record.deliveries}
    if row.state in (State.RETRACTED, State.REJECTED, State.WITHDRAWN):
        assert "pending" not in {each.state for each in record.deliveries}


def _without_waiting_for_the_disk(connection: Any, _: Any) -> None:
    """What the rules are about does not depend on it, and it is a third of the time."""
    cursor = connection.cursor()
    cursor.execute("SET SESSION synchronous_commit TO off")
    cursor.close()
    connection.commit()


def _play(url: str, password_hash: str) -> None:
    with asyncio.Runner() as runner:
        db = Database(url, pool_size=4)
        sqlalchemy_event.listen(db.engine.sync_engine, "connect", _without_waiting_for_the_disk)
        try:
            house = House(db, {}, runner)
            Newsroom.house = replace(house, actors=house.run(lambda each: _people(each, password_hash)))
            run_state_machine_as_test(
                Newsroom,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    phases=[Phase.generate],  # it says at once that it fails: no shrinking on a real database
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(db.close())


def test_a_newsroom_played_at_random_keeps_its_record_and_publishes_what_was_signed(
    fresh_database: str, password_hash: str, run_apart: Callable[[Callable[[], None]], None]
) -> None:
    REACHED.clear()
    run_apart(lambda: _play(fresh_database, password_hash))
    # Without these the test would prove nothing.
    assert REACHED["steps"] >= 5_000
    assert REACHED["signed off"] >= 50
    assert REACHED["delivered"] >= 50
    assert REACHED["published"] >= 10
    for some in ("for somebody", "overridden", "lost a race", *SIDEWAYS, *REPORTS, *ENDING, *RARE):
        assert REACHED[some] >= 1, some
