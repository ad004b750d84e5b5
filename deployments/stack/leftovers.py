"""What an earlier supervisor left running: found by its pid files, ended before the next start."""

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployments.stack.process import MARK, kill_group

_CLOCK_SLACK_S = 1.5  # psutil derives start times from the boot time, which moves by a second


@dataclass(frozen=True, slots=True)
class Recorded:
    """One pid file: a process is the recorded one only if its start time fits too."""

    name: str
    pid: int
    started: float
    stop_signal: int


def record(home: Path, name: str, pid: int, stop_signal: signal.Signals) -> None:
    """Write the pid file of a part that has just been started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        entry = {"pid": pid, "started": psutil.Process(pid).create_time(), "stop_signal": int(stop_signal)}
        _pid_file(home, name).write_text(json.dumps(entry), encoding="utf-8")


def forget(home: Path, name: str) -> None:
    """Remove the pid file of a part that has ended."""
    _pid_file(home, name).unlink(missing_ok=True)


def end_leftovers(home: Path, grace_s: float = 10.0) -> list[str]:
    """End what is left of an earlier run; gives the names of the parts that were still alive.

    Each is asked with its own stop signal; after `grace_s` seconds its group is killed. A process that only
    has the same number as an earlier part is left alone. Call it while holding the home.
    """
    alive = [(entry, process) for entry in _recorded(home) if (process := _same_process(entry))]
    for entry, process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(entry.stop_signal)
    psutil.wait_procs([process for _, process in alive], timeout=grace_s)
    for entry, process in alive:
        if process.is_running():
            kill_group(entry.pid)
    kill_strays(home)
    for file in (home / "run").glob("*.pid"):
        file.unlink()
    return [entry.name for entry, _ in alive]


def kill_strays(home: Path) -> int:
    """Kill the processes that parts of this home started and left behind; gives how many there were."""
    strays = [process for process in psutil.process_iter() if _belongs_to(process, home)]
    for process in strays:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(strays, timeout=5)
    return len(strays)


def _belongs_to(process: psutil.Process, home: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == str(home)
    except (psutil.Error, OSError):
        return False


def _same_process(entry: Recorded) -> psutil.Process | None:
    try:
        process = psutil.Process(entry.pid)
        same = abs(process.create_time() - entry.started) < _CLOCK_SLACK_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _recorded(home: Path) -> list[Recorded]:
    entries = []
    for file in sorted((home / "run").glob("*.pid")):
        with contextlib.suppress(ValueError, TypeError):  # half written at a crash: the marked ones are found
            entries.append(Recorded(name=file.stem, **json.loads(file.read_text(encoding="utf-8"))))
    return entries


def _pid_file(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.pid"
