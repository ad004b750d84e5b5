"""A whole stack for the length of a `with` block: for tests and benchmarks. The same command as a person's."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.stack.process import die_with_parent
from deployments.stack.s3 import PORT_COUNT
from storage.settings import Settings

_READY_S = 180.0
_STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that answers; `settings` are those that its home's `stack.env` gives."""

    home: Path
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path


def free_ports(count: int, below: int = 20_000) -> int:
    """The first of `count` ports in a row that nobody listens on now, each with its + 10000."""
    for first in range(below - 7_000 + os.getpid() % 5_000, below + 10_000, count):
        wanted = [port + more for port in range(first, first + count) for more in (0, 10_000)]
        if all(_is_free(port) for port in wanted):
            return first
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def background_stack(
    home: Path, environment: Mapping[str, str] | None = None, *, demo: bool = False, ready_s: float = _READY_S
) -> Iterator[RunningStack]:
    """Run `sanshen up` on `home` with ports of its own; with `demo`, ready means that the demo is through.

    Raises RuntimeError with the stack's last lines when it does not come up.
    """
    first = free_ports(PORT_COUNT + 4)
    ports = {
        "SANSHEN_S3_PORT": first,
        "SANSHEN_PORT": first + PORT_COUNT,
        "SANSHEN_PREFECT_PORT": first + PORT_COUNT + 1,
        "SANSHEN_DEMO_PORT": first + PORT_COUNT + 2,
        "SANSHEN_PACKAGES_PORT": first + PORT_COUNT + 3,
    }
    chosen = {name: str(port) for name, port in ports.items()} | {"SANSHEN_HOME": str(home)}
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SANSHEN_", "PREFECT_"))
    }
    env = {**kept, **chosen, **(environment or {})}
    home.mkdir(parents=True, exist_ok=True)
    log, marker = home / "up.log", home / "ready"
    marker.unlink(missing_ok=True)
    command = [sys.executable, "-m", "deployments.cli", "up", f"--ready-file={marker}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *(["--demo"] if demo else [])],
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - a prctl
        )
    try:
        _await_ready(process, marker, log, ready_s)
        yield RunningStack(home, _settings(env), process, log)
    finally:
        _stop(process)


def _await_ready(process: subprocess.Popen[bytes], marker: Path, log: Path, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while not marker.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the stack did not come up:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def _settings(env: Mapping[str, str]) -> Settings:
    """The settings as a command in this environment would read them, without changing ours."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(env)
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
