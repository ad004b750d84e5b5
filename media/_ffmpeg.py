"""The one door to the ffmpeg program: runs it bounded, reports its progress, kills it with its group."""

import asyncio
import contextlib
import ctypes
import functools
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import imageio_ffmpeg

from media.errors import EncodeFailed, EncoderKilled, TimedOut, TooLarge
from states.text import Text

_COMMON = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-progress", "pipe:1", "-y")
_STDERR_TAIL_BYTES = 4096
_PATHS = re.compile(r"(?:file:)?/[^\s:'\"]+")
_PR_SET_PDEATHSIG = 1
# Loaded here: after a fork it is too late to load anything.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of ffmpeg may use. Six outputs of 1080p take about 1 GB, address space several times that."""

    wall_s: float
    file_bytes: int
    memory_bytes: int = 12 << 30


def cpu_count() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@functools.cache
def ffmpeg_build() -> str:
    """The version line of the ffmpeg that is used, such as "ffmpeg version n9.0.2…"."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return shown.stdout.splitlines()[0].split(" Copyright")[0]


async def run(
    args: Sequence[str],
    limits: Limits,
    duration_s: float | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Runs ffmpeg to its end; `on_progress` gets 0.0 to 1.0. Says nothing of whether the output is right.

    TimedOut and EncoderKilled may be tried again; TooLarge and EncodeFailed are final. However this ends,
    by cancellation too, no process of the group is left.
    """
    process = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        *_COMMON,
        *args,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=functools.partial(_bind_child, limits, os.getpid()),
    )
    assert process.stdout is not None  # noqa: S101 - a pipe, as asked
    assert process.stderr is not None  # noqa: S101 - a pipe, as asked
    try:
        async with asyncio.timeout(limits.wall_s):
            _, tail = await asyncio.gather(
                _read_progress(process.stdout, duration_s, on_progress), _read_tail(process.stderr)
            )
            await process.wait()
    except TimeoutError as error:
        raise _timed_out() from error
    finally:
        await _end_group(process)
    _raise_for(process.returncode, tail)


def _bind_child(limits: Limits, parent: int) -> None:
    """Runs in the child between fork and exec: die with the parent, and stay inside the limits."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    cpu_s = int(limits.wall_s * cpu_count()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def _end_group(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        # At once and hard: what it wrote so far is thrown away, so there is nothing to finish.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _read_progress(
    stream: asyncio.StreamReader, duration_s: float | None, on_progress: Callable[[float], None] | None
) -> None:
    async for line in stream:
        name, _, value = line.decode("ascii", "replace").strip().partition("=")
        if on_progress and duration_s and name == "out_time_us" and value.lstrip("-").isdigit():
            on_progress(min(1.0, max(0.0, int(value) / 1e6 / duration_s)))


async def _read_tail(stream: asyncio.StreamReader) -> str:
    tail = b""
    while piece := await stream.read(65_536):
        tail = (tail + piece)[-_STDERR_TAIL_BYTES:]
    # Paths of this machine belong in no message.
    return _PATHS.sub("<path>", tail.decode("utf-8", "replace")).strip()


def _raise_for(code: int | None, tail: str) -> None:
    if code == 0:
        return
    if code == -signal.SIGXFSZ or "File too large" in tail:
        raise TooLarge(
            Text(
                "成品超过了大小上限，请缩短视频。", "The rendition is over its size limit; shorten the video."
            ),
            tail,
        )
    if code == -signal.SIGXCPU:
        raise _timed_out()
    if code is not None and code < 0:
        raise EncoderKilled(
            Text(
                "转码进程被系统中止，将自动重试；若一再发生，请给主机增加内存。",
                "The encoder was killed and will be tried again; if this goes on, give the host more memory.",
            ),
            f"signal {-code} {tail}".strip(),
        )
    raise EncodeFailed(
        Text(
            "转码失败：文件可能已损坏，请重新导出后上传。",
            "The encoder failed: the file may be damaged; export it again and upload it.",
        ),
        tail,
    )


def _timed_out() -> TimedOut:
    return TimedOut(
        Text(
            "转码超过了时间上限，将自动重试；若一再发生，请缩短视频。",
            "Encoding took too long and will be tried again; if this goes on, shorten the video.",
        )
    )
