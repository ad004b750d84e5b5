"""The dispatcher: turns outbox rows into Prefect flow runs, and finds the runs that died.

Woken by NOTIFY, with a slow poll behind it. Prefect's server may be away: rows wait, and are sent when it
is back. Two dispatchers may run at once: rows are claimed with SKIP LOCKED and every write is fenced.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from flows.catalogue import CATALOGUE, item_tag
from flows.context import backoff_s
from flows.ledger import Ledger
from flows.prefect_api import prefect_client
from flows.retention import keep_retaining
from flows.store_sweep import keep_store_tidy
from flows.sweep import keep_sweeping
from states.events import Effect
from storage import outbox
from storage.database import Database, is_unavailable
from storage.errors import LeaseLost
from storage.listening import WORKER_CHANNEL, listening, notify
from storage.objects import Objects
from storage.outbox import OUTBOX_CHANNEL, Fence
from storage.settings import Settings
from storage.tables import OutboxRow, Submission

_BATCH = 50
_SLOWEST_POLL_S = 2.0
# What an operator cancels has to have stopped within two seconds; the run itself looks twice a second.
_CANCEL_POLL_S = 0.8
_CANCELLING = FlowRunFilter(
    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
)
_LOG = logging.getLogger("sanshen.dispatcher")


@dataclass(slots=True)
class Dispatcher:
    """One dispatcher process; `run` goes on until it is cancelled."""

    settings: Settings
    db: Database
    client: PrefectClient
    ledger: Ledger = field(init=False)
    _deployments: dict[Effect, UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.settings, self.db)

    async def run(self) -> None:
        """Dispatch and reconcile until cancelled."""
        heeding = asyncio.create_task(self._heed_for_ever())
        try:
            async with listening(self.settings.require_database_url(), OUTBOX_CHANNEL) as wake:
                while not heeding.done():
                    await _unless_passing(self.turn)
                    await wake.wait(await self._pause_s())
                heeding.result()  # it ends by an error alone
        finally:
            heeding.cancel()
            await asyncio.wait([heeding])

    async def _heed_for_ever(self) -> None:
        """Beside the turns: one that waits for a slow server keeps no operator waiting."""
        while True:
            await _unless_passing(self.heed_cancellations)
            await asyncio.sleep(_CANCEL_POLL_S)

    async def turn(self) -> int:
        """Start a run for every row that is due, and look after every lease that ran out; how many started."""
        await self.ledger.sequence()  # first: while Prefect is away, the rest of a turn breaks off
        for row in await self._expired():
            await self._reconcile(row)
        return await self._start_due()

    async def heed_cancellations(self) -> None:
        """Give up the work of runs that an operator cancels in Prefect; no worker type does that for a run that
        has begun. Whoever executes it finds its lease lost, and stops. Asks nobody while nothing runs.
        """
        async with self.db.transaction() as session:
            if not await outbox.has_leased(session):
                return
        for run in await self.client.read_flow_runs(flow_run_filter=_CANCELLING, limit=_BATCH):
            if not {"outbox_id", "attempt"} <= run.parameters.keys():
                continue  # not ours: the server may serve others too
            fence = Fence(int(run.parameters["outbox_id"]), int(run.parameters["attempt"]))
            with suppress(LeaseLost):
                async with self.db.transaction() as session:
                    await outbox.give_up(session, fence, f"cancelled in Prefect: {run.name}")
            await self._end_in_prefect(run, is_cancelled=True)

    async def _pause_s(self) -> float:
        try:
            async with self.db.transaction() as session:
                due_s = await outbox.next_due_in_s(session)
        except Exception as error:
            if not is_unavailable(error):
                raise
            return _SLOWEST_POLL_S
        return _SLOWEST_POLL_S if due_s is None else max(0.05, min(due_s, _SLOWEST_POLL_S))

    async def _start_due(self) -> int:
        started = 0
        while True:
            async with self.db.transaction() as session:
                rows = await outbox.claim_due(session, _BATCH, self.settings.lease_s)
            await self.ledger.sequence()  # what these rows follow from is in the log before they begin
            outcomes = await asyncio.gather(*(self._start(row) for row in rows), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            if rows:
                await notify(self.db, WORKER_CHANNEL)
            started += len(rows)
            if len(rows) < _BATCH:
                return started

    async def _start(self, row: OutboxRow) -> None:
        """Create the flow run of this attempt; created twice, it is the same run.

        A row that cannot be sent keeps no other waiting: it is tried again, under the same key, when its
        lease runs out. Raises what says that Prefect or the database is away.
        """
        try:
            run_id = await self._create_run(row)
            async with self.db.transaction() as session:
                await outbox.attach_run(session, _fence(row), run_id)
        except LeaseLost:
            return  # the run was over before it was noted here
        except Exception as error:
            self._deployments.clear()  # they may have been made anew
            if _is_passing(error):
                raise
            _LOG.exception("outbox %s (%s) cannot be sent; is `sanshen prepare` due?", row.id, row.effect)

    async def _create_run(self, row: OutboxRow) -> UUID:
        entry, fence = CATALOGUE[Effect(row.effect)], _fence(row)
        run = await self.client.create_flow_run_from_deployment(
            await self._deployment_id(entry.effect),
            name=await self._name(row),
            parameters={
                "submission_id": str(row.submission_id),
                "outbox_id": fence.outbox_id,
                "attempt": fence.attempt,
            }
            | {name: row.payload[name] for name in entry.takes},
            idempotency_key=f"outbox:{fence.outbox_id}:{fence.attempt}",
            tags=[item_tag(row.submission_id), entry.effect.value],
        )
        return run.id

    async def _name(self, row: OutboxRow) -> str:
        """The run's name in words, for the operator's list."""
        async with self.db.transaction() as session:
            submission = await session.get(Submission, row.submission_id)
        title = submission.title if submission else str(row.submission_id)
        again = f" · 第 {row.attempt} 次" if row.attempt > 1 else ""
        return f"{CATALOGUE[Effect(row.effect)].label.zh} · {title}{again}"

    async def _deployment_id(self, effect: Effect) -> UUID:
        if effect not in self._deployments:
            found = await self.client.read_deployment_by_name(f"{effect.value}/{effect.value}")
            self._deployments[effect] = found.id
        return self._deployments[effect]

    async def _expired(self) -> list[OutboxRow]:
        async with self.db.transaction() as session:
            return await outbox.expired(session)

    async def _reconcile(self, row: OutboxRow) -> None:
        """A lease ran out: the run waits in Prefect, was never created, or died. Nothing is decided twice."""
        try:
            run = await self._read_run(row)
            if run is None:
                await self._extend(row)
                await self._start(row)
            elif self._is_waiting(row, run):
                await self._extend(row)
            else:
                await self._run_again(row, run)
        except LeaseLost:
            return  # another dispatcher, or the run itself, was faster

    async def _read_run(self, row: OutboxRow) -> FlowRun | None:
        if row.flow_run_id is None:
            return None
        try:
            return await self.client.read_flow_run(row.flow_run_id)
        except ObjectNotFound:
            return None  # its creation was lost with the server; the idempotency key makes it anew

    def _is_waiting(self, row: OutboxRow, run: FlowRun) -> bool:
        """Scheduled runs wait for a worker. One that stays Pending, or Running without having begun the work,
        was taken by a worker that died; one that is so since a moment ago is about to begin.
        """
        if run.state is None or run.state.type is StateType.SCHEDULED:
            return True
        if row.started_at is not None or run.state.type not in (StateType.PENDING, StateType.RUNNING):
            return False
        age = datetime.now(UTC) - run.state.timestamp
        return age.total_seconds() < self.settings.lease_s

    async def _extend(self, row: OutboxRow) -> None:
        async with self.db.transaction() as session:
            await outbox.extend(session, _fence(row), self.settings.lease_s, is_running=False)

    async def _run_again(self, row: OutboxRow, run: FlowRun) -> None:
        state = run.state
        is_cancelled = state is not None and state.type in (StateType.CANCELLED, StateType.CANCELLING)
        # First in Prefect: a dead run that stays Running there takes a place of its queue's limit for good.
        if state is not None and not state.is_final():
            await self._end_in_prefect(run, is_cancelled)
        why = f"Prefect run {run.name} ended as {state.name if state else 'nothing'}, lease lost"
        async with self.db.transaction() as session:
            if is_cancelled:
                await outbox.give_up(session, _fence(row), f"cancelled in Prefect: {run.name}")
            elif row.attempt >= self.settings.max_attempts:
                await outbox.give_up(session, _fence(row), why)
            else:
                delay_s = 0.0 if row.attempt == 1 else backoff_s(row.attempt)
                await outbox.retry_later(session, _fence(row), why, delay_s)
        _LOG.warning("outbox %s attempt %s: %s", row.id, row.attempt, why)

    async def _end_in_prefect(self, run: FlowRun, is_cancelled: bool) -> None:
        message = "The worker fell silent; Sanshen runs the work again."
        ended: State[Any] = Cancelled() if is_cancelled else Crashed(message=message)
        with suppress(ObjectNotFound):
            await self.client.set_flow_run_state(run.id, ended)  # not forced: a run that just ended stays so


async def _unless_passing(work: Callable[[], Awaitable[object]]) -> None:
    """Do it; what may pass is said, and done again next time."""
    try:
        await work()
    except Exception as error:
        if not _is_passing(error):
            raise
        _LOG.warning("waiting: %s", str(error) or type(error).__name__)


def _is_passing(error: Exception) -> bool:
    """Whether Prefect or the database is away for a while, and nothing is wrong with the work itself."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, httpx.TransportError) or is_unavailable(error)


def _fence(row: OutboxRow) -> Fence:
    if row.id is None:
        raise ValueError("an outbox row without an id")
    return Fence(row.id, row.attempt)


async def dispatch(settings: Settings) -> None:
    """Run one dispatcher until cancelled."""
    db = Database(settings.require_database_url(), pool_size=10)
    try:
        async with prefect_client(settings) as client:
            dispatcher = Dispatcher(settings, db, client)
            async with asyncio.TaskGroup() as group:
                group.create_task(dispatcher.run())
                group.create_task(dispatcher.ledger.copy_forever())
                group.create_task(keep_sweeping(db, Objects(settings)))
                group.create_task(keep_store_tidy(settings, db))
                group.create_task(keep_retaining(settings, db))
    finally:
        await db.close()
