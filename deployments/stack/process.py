"""Starting and ending one operating-system process of the stack. Knows nothing of what it runs."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MARK = "SANSHEN_STACK_OF"
"""Environment variable that every process of a stack carries: the home that it belongs to."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(sig: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn` of a child that we start: it gets `sig` when we die. None outside Linux.

    Call it in the parent; a process that is already a child uses `follow_parent`.
    """
    if _LIBC is None:
        return None
    parent = os.getpid()

    def before_exec() -> None:
        follow_parent(sig)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return before_exec


def follow_parent(sig: signal.Signals) -> None:
    """In a forked child: the kernel sends `sig` when the parent dies, even by kill -9; nothing outside Linux."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(sig))


def child_environment(extra: Mapping[str, str], home: Path) -> dict[str, str]:
    """Our environment with `extra`, without PG*, which would turn PostgreSQL clients elsewhere, and without the
    address of the tables' owner, which no part needs.
    """
    left_out = ("PG", "SANSHEN_DATABASE_OWNER_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, MARK: str(home), **extra}


async def spawn(
    command: Sequence[str], env: Mapping[str, str], log: Path, user: str | None, parent_died: signal.Signals
) -> Process:
    """Start a process in a session of its own, its output appended to `log`."""
    identity = {"user": user, "group": user, "extra_groups": []} if user else {}
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            # Only a prctl between fork and exec: no lock of ours can be held there.
            preexec_fn=die_with_parent(parent_died),
            **identity,  # type: ignore[arg-type]
        )


async def end(process: Process, sig: signal.Signals, grace_s: float) -> None:
    """Ask a process to end; after `grace_s` seconds, and for what it leaves behind, SIGKILL to its group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sig)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace_s)
    kill_group(process.pid)
    await process.wait()


def kill_group(pid: int) -> None:
    """SIGKILL to the whole group that `pid` leads; nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
