"""My queue: exactly what `states` would let this person do next, what is due first first, page by page."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlmodel import select

from states.decide import allowed_events
from states.events import Event
from states.item import STAGES, Item, State
from states.roles import SYSTEM, Actor, Delegated, Role
from states.text import Text
from states.workflow import STANDARD, Stage, Workflow
from storage.database import Database
from storage.items import load_item
from storage.queue import Place, Waiting, Why, queue_of
from storage.tables import Submission
from storage.tables import Workflow as WorkflowRow

pytestmark = pytest.mark.slow

_EDITORS = ("duty", "head", "chief", "all_reviews")
_FIRST, _SECOND, _FINAL = STANDARD.stages
_LEGAL = Stage(
    "legal", State.EXTRA_REVIEW, Text("法务会签", "legal"), Role.DESK_HEAD, "second_review", signatures=2
)
_WORKFLOW = Workflow((replace(_FIRST, next="legal"), _LEGAL, _SECOND, _FINAL), "first_review")
_STAGES = [stage.key for stage in _WORKFLOW.stages]
_SEED, _ITEMS = 20261122, 300


async def _queue(newsroom: Any, actor: Actor, limit: int = 1000, after: Place | None = None) -> list[Waiting]:
    async with newsroom.db.transaction() as session:
        return await queue_of(session, actor, limit, after)


def _why(item: Item, actor: Actor) -> Why | None:
    """The reason by the guards alone: what of a queue's matters could this person do?"""
    allowed = set(allowed_events(item, actor))
    if item.claimed_by == actor.person_id and Event.RELEASE in allowed:
        return Why.CORRECTING if item.state is State.CORRECTING else Why.HELD
    if Event.CONFIRM_OVERRIDE in allowed:
        return Why.OVERRIDE
    if item.state is State.RETURNED and Event.EDIT in allowed:
        return Why.RETURNED
    if item.state is not State.CORRECTING and Event.CLAIM in allowed:
        return Why.REVIEW
    return None


class _Chance:
    """Rows as no single course of events would leave them, so that every condition is met by some."""

    def __init__(self, newsroom: Any, workflow_id: int) -> None:
        self.workflow_id = workflow_id
        self.dice = random.Random(_SEED)
        self.people = {name: person.id for name, person in newsroom.people.items()}

    def person(self, *others: str) -> UUID:
        return self.people[self.dice.choice([*_EDITORS, *others])]

    def row(self) -> dict[str, Any]:
        dice = self.dice
        state = dice.choice([*STAGES[:3], *STAGES[:3], State.RECEIVED, *State])
        in_review = state in (State.RECEIVED, State.HELD, *STAGES)
        keys = {State.RECEIVED: "first_review", State.HELD: dice.choice(_STAGES), State.EXTRA_REVIEW: "legal"}
        key = keys.get(state, state.value) if in_review else None
        holder = self.person() if state in (*STAGES, State.CORRECTING) and dice.random() < 0.5 else None
        return {
            "state": state.value,
            "stage": key,
            "stage_role": _WORKFLOW.by_key[key].role.value if key else None,
            "author_id": self.person("writer", "writer", "other_writer"),
            "last_editor_id": self.person("writer", "writer", "writer"),
            "column_name": dice.choice([None, "要闻", "体育"]),
            "claimed_by": holder,
            "claimed_until": holder and dice.choice([None, self.moment(), self.moment()]),
            "due_at": dice.choice([None, self.moment(), self.moment()]) if key else None,
            "is_intake_done": dice.random() < 0.7,
            "held_from": "first_review" if state is State.HELD else None,
            "workflow_id": self.workflow_id,
        }

    def moment(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=self.dice.choice([-90, -30, 30, 90]))


@pytest.fixture(scope="module")
async def chance_rows(newsroom: Any, owner_db: Database) -> list[UUID]:
    """Pieces in every state, with claims, approvals and asked overrides by chance."""
    async with newsroom.db.transaction() as session:
        workflow = WorkflowRow(column_name="会签栏目", number=1, definition=_WORKFLOW.to_json())
        session.add(workflow)
    chance = _Chance(newsroom, workflow.id)
    ids = [(await newsroom.draft(title=f"第 {number} 篇")).id for number in range(_ITEMS)]
    async with owner_db.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("ALTER TABLE approval DISABLE TRIGGER USER"))  # they keep such rows out
        for item in ids:
            row = chance.row()
            fields = ", ".join(f"{name} = :{name}" for name in row)
            await connection.execute(
                text(f"UPDATE submission SET {fields} WHERE id = :id"), row | {"id": item}
            )
            await _approve(connection, chance, item)
            if row["stage"] and chance.dice.random() < 0.4:
                await _ask(connection, chance, item, row["stage"])
        await connection.execute(text("ALTER TABLE approval ENABLE TRIGGER USER"))
    return ids


@pytest.fixture(scope="module")
async def chance_items(newsroom: Any, chance_rows: list[UUID]) -> dict[UUID, Item]:
    """The same pieces as the guards see them."""
    async with newsroom.db.transaction() as session:
        return {item: (await load_item(session, item)).item for item in chance_rows}


async def _approve(connection: Any, chance: _Chance, item: UUID) -> None:
    """Approvals of this round and of another one; nobody signed in this round what has just been received."""
    for stage in _STAGES:
        if chance.dice.random() < 0.25:
            values = {
                "id": item,
                "stage": stage,
                "person": chance.person(),
                "behalf": chance.dice.choice([None, None, chance.person()]),
                "round": chance.dice.choice([0, 0, 7]),
                "is_old": chance.dice.random() < 0.3,
            }
            statement = text(
                "INSERT INTO approval (submission_id, review_round, stage, person_id, on_behalf_of,"
                " revision_sha256, item_seq) SELECT id,"
                " CASE state WHEN 'received' THEN 7 ELSE :round END, :stage, :person, :behalf,"
                " CASE WHEN :is_old THEN '' ELSE revision_sha256 END, 1 FROM submission WHERE id = :id"
                " ON CONFLICT DO NOTHING"
            )
            await connection.execute(statement, values)


async def _ask(connection: Any, chance: _Chance, item: UUID, stage: str) -> None:
    values = {
        "id": item,
        "asker": str(chance.person()),
        "stage": chance.dice.choice([stage, stage, stage, "first_review"]),
        "is_old": chance.dice.random() < 0.2,
    }
    statement = text(
        "UPDATE submission SET override = jsonb_build_object('asker_id', CAST(:asker AS text), 'stage',"
        " CAST(:stage AS text), 'revision_sha256', CASE WHEN :is_old THEN '' ELSE revision_sha256 END)"
        " WHERE id = :id"
    )
    await connection.execute(statement, values)


def _actors(newsroom: Any) -> dict[str, Actor]:
    def lent(role: Role, principal: str, *columns: str, minutes: int = 60) -> Delegated:
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        person = str(newsroom.people[principal].id)
        return Delegated(role, person, frozenset(columns), "00000000-0000-4000-8000-000000000001", until)

    found = {name: newsroom.actor(name) for name in newsroom.people}
    duty, writer = found["duty"], found["writer"]
    return found | {
        "duty of sports": replace(duty, columns=frozenset({"体育"})),
        "duty of both": replace(duty, columns=frozenset({"体育", "要闻"})),
        "duty as head's deputy": replace(duty, delegated=(lent(Role.DESK_HEAD, "head"),)),
        "duty of sports, and of news for another": replace(
            duty,
            columns=frozenset({"体育"}),
            delegated=(lent(Role.DUTY_EDITOR, "all_reviews", "要闻"),),
        ),
        "writer as chief's deputy": replace(writer, delegated=(lent(Role.EDITOR_IN_CHIEF, "chief", "体育"),)),
        "deputy whose time is over": replace(writer, delegated=(lent(Role.DESK_HEAD, "head", minutes=-1),)),
        "nobody in particular": Actor(writer.person_id, frozenset()),
    }


_NAMES = [
    *("writer", "other_writer", "duty", "head", "chief", "operator", "admin", "all_reviews"),
    *("duty of sports", "duty of both", "duty as head's deputy", "duty of sports, and of news for another"),
    *("writer as chief's deputy", "deputy whose time is over", "nobody in particular"),
]


@pytest.mark.parametrize("name", _NAMES)
async def test_queue_is_exactly_what_the_table_of_moves_allows(
    newsroom: Any, chance_items: dict[UUID, Item], name: str
) -> None:
    actor = _actors(newsroom)[name]
    reasons = {identifier: _why(item, actor) for identifier, item in chance_items.items()}
    expected = {identifier: why for identifier, why in reasons.items() if why is not None}
    found = {each.row.id: each.why for each in await _queue(newsroom, actor)}
    assert found == expected


async def test_queue_of_all_reviewers_together_has_every_reason(
    newsroom: Any, chance_rows: list[UUID]
) -> None:
    actors = _actors(newsroom).values()
    assert {each.why for actor in actors for each in await _queue(newsroom, actor)} == set(Why)


@pytest.mark.parametrize("name", ["all_reviews", "duty of both", "duty as head's deputy", "writer"])
async def test_queue_pages_follow_each_other_by_time_left(
    newsroom: Any, chance_rows: list[UUID], name: str
) -> None:
    actor = _actors(newsroom)[name]
    whole = await _queue(newsroom, actor)
    assert [each.place for each in whole] == sorted(each.place for each in whole)
    seen: list[UUID] = []
    after = None
    while page := await _queue(newsroom, actor, 3, after):
        seen += [each.row.id for each in page]
        after = page[-1].place
    assert seen == [each.row.id for each in whole]
    assert len(seen) == len(set(seen))


async def test_queue_says_how_much_time_is_left(newsroom: Any, chance_rows: list[UUID]) -> None:
    now = datetime.now(UTC)
    for each in await _queue(newsroom, newsroom.actor("all_reviews")):
        if each.row.due_at is None:
            assert each.time_left_s is None
        else:
            assert each.time_left_s == pytest.approx((each.row.due_at - now).total_seconds(), abs=60)


async def test_queue_of_a_machine_is_empty(newsroom: Any) -> None:
    assert await _queue(newsroom, SYSTEM) == []


async def test_queue_follows_a_piece_through_the_reviews(newsroom: Any) -> None:
    async def who_sees(item: UUID) -> dict[str, Why]:
        names = ("writer", "duty", "head", "chief")
        queues = {name: await _queue(newsroom, newsroom.actor(name)) for name in names}
        return {name: each.why for name, queue in queues.items() for each in queue if each.row.id == item}

    item = (await newsroom.draft()).id
    await newsroom.send(item, Event.SUBMIT, "writer")
    assert await who_sees(item) == {}  # its files are still being checked
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    assert await who_sees(item) == {"duty": Why.REVIEW}
    await newsroom.send(item, Event.CLAIM, "duty")
    assert await who_sees(item) == {"duty": Why.HELD}
    await newsroom.send(item, Event.APPROVE, "duty")
    assert await who_sees(item) == {"head": Why.REVIEW}
    await newsroom.send(item, Event.HOLD, "head", reason="等核实")
    assert await who_sees(item) == {}
    await newsroom.send(item, Event.RESUME, "head")
    await newsroom.send(item, Event.RETURN_FOR_REVISION, "head", reason="补图")
    assert await who_sees(item) == {"writer": Why.RETURNED}


async def test_queue_uses_its_indexes(newsroom: Any, chance_rows: list[UUID]) -> None:
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        seen.append((statement, parameters))

    engine = newsroom.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await _queue(newsroom, _actors(newsroom)["duty of both"], 20)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    (statement, parameters) = seen[-1]
    async with newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        await connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        lines = "\n".join(row[0] for row in plan)
    assert "submission_column_queue" in lines
    assert "submission_claimed" in lines
    assert "submission_returned" in lines
    assert "Seq Scan on submission" not in lines


async def test_all_rows_by_chance_meet_every_state(newsroom: Any, chance_rows: list[UUID]) -> None:
    async with newsroom.db.transaction() as session:
        states = set((await session.exec(select(Submission.state))).all())
    assert states == {state.value for state in State}
