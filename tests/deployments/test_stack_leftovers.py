"""Left-overs of a supervisor that was killed, with small processes in place of servers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deployments.stack.home import open_home
from deployments.stack.leftovers import end_leftovers, record
from deployments.stack.process import MARK

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return open_home(tmp_path / "home")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def _start(started: list[subprocess.Popen[bytes]], code: str = SLEEP, mark: Path | None = None) -> int:
    env = {**os.environ, MARK: str(mark)} if mark else None
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=env, start_new_session=True
    )
    started.append(process)
    assert process.stdout
    process.stdout.readline()
    return process.pid


@pytest.mark.parametrize("code", [SLEEP, STUBBORN])
def test_end_leftovers_of_a_recorded_process_ends_it(
    home: Path, started: list[subprocess.Popen[bytes]], code: str
) -> None:
    pid = _start(started, code)
    record(home, "api", pid, signal.SIGTERM)
    assert end_leftovers(home, grace_s=0.3) == ["api"]
    assert started[0].wait(5) is not None
    assert not psutil.pid_exists(pid)
    assert not list((home / "run").glob("*.pid"))


def test_end_leftovers_of_a_recycled_number_leaves_the_stranger_alone(
    home: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    pid = _start(started)
    entry = {"pid": pid, "started": psutil.Process(pid).create_time() - 60, "stop_signal": 15}
    (home / "run" / "api.pid").write_text(json.dumps(entry))
    (home / "run" / "half.pid").write_text('{"pid": ')
    assert end_leftovers(home, grace_s=0.5) == []
    assert started[0].poll() is None


def test_end_leftovers_finds_what_a_dead_part_left_behind_and_nothing_of_another_home(
    home: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    _start(started, mark=home)
    _start(started, mark=home.parent / "other")
    end_leftovers(home)
    assert started[0].wait(5) is not None
    assert started[1].poll() is None
