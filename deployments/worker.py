"""The warm worker: a Prefect worker type that runs each flow run in a forked child with our flows loaded.

A run starts in tenths of a second instead of the seconds that a fresh interpreter takes, and is still a
process of its own that can be killed alone. Prefect finds the type through the `prefect.collections` entry
point; the stock process worker runs the same deployments.
"""

import asyncio
import multiprocessing
import os
import shutil
import signal
import socket
from contextlib import suppress
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import InfrastructureNotFound
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import PrivateAttr

from deployments.scratch import Scratch
from storage.listening import WORKER_CHANNEL, Wake, listening
from storage.settings import Settings

WORKER_TYPE = "sanshen"
_LAST_WORDS_S = 2.0
# What every child finds loaded; named by module so that the forkserver imports it, not the worker.
_PRELOAD = [
    "deployments.child",
    "flows.intake",
    "flows.render",
    "flows.release",
    "flows.distribute",
    "flows.retract",
    # What a run would otherwise import by itself, 0.1 s of it (found by comparing sys.modules after a run).
    "anyio._backends._asyncio",
    "asyncpg",
    "encodings.idna",
    "prefect.concurrency._asyncio",
    "prefect.task_engine",
    "prefect.utilities.visualization",
]


class WarmConfiguration(BaseJobConfiguration):
    """How one run is started: the deployment's entry point, a module path and a name."""

    _entrypoint: str = PrivateAttr("")  # private, so that it is no field of the pool's template

    @property
    def entrypoint(self) -> str:
        """Module path and name of the flow."""
        return self._entrypoint

    def prepare_for_flow_run(
        self, flow_run: FlowRun, deployment: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Note the entry point of the run's deployment."""
        super().prepare_for_flow_run(flow_run, deployment, *args, **kwargs)
        self._entrypoint = (deployment.entrypoint if deployment else None) or ""


class WarmResult(BaseWorkerResult):
    """How the child ended."""


class WarmWorker(BaseWorker[WarmConfiguration, BaseVariables, WarmResult]):
    """Runs flow runs in forkserver children of this host."""

    type = WORKER_TYPE
    job_configuration = WarmConfiguration
    job_configuration_variables = BaseVariables
    _description = "Runs Sanshen's flows in warm, isolated children of this host."
    _display_name = "Sanshen (warm)"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._context = warm_context()
        self._scratch = Scratch()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        """Start the child, wait for its end; it reports the run's states to Prefect itself."""
        folder = await asyncio.to_thread(self._scratch.folder)
        child = await asyncio.to_thread(self._start, flow_run, configuration, folder)
        if task_status is not None:
            task_status.started(child.pid or 0)
        try:
            await _ended(child)
        finally:
            await asyncio.shield(asyncio.to_thread(_leave_nothing, child, folder))
        return WarmResult(status_code=child.exitcode or 0, identifier=str(child.pid))

    def _start(self, flow_run: FlowRun, configuration: WarmConfiguration, folder: Path) -> ForkServerProcess:
        from deployments.child import run_child

        run = flow_run.model_dump(mode="json")
        given = (run, configuration.entrypoint, str(folder))
        child = self._context.Process(target=run_child, args=given, daemon=False)
        child.start()
        return child

    def close(self) -> None:
        """Remove the place of its runs' temporary files."""
        self._scratch.close()

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: WarmConfiguration,  # noqa: ARG002 - Prefect calls every worker alike
        grace_seconds: int = 30,  # noqa: ARG002 - the group is told at once
    ) -> None:
        """End a child with everything it started. Raises InfrastructureNotFound when it is gone."""
        if not _kill_group(int(infrastructure_pid), signal.SIGTERM):
            raise InfrastructureNotFound(f"no process {infrastructure_pid}")


def warm_context() -> ForkServerContext:
    """The forkserver whose children have our flows loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


def warm_up() -> None:
    """Start the forkserver and have it load the flows, so that the first run does not wait for that."""
    first = warm_context().Process(target=os.getpid)
    first.start()
    first.join()


async def _ended(child: ForkServerProcess) -> None:
    """Wait for the child's end without a thread: its sentinel becomes readable."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(child.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(child.sentinel)
    child.join()


def _leave_nothing(child: ForkServerProcess, folder: Path) -> None:
    """End a child that still runs, with all that it started, and remove its files."""
    if child.is_alive():
        _kill_group(child.pid, signal.SIGTERM)
        child.join(_LAST_WORDS_S)
    if child.is_alive():
        _kill_group(child.pid, signal.SIGKILL)
        child.join()
    shutil.rmtree(folder, ignore_errors=True)


def _kill_group(pid: int | None, how: signal.Signals) -> bool:
    if pid is None:
        return False
    for end in (os.killpg, os.kill):  # in its first milliseconds a child leads no group yet
        with suppress(ProcessLookupError):
            end(pid, how)
            return True
    return False


async def work(settings: Settings) -> None:
    """Run one worker until cancelled: woken by the dispatcher, with a poll behind it."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    worker = WarmWorker(work_pool_name=settings.prefect_work_pool, name=name, limit=settings.worker_limit)
    await asyncio.to_thread(warm_up)
    async with listening(settings.require_database_url(), WORKER_CHANNEL) as wake:
        taking = asyncio.create_task(_take_when_woken(worker, wake))
        try:
            await worker.start()
        finally:
            taking.cancel()
            worker.close()


async def _take_when_woken(worker: WarmWorker, wake: Wake) -> None:
    while True:
        await wake.wait(timeout_s=60)
        if worker.is_setup:
            with suppress(httpx.HTTPError, OSError):  # Prefect is away: the poll comes again
                await worker.get_and_submit_flow_runs()
