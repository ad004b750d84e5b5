"""The data folder of one installation: who may enter it, and that only one supervisor holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.stack.errors import AlreadyRunning
from states.text import Text


def open_home(home: Path) -> Path:
    """The absolute home with `logs/` and `run/`, made if missing.

    Closed to other people; only root leaves it passable, because PostgreSQL then runs as a user of its own.
    """
    home = home.expanduser().resolve()
    home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    for name in ("logs", "run"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    return home


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Hold the home as its only supervisor; AlreadyRunning names the one that has it.

    The kernel lets go of the lock when the process dies, however it dies.
    """
    descriptor = os.open(home / "run" / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_held_by(os.read(descriptor, 20).decode().strip(), home)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def supervisor_of(home: Path) -> int | None:
    """The process that holds this home as its supervisor, or None."""
    lock = home / "run" / "supervisor.lock"
    if not lock.exists():
        return None
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read().strip() or 0)
    return None


def write_private(path: Path, content: str) -> None:
    """Put a file in place whole, on disk, and readable by its owner only."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _held_by(pid: str, home: Path) -> Text:
    return Text(
        zh=f"{home} 已有一个 sanshen up 在运行（进程 {pid}）。先用 Ctrl-C 或 kill {pid} 停止它，"
        "或者用 SANSHEN_HOME 指定另一个目录。",
        en=f"sanshen up is already running on {home} (process {pid}). Stop it first with Ctrl-C or "
        f"kill {pid}, or name another folder with SANSHEN_HOME.",
    )
