"""The same route against servers that somebody else started: PostgreSQL, S3 and Prefect by settings alone."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from deployments.stack import prefect_server
from deployments.stack.background import background_stack
from deployments.stack.process import child_environment, die_with_parent
from storage.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def outside(
    postgres_url: str, gateway: Settings, tmp_path: Path, run_apart: Callable[..., None]
) -> Iterator[dict[str, str]]:
    """Three servers started by hand, as settings."""
    names = ("outside_sanshen", "outside_prefect")
    run_apart(lambda: asyncio.run(_make_databases(postgres_url, names)))
    ours, prefects = (postgres_url.replace("/sanshen?", f"/{name}?") for name in names)
    port = _free_port()
    with (tmp_path / "prefect.log").open("wb") as log:
        server = subprocess.Popen(
            prefect_server.command(port),
            env=child_environment(prefect_server.environment(tmp_path, prefects), tmp_path),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(prefect_server.STOP_SIGNAL),  # noqa: PLW1509 - a prctl
        )
    try:
        _await_answer(f"http://127.0.0.1:{port}/api/health", tmp_path / "prefect.log")
        assert gateway.s3_secret_key is not None
        yield {
            "SANSHEN_DATABASE_URL": ours,
            "SANSHEN_S3_ENDPOINT": str(gateway.s3_endpoint),
            "SANSHEN_S3_ACCESS_KEY": str(gateway.s3_access_key),
            "SANSHEN_S3_SECRET_KEY": gateway.s3_secret_key.get_secret_value(),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        }
    finally:
        server.terminate()
        server.wait(20)


async def _make_databases(url: str, names: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for name in names:
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(url: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url}:\n{log.read_text()[-2000:]}")


async def test_whole_route_on_outside_servers(
    outside: dict[str, str], tmp_path: Path, open_newsroom: Any, assert_story_is_out: Any
) -> None:
    with background_stack(tmp_path / "home", outside, demo=True) as stack:
        parts = {child.name() for child in psutil.Process(stack.process.pid).children()}
        assert not parts & {"postgres", "weed"}, "a server was started although one was given"
        async with open_newsroom(stack) as newsroom:
            await assert_story_is_out(newsroom)
