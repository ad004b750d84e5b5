"""The child of the warm worker: one process, one flow run."""

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from typing import Any, cast

from prefect import Flow
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.utilities.importtools import import_object

from deployments.stack.process import follow_parent


def run_child(run: dict[str, Any], entrypoint: str, folder: str) -> None:
    """Execute one flow run to its end. Its failure is a state in Prefect, not an exit status.

    `folder` gets all temporary files; the worker removes it when this process is gone, however it went.
    """
    os.setpgid(0, 0)  # so that the run and all it starts can be ended together
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    follow_parent(signal.SIGKILL)  # the forkserver
    threading.Thread(target=_follow_worker, daemon=True, name="follow-worker").start()
    flow_run = FlowRun.model_validate(run)
    flow = cast("Flow[..., Any]", import_object(entrypoint))
    asyncio.run(_run(flow, flow_run))


def _follow_worker() -> None:
    """End with the worker, even when it is killed: the forkserver lives as long as one of its children does."""
    worker = multiprocessing.parent_process()
    if worker is not None:
        multiprocessing.connection.wait([worker.sentinel])
        os.killpg(0, signal.SIGKILL)


async def _run(flow: "Flow[..., Any]", flow_run: FlowRun) -> None:
    parameters = flow.validate_parameters(flow_run.parameters)
    await cast(Any, run_flow(flow, flow_run=flow_run, parameters=parameters, return_type="state"))
