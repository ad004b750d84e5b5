"""The dispatcher against a real database and a Prefect server in memory, which honours idempotency keys."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import (
    Cancelled,
    Cancelling,
    Completed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
)
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError

from flows import dispatcher as dispatcher_module
from flows.catalogue import CATALOGUE
from flows.dispatcher import Dispatcher
from states.events import Effect
from storage import outbox
from storage.database import Database
from storage.tables import OutboxRow

pytestmark = pytest.mark.slow


@dataclass
class Run:
    """A flow run, as far as the dispatcher looks at it."""

    id: UUID
    name: str
    state: State[Any]
    given: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        return self.given.get("parameters", {})  # type: ignore[no-any-return]


@dataclass
class FakePrefect:
    """Deployments and runs in memory."""

    deployments: dict[str, UUID] = field(
        default_factory=lambda: {f"{e.value}/{e.value}": uuid4() for e in Effect}
    )
    runs: dict[str, Run] = field(default_factory=dict)  # by idempotency key
    fails_with: Exception | None = None
    after_create: Any = None

    def _answer(self) -> None:
        if self.fails_with is not None:
            raise self.fails_with

    async def read_deployment_by_name(self, name: str) -> Any:
        self._answer()
        if name not in self.deployments:
            raise ObjectNotFound(http_exc=Exception(name))
        return type("Deployment", (), {"id": self.deployments[name]})

    async def create_flow_run_from_deployment(self, deployment_id: UUID, **given: Any) -> Run:
        self._answer()
        if deployment_id not in self.deployments.values():
            raise ObjectNotFound(http_exc=Exception("deployment"))
        key = given["idempotency_key"]
        await asyncio.sleep(0)
        if key not in self.runs:
            self.runs[key] = Run(
                uuid4(), given["name"], Scheduled(), {"deployment_id": deployment_id, **given}
            )
        if self.after_create is not None:
            await self.after_create(given)
        return self.runs[key]

    async def read_flow_run(self, run_id: UUID) -> Run:
        self._answer()
        for run in self.runs.values():
            if run.id == run_id:
                return run
        raise ObjectNotFound(http_exc=Exception("run"))

    async def read_flow_runs(self, **given: Any) -> list[Any]:
        self._answer()
        cancelling = [run for run in self.runs.values() if run.state.type is StateType.CANCELLING]
        return [SimpleNamespace(id=run.id, name=run.name, parameters=run.parameters) for run in cancelling]

    async def set_flow_run_state(self, run_id: UUID, state: State[Any], force: bool = False) -> None:
        run = await self.read_flow_run(run_id)
        if force or not run.state.is_final():
            run.state = state


@pytest.fixture
def prefect() -> FakePrefect:
    return FakePrefect()


@pytest.fixture
async def dispatcher(newsroom: Any, set_up: Any, prefect: FakePrefect) -> Dispatcher:
    """One dispatcher; nothing of earlier tests waits for it."""
    async with newsroom.db.transaction() as session:
        await (await session.connection()).execute(
            text("UPDATE outbox SET finished_at = now(), leased_until = NULL")
        )
    return Dispatcher(set_up, newsroom.db, prefect)  # type: ignore[arg-type]


@pytest.fixture
async def row_id(desk: Any, newsroom: Any, dispatcher: Dispatcher) -> int:
    """One piece of work that is due."""
    item = await newsroom.draft(title="新桥通车")
    found: int = await desk.enqueue(Effect.RENDER, item.id, revision_number=1, revision_sha256="abc")
    return found


async def _lapse(desk: Any, row_id: int, **values: Any) -> None:
    await desk.change(OutboxRow, row_id, leased_until=datetime.now(UTC) - timedelta(seconds=1), **values)


def _aged(state: State[Any], seconds: float) -> State[Any]:
    state.timestamp = datetime.now(UTC) - timedelta(seconds=seconds)  # type: ignore[assignment]
    return state


async def test_due_row_becomes_one_run_with_all_that_it_needs(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int
) -> None:
    assert await dispatcher.turn() == 1
    row = await desk.row(row_id)
    run = prefect.runs[f"outbox:{row_id}:1"]
    assert run.given["deployment_id"] == prefect.deployments["render/render"]
    assert run.given["tags"] == [f"item:{row.submission_id}", "render"]
    assert run.given["parameters"] == {
        "submission_id": str(row.submission_id),
        "outbox_id": row_id,
        "attempt": 1,
        "revision_sha256": "abc",
    }
    assert run.name == "制作成品 · 新桥通车"
    assert (row.attempt, row.flow_run_id) == (1, run.id)
    assert await dispatcher.turn() == 0


async def test_later_attempt_says_so_in_its_name(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int
) -> None:
    await desk.change(OutboxRow, row_id, attempt=2)
    await dispatcher.turn()
    assert prefect.runs[f"outbox:{row_id}:3"].name == "制作成品 · 新桥通车 · 第 3 次"


@pytest.mark.parametrize("effect", list(Effect))
async def test_every_effect_is_sent_with_what_its_flow_takes(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect, effect: Effect
) -> None:
    item = (await newsroom.draft()).id
    row_id = await desk.enqueue(effect, item, revision_number=4, revision_sha256="abc")
    await dispatcher.turn()
    parameters = prefect.runs[f"outbox:{row_id}:1"].given["parameters"]
    assert set(parameters) == {"submission_id", "outbox_id", "attempt", *CATALOGUE[effect].takes}


async def test_prefect_away_keeps_the_row_and_sends_it_later_under_the_same_key(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int
) -> None:
    prefect.fails_with = httpx.ConnectError("refused")
    with pytest.raises(httpx.ConnectError):
        await dispatcher.turn()
    await _lapse(desk, row_id)
    with pytest.raises(httpx.ConnectError):
        await dispatcher.turn()
    prefect.fails_with = None
    await _lapse(desk, row_id)
    await dispatcher.turn()
    assert list(prefect.runs) == [f"outbox:{row_id}:1"]
    assert (await desk.row(row_id)).flow_run_id is not None


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        ConnectionResetError(),
        InterfaceError("", None, Exception("closed"), None, True),
    ],
    ids=["prefect", "database", "pooled connection"],
)
async def test_outage_of_prefect_or_database_does_not_end_the_dispatcher(
    desk: Any,
    dispatcher: Dispatcher,
    prefect: FakePrefect,
    row_id: int,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "_SLOWEST_POLL_S", 0.1)
    prefect.fails_with = error
    running = asyncio.create_task(dispatcher.run())
    try:
        await asyncio.sleep(0.3)
        assert not running.done()
        prefect.fails_with = None
        await _lapse(desk, row_id)
        async with asyncio.timeout(6):
            while not prefect.runs:
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_run_that_ends_before_it_is_noted_disturbs_nobody(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int
) -> None:
    async def ends_at_once(given: Any) -> None:
        async with newsroom.db.transaction() as session:
            await outbox.finish(session, outbox.Fence(row_id, 1))

    prefect.after_create = ends_at_once
    assert await dispatcher.turn() == 1
    assert (await desk.row(row_id)).finished_at is not None


async def test_row_that_cannot_be_sent_keeps_no_other_waiting(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int
) -> None:
    item = (await newsroom.draft()).id
    unknown = await desk.enqueue(Effect.INTAKE, item, revision_sha256="abc")
    await desk.change(OutboxRow, unknown, effect="of_a_newer_version")
    lacking = await desk.enqueue(Effect.INTAKE, item)
    await dispatcher.turn()
    assert list(prefect.runs) == [f"outbox:{row_id}:1"]
    for each in (unknown, lacking):
        await _lapse(desk, each)
    await dispatcher.turn()  # nor at the second look
    row = await desk.row(unknown)
    assert (row.finished_at, row.attempt) == (None, 1)


async def test_deployments_made_anew_are_found(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int
) -> None:
    await dispatcher.turn()
    prefect.runs.clear()
    prefect.deployments = {name: uuid4() for name in prefect.deployments}
    for _ in range(2):
        await _lapse(desk, row_id)
        await dispatcher.turn()
    assert list(prefect.runs) == [f"outbox:{row_id}:1"]


# A lease ran out.


@pytest.fixture
async def sent(desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, row_id: int) -> tuple[int, Run]:
    """A row whose run is in Prefect."""
    await dispatcher.turn()
    return row_id, prefect.runs[f"outbox:{row_id}:1"]


@pytest.mark.parametrize(
    "state", [Scheduled(), Pending(), Running()], ids=["scheduled", "pending", "just begun"]
)
async def test_run_that_waits_or_just_begins_keeps_its_attempt(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run], state: State[Any]
) -> None:
    row_id, run = sent
    run.state = _aged(state, 1)
    await _lapse(desk, row_id)
    await dispatcher.turn()
    row = await desk.row(row_id)
    assert (row.attempt, row.flow_run_id, row.last_error) == (1, run.id, None)
    assert row.leased_until > datetime.now(UTC)
    assert len(prefect.runs) == 1


@pytest.mark.parametrize(
    ("state", "has_begun"),
    [
        (_aged(Pending(), 60), False),
        (_aged(Running(), 60), False),
        (_aged(Running(), 1), True),
        (_aged(Paused(), 60), True),
    ],
    ids=["pending for long", "running for long", "running and silent", "paused and silent"],
)
async def test_run_whose_worker_died_is_crashed_and_run_again(
    desk: Any,
    dispatcher: Dispatcher,
    prefect: FakePrefect,
    sent: tuple[int, Run],
    state: Any,
    has_begun: bool,
) -> None:
    row_id, run = sent
    run.state = state
    await _lapse(desk, row_id, started_at=datetime.now(UTC) if has_begun else None)
    await dispatcher.turn()
    assert run.state.type is StateType.CRASHED
    row = await desk.row(row_id)
    assert (row.attempt, row.flow_run_id) == (2, prefect.runs[f"outbox:{row_id}:2"].id)


@pytest.mark.parametrize("state", [Completed(), Failed()], ids=["completed", "failed"])
async def test_run_that_ended_without_finishing_the_row_is_run_again(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run], state: Any
) -> None:
    row_id, run = sent
    run.state = state
    await _lapse(desk, row_id)
    await dispatcher.turn()
    assert run.state is state  # what ended stays as it ended
    assert f"outbox:{row_id}:2" in prefect.runs


async def test_third_attempt_waits_before_it_is_sent(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run]
) -> None:
    row_id, run = sent
    run.state = Failed()
    await _lapse(desk, row_id, attempt=2)
    assert await dispatcher.turn() == 0
    row = await desk.row(row_id)
    assert 2 < (row.available_at - datetime.now(UTC)).total_seconds() <= 4.5


@pytest.mark.parametrize("state", [Cancelled(), Cancelling()], ids=["cancelled", "cancelling"])
async def test_run_that_an_operator_cancelled_is_given_up(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run], state: Any
) -> None:
    row_id, run = sent
    run.state = _aged(state, 60)
    await _lapse(desk, row_id)
    await dispatcher.turn()
    row = await desk.row(row_id)
    assert row.has_failed
    assert "cancelled in Prefect" in (row.last_error or "")
    assert run.state.type is StateType.CANCELLED
    assert len(prefect.runs) == 1


async def test_run_that_an_operator_cancels_loses_its_lease_while_it_runs(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run]
) -> None:
    row_id, run = sent
    run.state = _aged(Cancelling(), 1)
    prefect.runs["another's"] = Run(uuid4(), "not ours", _aged(Cancelling(), 1), {"parameters": {"x": 1}})
    await dispatcher.heed_cancellations()
    row = await desk.row(row_id)
    assert (row.has_failed, row.leased_until, row.attempt) == (True, None, 1)
    assert "cancelled in Prefect" in (row.last_error or "")
    assert run.state.type is StateType.CANCELLED
    assert prefect.runs["another's"].state.type is StateType.CANCELLING


async def test_last_attempt_that_dies_is_given_up(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run]
) -> None:
    row_id, run = sent
    run.state = _aged(Running(), 60)
    await _lapse(desk, row_id, attempt=6)
    await dispatcher.turn()
    row = await desk.row(row_id)
    assert row.has_failed
    assert "Running" in (row.last_error or "")
    assert (run.state.type, len(prefect.runs)) == (StateType.CRASHED, 1)


async def test_run_that_prefect_lost_is_made_anew_under_the_same_key(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run]
) -> None:
    row_id, _ = sent
    prefect.runs.clear()
    await _lapse(desk, row_id)
    await dispatcher.turn()
    assert list(prefect.runs) == [f"outbox:{row_id}:1"]
    row = await desk.row(row_id)
    assert (row.attempt, row.flow_run_id) == (1, prefect.runs[f"outbox:{row_id}:1"].id)


async def test_run_made_by_a_dispatcher_that_died_before_noting_it_is_found_again(
    desk: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run]
) -> None:
    row_id, run = sent
    await _lapse(desk, row_id, flow_run_id=None)
    await dispatcher.turn()
    row = await desk.row(row_id)
    assert (row.attempt, row.flow_run_id, len(prefect.runs)) == (1, run.id, 1)


async def test_prefect_going_away_before_the_dead_run_is_marked_leaves_it_to_be_marked(
    desk: Any,
    dispatcher: Dispatcher,
    prefect: FakePrefect,
    sent: tuple[int, Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run left Running for good would hold its place in the queue's limit for good."""
    row_id, run = sent
    run.state = _aged(Running(), 60)
    await _lapse(desk, row_id)

    async def goes_away(*given: Any, **more: Any) -> None:
        raise httpx.ConnectError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(prefect, "set_flow_run_state", goes_away)
        with pytest.raises(httpx.ConnectError):
            await dispatcher.turn()
    await dispatcher.turn()
    assert run.state.type is StateType.CRASHED
    assert (await desk.row(row_id)).attempt == 2


async def test_run_that_finishes_while_it_is_looked_at_stays_finished(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect, sent: tuple[int, Run]
) -> None:
    row_id, run = sent
    run.state = _aged(Running(), 60)
    await _lapse(desk, row_id)
    real = prefect.read_flow_run
    looked: list[int] = []

    async def ends_meanwhile(run_id: UUID) -> Any:
        seen = await real(run_id)
        if looked:
            return seen
        looked.append(1)
        seen = Run(seen.id, seen.name, seen.state, seen.given)
        run.state = Completed()
        async with newsroom.db.transaction() as session:
            await outbox.finish(session, outbox.Fence(row_id, 1))
        return seen

    prefect.read_flow_run = ends_meanwhile  # type: ignore[method-assign]
    await dispatcher.turn()
    row = await desk.row(row_id)
    assert (row.attempt, row.has_failed, row.last_error) == (1, False, None)
    assert row.finished_at is not None
    assert run.state.type is StateType.COMPLETED


async def test_two_dispatchers_at_once_make_one_run_for_each_attempt(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect
) -> None:
    item = (await newsroom.draft()).id
    ids = [await desk.enqueue(Effect.INTAKE, item, revision_sha256="a") for _ in range(20)]
    other = Dispatcher(dispatcher.settings, Database(newsroom.db.url, 5), dispatcher.client)
    try:
        started = await asyncio.gather(dispatcher.turn(), other.turn(), dispatcher.turn(), other.turn())
        assert (sum(started), len(prefect.runs)) == (20, 20)
        for each in ids:
            prefect.runs[f"outbox:{each}:1"].state = _aged(Running(), 60)
            await _lapse(desk, each)
        await asyncio.gather(dispatcher.turn(), other.turn())
        await asyncio.gather(dispatcher.turn(), other.turn())
    finally:
        await other.db.close()
    assert {(await desk.row(each)).attempt for each in ids} == {2}
    assert set(prefect.runs) == {f"outbox:{each}:{attempt}" for each in ids for attempt in (1, 2)}


async def test_more_rows_than_one_batch_are_all_sent_in_one_turn(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "_BATCH", 3)
    item = (await newsroom.draft()).id
    for _ in range(7):
        await desk.enqueue(Effect.INTAKE, item, revision_sha256="a")
    assert await dispatcher.turn() == 7
    assert len(prefect.runs) == 7


async def test_committed_work_wakes_the_dispatcher_at_once(
    desk: Any, newsroom: Any, dispatcher: Dispatcher, prefect: FakePrefect
) -> None:
    item = (await newsroom.draft()).id
    running = asyncio.create_task(dispatcher.run())
    try:
        await asyncio.sleep(0.4)
        row_id = await desk.enqueue(Effect.INTAKE, item, revision_sha256="a")
        async with asyncio.timeout(1.5):  # the poll alone would take two seconds
            while f"outbox:{row_id}:1" not in prefect.runs:
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.wait([running])
