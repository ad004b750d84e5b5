"""The one door to the ffmpeg program: runs it behind the guard, reports its progress, types its failures."""

import functools
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg

from media import sandbox
from media.errors import EncodeFailed, EncoderKilled, TimedOut, TooLarge
from media.sandbox import Ended, Files, Limits, cpu_count
from states.text import Text

__all__ = ["Limits", "cpu_count", "ffmpeg_build", "has_filter", "run"]

_COMMON = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-progress", "pipe:1", "-y")


@functools.cache
def ffmpeg_build() -> str:
    """The version line of the ffmpeg that is used, such as "ffmpeg version n9.0.2…"."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return shown.stdout.splitlines()[0].split(" Copyright")[0]


@functools.cache
def has_filter(name: str) -> bool:
    """Whether this ffmpeg was built with a filter, such as "libvmaf"."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-filters"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return any(line.split()[1:2] == [name] for line in shown.stdout.splitlines())


async def run(
    args: Sequence[str],
    limits: Limits,
    duration_s: float | None = None,
    on_progress: Callable[[float], None] | None = None,
    reads: Sequence[Path] = (),
) -> None:
    """Runs ffmpeg to its end; `on_progress` gets 0.0 to 1.0. Says nothing of whether the output is right.

    It may open what stands behind each `-i` and in `reads` (what filters open: fonts, subtitles), and write
    into the folders of the other absolute paths. TimedOut and EncoderKilled may be tried again; TooLarge and
    EncodeFailed are final. However this ends, by cancellation too, no process of the group is left.
    """

    def note(line: bytes) -> None:
        name, _, value = line.decode("ascii", "replace").strip().partition("=")
        if on_progress and duration_s and name == "out_time_us" and value.lstrip("-").isdigit():
            on_progress(min(1.0, max(0.0, int(value) / 1e6 / duration_s)))

    command = [imageio_ffmpeg.get_ffmpeg_exe(), *_COMMON, *args]
    try:
        ended = await sandbox.run(command, _files(args, reads), limits, note)
    except TimeoutError as error:
        raise _timed_out() from error
    _raise_for(ended)


def _files(args: Sequence[str], reads: Sequence[Path]) -> Files:
    opened, written = list(reads), []
    for before, arg in zip(("", *args), args, strict=False):
        name = arg.removeprefix("file:")
        if not name.startswith("/"):
            continue
        path = Path(name)
        if before == "-i":
            opened.append(path)
        else:  # `/out/%v/index.m3u8`: ffmpeg itself makes the folder of each rung
            written.append(next(folder for folder in path.parents if folder.is_dir()))
    return Files(tuple(opened), tuple(folder for folder in dict.fromkeys(written) if folder != Path("/")))


def _raise_for(ended: Ended) -> None:
    if ended.status == 0:
        return
    if ended.signal == signal.SIGXFSZ or "File too large" in ended.tail:
        raise TooLarge(
            Text(
                "成品超过了大小上限，请缩短视频。", "The rendition is over its size limit; shorten the video."
            ),
            ended.tail,
        )
    if ended.signal == signal.SIGXCPU:
        raise _timed_out()
    if ended.signal is not None and not ended.has_crashed:
        raise EncoderKilled(
            Text(
                "转码进程被系统中止，将自动重试；若一再发生，请给主机增加内存。",
                "The encoder was killed and will be tried again; if this goes on, give the host more memory.",
            ),
            f"signal {ended.signal} {ended.tail}".strip(),
        )
    raise EncodeFailed(
        Text(
            "转码失败：文件可能已损坏，请重新导出后上传。",
            "The encoder failed: the file may be damaged; export it again and upload it.",
        ),
        f"signal {ended.signal} {ended.tail}".strip() if ended.signal else ended.tail,
    )


def _timed_out() -> TimedOut:
    return TimedOut(
        Text(
            "转码超过了时间上限，将自动重试；若一再发生，请缩短视频。",
            "Encoding took too long and will be tried again; if this goes on, shorten the video.",
        )
    )
