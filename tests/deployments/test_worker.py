"""The warm worker on a real Prefect server: runs in children of their own, and what is left when they are killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psutil
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from pydantic import SecretStr

from deployments.register import register
from deployments.stack import prefect_server
from deployments.stack.process import child_environment, die_with_parent
from deployments.worker import WORKER_TYPE, WarmWorker, _kill_group
from flows.catalogue import CATALOGUE, QUEUES, item_tag
from flows.dispatcher import Dispatcher
from media.hashing import hash_file
from media.inspect import inspect
from media.sample import make_clip
from states.content import AssetRef
from states.events import Event
from states.item import State
from states.roles import SYSTEM
from storage import outbox, renditions
from storage.assets import add_asset
from storage.destinations import add_destination
from storage.keys import ASSETS, asset_key
from storage.objects import Objects
from storage.settings import Settings
from storage.tables import Asset, Destination, OutboxRow

LEASE_S = 3


def test_child_in_its_first_moment_can_be_ended_too() -> None:
    """It leads no process group yet."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        assert _kill_group(child.pid, signal.SIGKILL)
        child.wait(5)
    assert not _kill_group(child.pid, signal.SIGKILL)
    assert not _kill_group(None, signal.SIGKILL)


def test_worker_type_is_found_by_prefect() -> None:
    assert WarmWorker.type == WORKER_TYPE
    template = WarmWorker.get_default_base_job_template()
    assert "entrypoint" not in str(template)  # it comes from the deployment, not from the pool


# With a Prefect server, a worker and its children.


@pytest.fixture(scope="module")
def prefect_url(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server on the session's PostgreSQL, in a database of its own."""
    _make_database(postgres_url, "worker_prefect")
    home, port = tmp_path_factory.mktemp("prefect"), _free_port()
    database = postgres_url.replace("/sanshen?", "/worker_prefect?")
    with (
        _process(prefect_server.command(port), prefect_server.environment(home, database), home) as server,
    ):
        _await_answer(f"http://127.0.0.1:{port}/api/health", server, home / "log")
        yield f"http://127.0.0.1:{port}/api"


def _make_database(url: str, name: str) -> None:
    async def make() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    import threading

    thread = threading.Thread(target=lambda: asyncio.run(make()))
    thread.start()
    thread.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: Any, env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, with its output in `folder/log`; killed with its group at the end."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=child_environment(env, folder),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - a prctl
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_answer(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    import time

    deadline = time.monotonic() + 120
    while True:
        try:
            if httpx.get(url, trust_env=False, timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        assert server.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)


@pytest.fixture(scope="module")
def settings(prefect_url: str, gateway: Settings, module_database: str) -> Settings:
    """Everything on real servers, with a short lease."""
    return gateway.model_copy(
        update={
            "database_url": module_database,
            "prefect_api_url": prefect_url,
            "lease_s": LEASE_S,
            "allowed_private_hosts": ("127.0.0.1",),
        }
    )


@pytest.fixture
async def client(prefect_url: str) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(prefect_url) as client:
        yield client


@pytest.fixture
def start_worker(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """start_worker() runs `sanshen worker`; start_worker(command…, **more) another, with `more` environment."""
    from contextlib import ExitStack

    secret = settings.s3_secret_key
    assert isinstance(secret, SecretStr)
    env = prefect_server.client_environment(tmp_path) | {
        "SANSHEN_HOME": str(settings.home),
        "SANSHEN_DATABASE_URL": str(settings.database_url),
        "SANSHEN_S3_ENDPOINT": str(settings.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(settings.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value(),
        "SANSHEN_LEASE_S": str(LEASE_S),
        "SANSHEN_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "PREFECT_API_URL": str(settings.prefect_api_url),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    with ExitStack() as processes:

        def start(*command: str, **more: str) -> subprocess.Popen[bytes]:
            given = command or ("-m", "deployments.cli", "worker")
            return processes.enter_context(_process((sys.executable, *given), env | more, tmp_path))

        yield start


@pytest.fixture
async def dispatcher(settings: Settings, newsroom: Any, client: PrefectClient) -> AsyncIterator[Dispatcher]:
    """A dispatcher at work; what earlier tests left is over."""
    await register(settings)
    async with newsroom.db.transaction() as session:
        from sqlalchemy import text

        await (await session.connection()).execute(text("UPDATE outbox SET finished_at = now()"))
    dispatcher = Dispatcher(settings, newsroom.db, client)
    running = asyncio.create_task(dispatcher.run())
    yield dispatcher
    running.cancel()
    await asyncio.wait([running])


async def _until(check: Callable[[], Any], timeout_s: float = 40) -> Any:
    async with asyncio.timeout(timeout_s):
        while True:
            found = await check()
            if found:
                return found
            await asyncio.sleep(0.1)


async def _runs(client: PrefectClient, item: UUID) -> list[FlowRun]:
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[item_tag(item)]))
    runs = await client.read_flow_runs(flow_run_filter=tagged)
    return sorted(runs, key=lambda run: run.created or 0)


async def _row(newsroom: Any, item: UUID) -> OutboxRow:
    async with newsroom.db.transaction() as session:
        found: OutboxRow = (await outbox.work_of(session, item))[-1]
        return found


@pytest.mark.slow
async def test_registering_twice_changes_nothing(settings: Settings, client: PrefectClient) -> None:
    found = []
    for _ in range(2):
        await asyncio.gather(register(settings), register(settings))
        deployments = await client.read_deployments()
        found.append({each.name: each.id for each in deployments})
    assert found[0] == found[1]
    assert set(found[0]) == {effect.value for effect in CATALOGUE}
    pool = await client.read_work_pool(settings.prefect_work_pool)
    assert pool.type == WORKER_TYPE
    for name, limit in QUEUES.items():
        queue = await client.read_work_queue_by_name(name, work_pool_name=pool.name)
        assert queue.concurrency_limit == limit


@pytest.mark.slow
async def test_run_goes_through_in_a_child_of_the_worker(
    newsroom: Any, dispatcher: Dispatcher, client: PrefectClient, start_worker: Any
) -> None:
    worker = start_worker()
    item = (await newsroom.draft(title="{带花括号}的标题")).id
    await newsroom.send(item, Event.SUBMIT, "writer")
    row = await _until(lambda: _finished(newsroom, item))
    assert (row.attempt, row.has_failed, row.last_error) == (1, False, None)
    (run,) = await _runs(client, item)
    await _until(lambda: _is_in(client, run, StateType.COMPLETED))
    assert run.name == "入库检查 · {带花括号}的标题"
    pid = int((await client.read_flow_run(run.id)).infrastructure_pid or 0)
    assert pid not in (0, worker.pid)
    async with newsroom.db.transaction() as session:
        from storage.items import load_item

        assert (await load_item(session, item)).row.is_intake_done


async def _finished(newsroom: Any, item: UUID) -> OutboxRow | None:
    row = await _row(newsroom, item)
    return row if row.finished_at is not None else None


async def _is_in(client: PrefectClient, run: FlowRun, state: StateType) -> bool:
    now = (await client.read_flow_run(run.id)).state
    return now is not None and now.type is state


@pytest.mark.slow
async def test_stock_process_worker_runs_the_same_deployments(
    settings: Settings, newsroom: Any, client: PrefectClient, start_worker: Any, tmp_path: Path
) -> None:
    """Nothing but the pool's type differs."""
    # A fresh interpreter takes seconds until its first line, so the lease is as long as in production.
    stock = settings.model_copy(update={"prefect_work_pool": "stock", "lease_s": 30})
    await client.create_work_pool(WorkPoolCreate(name="stock", type="process"))
    await register(stock)
    # Prefect's runner makes runner_storage in the temporary folder: in a shared one, the first user's alone.
    command = ("-m", "prefect", "worker", "start", "--pool", "stock", "--type", "process")
    start_worker(*command, TMPDIR=str(tmp_path))
    dispatcher = Dispatcher(stock, newsroom.db, client)
    item = (await newsroom.draft()).id
    await newsroom.send(item, Event.SUBMIT, "writer")
    try:
        await dispatcher.turn()
        row = await _until(lambda: _finished_or_kept(newsroom, item, dispatcher), timeout_s=90)
    finally:
        await register(settings)
    assert (row.attempt, row.has_failed) == (1, False)


async def _finished_or_kept(newsroom: Any, item: UUID, dispatcher: Dispatcher) -> OutboxRow | None:
    await dispatcher.turn()
    return await _finished(newsroom, item)


# Runs that are killed in the middle of a call.


@pytest.fixture
async def silent() -> AsyncIterator[tuple[str, list[int]]]:
    """A receiver that takes requests and, at first, never answers; its address, and how often it was asked."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(1)
        if len(asked) == 1:
            await reader.read()  # until the caller is gone
        else:
            writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", asked
    server.close()


async def _being_sent(newsroom: Any, address: str, asked: list[int]) -> UUID:
    """A signed piece whose delivery is in the middle of the call."""
    name = f"partner-{address.rpartition(':')[2].strip('/')}"
    async with newsroom.db.transaction() as session:
        given = Destination(id=name, platform="webhook", name=name, settings={"url": address}, secret="s")
        await add_destination(session, given)
    item: UUID = await newsroom.in_state(State.FINAL_REVIEW, destinations=(name,))
    sha256 = await newsroom.revision(item)
    facts = {"revision_sha256": sha256, "manifest_sha256": renditions.manifest_sha256([]), "problems": []}
    await newsroom.send(item, Event.MEDIA_READY, SYSTEM, facts=facts)
    await newsroom.send(item, Event.APPROVE, "chief")

    async def was_asked() -> bool:
        return bool(asked)

    await _until(was_asked)
    return item


async def _child(client: PrefectClient, item: UUID) -> tuple[FlowRun, psutil.Process]:
    run = next(run for run in await _runs(client, item) if "distribute" in run.tags)
    return run, psutil.Process(int(run.infrastructure_pid or 0))


@pytest.mark.slow
async def test_killed_child_is_crashed_in_prefect_and_its_work_done_by_another(
    newsroom: Any, dispatcher: Dispatcher, client: PrefectClient, start_worker: Any, silent: Any
) -> None:
    start_worker()
    item = await _being_sent(newsroom, *silent)
    run, child = await _child(client, item)
    child.kill()
    await _until(lambda: _is_in(client, run, StateType.CRASHED))
    row = await _until(lambda: _finished(newsroom, item))
    assert (row.attempt, row.has_failed) == (2, False)
    assert len(silent[1]) == 2


@pytest.mark.slow
async def test_killed_worker_takes_its_children_along_and_their_work_is_done_by_the_next(
    newsroom: Any, dispatcher: Dispatcher, client: PrefectClient, start_worker: Any, silent: Any
) -> None:
    worker = start_worker()
    item = await _being_sent(newsroom, *silent)
    run, child = await _child(client, item)
    os.kill(worker.pid, signal.SIGKILL)
    child.wait(5)  # no call goes on that nobody watches
    assert await _is_in(client, run, StateType.RUNNING)  # Prefect alone would leave it so
    start_worker()
    row = await _until(lambda: _finished(newsroom, item))
    assert (row.attempt, row.has_failed) == (2, False)
    assert await _is_in(client, run, StateType.CRASHED)


@pytest.mark.slow
async def test_run_that_an_operator_cancels_is_ended_and_given_up(
    newsroom: Any, dispatcher: Dispatcher, client: PrefectClient, start_worker: Any, silent: Any
) -> None:
    from prefect.states import Cancelling

    start_worker()
    item = await _being_sent(newsroom, *silent)
    run, child = await _child(client, item)
    await client.set_flow_run_state(run.id, Cancelling())
    await asyncio.to_thread(child.wait, 30)
    row = await _until(lambda: _finished(newsroom, item))
    assert (row.attempt, row.has_failed) == (1, True)
    states = [each.type for each in await client.read_flow_run_states(run.id)]
    assert StateType.CANCELLED in states
    assert states[-1] is not StateType.CANCELLING
    assert len(silent[1]) == 1  # and nobody called again


# Renders.


async def _with_clip(newsroom: Any, settings: Settings, folder: Path, seconds: int) -> UUID:
    """In the second review, as if intake had looked at its clip: a render is due."""
    path = folder / f"街景-{seconds}.mp4"
    await make_clip(path, seconds, 160, 90)
    found, look = hash_file(path), await inspect(path, path.name)
    key = asset_key(found.sha256)
    await Objects(settings).put_file(ASSETS, key, path, "video/mp4")
    item: UUID = (await newsroom.draft(title="[新桥] 通车")).id
    asset = Asset(
        submission_id=item,
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        filename=path.name,
        object_key=key,
        intake="passed",
        kind="video",
        media_type="video/mp4",
        probe=look.probe.to_json(),
    )
    async with newsroom.db.transaction() as session:
        await add_asset(session, asset)
    await newsroom.edit(item, assets=(AssetRef(asset.sha256, path.name),))
    await newsroom.send(item, Event.SUBMIT, "writer")
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.APPROVE, "duty")
    return item


async def _rendered(newsroom: Any, item: UUID) -> OutboxRow | None:
    async with newsroom.db.transaction() as session:
        rows = await outbox.work_of(session, item)
    return next((row for row in rows if row.effect == "render" and row.finished_at is not None), None)


@pytest.mark.slow
async def test_render_shows_its_progress_and_its_figures_in_prefect(
    newsroom: Any, dispatcher: Dispatcher, client: PrefectClient, start_worker: Any, tmp_path: Path
) -> None:
    start_worker()
    settings = dispatcher.settings
    item = await _with_clip(newsroom, settings, tmp_path, 2)
    row = await _until(lambda: _rendered(newsroom, item), timeout_s=300)
    assert not row.has_failed, row.last_error
    shown = {each.key: each for each in await client.read_artifacts() if str(item) in (each.key or "")}
    table = shown.pop(f"renditions-{item}")
    rows = {each["成品"]: each for each in json.loads(str(table.data))}
    assert "客户端视频（app_mp4）" in rows
    assert {each["状态"] for each in rows.values()} == {"完成"}
    assert rows["客户端视频（app_mp4）"]["渠道"] == "客户端（新闻客户端）"
    assert rows["客户端视频（app_mp4）"]["帧数"] == 50
    assert rows["客户端视频（app_mp4）"]["SSIM"] > 0.5
    assert f"/api/v1/submissions/{item}" in str(table.description)
    assert "［新桥］ 通车" in str(table.description)
    (progress,) = shown.values()
    assert (progress.type, progress.data) == ("progress", 100)


@pytest.mark.slow
async def test_render_whose_child_is_ended_leaves_nothing_and_is_done_by_the_next(
    newsroom: Any, dispatcher: Dispatcher, start_worker: Any, settings: Settings, tmp_path: Path
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    worker = start_worker(TMPDIR=str(temporary))
    item = await _with_clip(newsroom, settings, tmp_path, 3)
    ffmpeg = await _until(lambda: _encoder_of(worker.pid), timeout_s=300)
    ffmpeg.suspend()  # in the middle, for as long as it lives
    child = next(each for each in ffmpeg.parents() if "python" in each.name())
    (made,) = temporary.glob("sanshen-worker-*/run-*/sanshen-render-*")
    folder = made.parent  # intake's run may still have one, too
    child.terminate()

    async def is_gone() -> bool:
        is_dead = not ffmpeg.is_running() or ffmpeg.status() == psutil.STATUS_ZOMBIE
        return is_dead and not folder.exists()

    await _until(is_gone)
    row = await _until(lambda: _rendered(newsroom, item), timeout_s=300)
    assert (row.attempt, row.has_failed) == (2, False)


async def _encoder_of(worker: int) -> psutil.Process | None:
    for each in psutil.Process(worker).children(recursive=True):
        try:
            command = each.cmdline()
        except psutil.Error:
            continue
        if command and "ffmpeg" in Path(command[0]).name and any("out/app_" in part for part in command):
            return each
    return None
