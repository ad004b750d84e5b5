"""The guard round every process that reads a stranger's bytes: limits always, more walls where the host has them.

Knows neither decoders nor formats: a command, its files and its limits in, how it ended out.
"""

import asyncio
import contextlib
import ctypes
import functools
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from media import bubblewrap, syscalls

_STDERR_TAIL_BYTES = 4096
_LINE_BYTES = 32 << 20
_OPEN_FILES = 256
_LAST_WORDS_S = 2.0
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS}
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_SIGNALS = _CRASHES | _FROM_OUTSIDE | {signal.SIGXFSZ, signal.SIGXCPU}
_PATHS = re.compile(r"(?:file:)?/[^\s:'\"]+")
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
# Loaded and built here: after a fork it is too late for either.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
if _LIBC is not None:
    _LIBC.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
_FILTER = syscalls.Program() if syscalls.FILTER else None
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may use. Six outputs of 1080p take about 1 GB, address space several times that."""

    wall_s: float
    file_bytes: int
    memory_bytes: int = 12 << 30


@dataclass(frozen=True, slots=True)
class Files:
    """What one process may open: files or folders to read, folders to write into."""

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit status, or the signal that killed it, and the end of what it complained."""

    status: int
    signal: int | None
    tail: str

    @property
    def has_crashed(self) -> bool:
        """Whether the process fell over by itself."""
        return self.signal in _CRASHES


def cpu_count() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@functools.cache
def walls() -> bubblewrap.Walls | None:
    """Bubblewrap, where it is installed and works; asked once a process. None: the limits stand alone."""
    return bubblewrap.find()


async def run(
    command: Sequence[str],
    files: Files,
    limits: Limits,
    on_line: Callable[[bytes], None],
) -> Ended:
    """Runs a command to its end, each line of its output to `on_line`. TimeoutError over the wall time.

    However this ends, by cancellation too, no process of the command is left when it returns.
    """
    around = await asyncio.to_thread(walls)
    with contextlib.ExitStack() as stack:
        inner = list(command)
        descriptors: tuple[int, ...] = ()
        if around:
            descriptors = tuple(_filter_descriptor(stack))
            inner = around.command(inner, files.reads, files.writes, descriptors)
        starting = asyncio.create_task(_start(inner, limits, descriptors, is_alone=around is None))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Half started, it could only be let go; started, it is ended with all that it has begun.
            await _end_group(await starting)
            raise
    code, tail = await _follow(process, limits, on_line)
    # Bubblewrap gives 128 + signal for a command that a signal killed, as a shell does.
    number = -code if code < 0 else code - 128 if around else 0
    return Ended(code, number if number in _SIGNALS else None, tail)


async def _start(
    command: Sequence[str], limits: Limits, descriptors: tuple[int, ...], is_alone: bool
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        env=_environment(),
        pass_fds=descriptors,
        start_new_session=True,
        preexec_fn=functools.partial(_bind_child, limits, os.getpid(), is_alone),
    )


async def _follow(
    process: asyncio.subprocess.Process, limits: Limits, on_line: Callable[[bytes], None]
) -> tuple[int, str]:
    assert process.stdout is not None  # noqa: S101 - a pipe, as asked
    assert process.stderr is not None  # noqa: S101 - a pipe, as asked
    complaint = asyncio.create_task(_tail(process.stderr))
    try:
        async with asyncio.timeout(limits.wall_s):
            await _lines(process.stdout, on_line)
            return await process.wait(), await complaint
    finally:
        await _end_group(process)
        # Inside bubblewrap the command dies a moment after its keeper, and lets go of the pipe then.
        await asyncio.wait({complaint}, timeout=_LAST_WORDS_S)
        complaint.cancel()


def _environment() -> dict[str, str]:
    # Whoever reads a stranger's bytes learns no password and no address from here.
    libraries = os.environ.get("LD_LIBRARY_PATH")
    return _ENVIRONMENT | ({"LD_LIBRARY_PATH": libraries} if libraries else {})


def _filter_descriptor(stack: contextlib.ExitStack) -> list[int]:
    if syscalls.FILTER is None:
        return []
    descriptor = os.memfd_create("filter", 0)
    stack.callback(os.close, descriptor)
    os.write(descriptor, syscalls.FILTER)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return [descriptor]


def _bind_child(limits: Limits, parent: int, is_alone: bool) -> None:
    """Runs in the child between fork and exec: die with the parent, and stay inside the limits."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    cpu_s = _cpu_s(limits)
    # The signal first, so that the end has a name; the kernel kills a second later.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if _LIBC is not None and is_alone:  # bubblewrap does both by itself, after it has made its namespaces
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if _FILTER is not None:
            _LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _FILTER.address, 0, 0)


def _cpu_s(limits: Limits) -> int:
    return int(limits.wall_s * cpu_count()) + 1


async def _end_group(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    # At once and hard: what it wrote so far is thrown away, so there is nothing to finish.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _lines(stream: asyncio.StreamReader, on_line: Callable[[bytes], None]) -> None:
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                on_line(error.partial)
            return
        on_line(line)


async def _tail(stream: asyncio.StreamReader) -> str:
    tail = b""
    while piece := await stream.read(65_536):
        tail = (tail + piece)[-_STDERR_TAIL_BYTES:]
    # Paths of this machine belong in no message.
    return _PATHS.sub("<path>", tail.decode("utf-8", "replace")).strip()
