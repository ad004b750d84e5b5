"""Has a file decoded in a guarded child process, and believes only a typed answer. Decodes nothing itself."""

import asyncio
import functools
import importlib.util
import json
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from media import errors, sandbox
from media.bubblewrap import python_files
from media.errors import EncoderKilled, Malformed, MediaError, TimedOut
from media.plain import from_plain, to_plain
from media.sandbox import Ended, Files, Limits
from states.text import Text

# Isolated (-I), and without site (-S): no `.pth` file and no module of the folder we stand in is ever run.
_START = "import sys; sys.path += sys.argv[1].split('\\n'); from media.decoder import main; main(sys.argv[2])"
_PACKAGES = ("media", "states", "av", "PIL", "pi_heif")
_OURS = ("media", "states")
_BASE_WALL_S = 60.0
# Slower than any disk worth the name: what a look at every packet of a long recording may take.
_READ_BYTES_PER_S = 10_000_000
_MEMORY_BYTES = 4 << 30

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Answer]):
    """One thing that a decoder can do: its name in `media.decoder`, and the type of a good answer."""

    name: str
    answer: type[Answer]
    file_bytes: int = 0


async def decode(
    operation: Operation[Answer],
    path: Path,
    writes: Sequence[Path] = (),
    wall_s: float | None = None,
    **more: Any,
) -> Answer:
    """What the operation answers for this file; `more` are its further arguments.

    Raises what the operation refuses with, Malformed when the decoder fell over it, TimedOut and EncoderKilled
    (both may be tried again). Cancelling it kills the child.
    """
    absolute = await asyncio.to_thread(path.resolve)
    size_bytes = (await asyncio.to_thread(absolute.stat)).st_size
    limits = Limits(
        wall_s or _BASE_WALL_S + size_bytes / _READ_BYTES_PER_S, operation.file_bytes, _MEMORY_BYTES
    )
    asked = {name: to_plain(value) for name, value in more.items()}
    request = json.dumps({"operation": operation.name, "path": str(absolute), "arguments": asked})
    answers: list[bytes] = []
    files = Files((*_python_reads(), absolute), tuple(writes))
    try:
        ended = await sandbox.run([*_python(), request], files, limits, answers.append)
    except TimeoutError as error:
        raise _timed_out() from error
    except asyncio.LimitOverrunError as error:
        raise _malformed("the answer is too long") from error
    return _read(operation, ended, answers)


def blocking(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Runs the work to its end from code that is not asynchronous, whether or not a loop runs in this thread."""
    ended: list[Answer] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            ended.append(asyncio.run(work))
        except BaseException as error:  # raised again in the thread that asked
            failed.append(error)

    # A thread of its own that lives as long as the child: the child dies with the thread that started it.
    thread = threading.Thread(target=run, name="sanshen-decode")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return ended[0]


def _read(operation: Operation[Answer], ended: Ended, lines: Sequence[bytes]) -> Answer:
    if ended.status != 0:
        _raise_for(ended)
    try:
        (line,) = lines
        reply = json.loads(line, parse_constant=_no_number)
        if "answer" in reply:
            answer: Answer = from_plain(operation.answer, reply["answer"])
            return answer
        refusal = _refusal(reply["refused"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _malformed(f"no answer: {type(error).__name__} {ended.tail}") from error
    raise refusal


def _refusal(value: dict[str, Any]) -> MediaError:
    kind = getattr(errors, from_plain(str, value["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, MediaError)):
        raise TypeError(value["error"])
    refused: MediaError = kind(from_plain(Text, value["text"]), from_plain(str, value["detail"]))
    return refused


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _raise_for(ended: Ended) -> NoReturn:
    if ended.signal == signal.SIGXCPU:
        raise _timed_out()
    if ended.signal is not None and not ended.has_crashed:
        raise EncoderKilled(
            Text(
                "读取文件的进程被系统中止，将自动重试；若一再发生，请给主机增加内存。",
                "The reader was killed and will be tried again; if this goes on, give the host more memory.",
            ),
            f"signal {ended.signal}",
        )
    raise _malformed(f"the decoder fell over: {ended.signal or ended.status} {ended.tail}")


def _malformed(detail: str) -> Malformed:
    return Malformed(
        Text(
            "文件无法解码，可能已损坏，请从设备上重新导出并上传。",
            "The file cannot be decoded and may be damaged; export it from the device again and upload it.",
        ),
        detail,
    )


def _timed_out() -> TimedOut:
    return TimedOut(
        Text(
            "读取文件超过了时间上限，将自动重试；若一再发生，请重新导出后上传。",
            "Reading the file took too long and will be tried again; if this goes on, export it anew.",
        )
    )


@functools.cache
def _python() -> tuple[str, ...]:
    # The interpreter itself, not the link in the environment: that leads into a folder which is not bound.
    program = os.path.realpath(sys.executable)
    folders = dict.fromkeys(str(_folder(name).parent) for name in _PACKAGES)
    return (program, "-I", "-S", "-B", "-c", _START, "\n".join(folders))


@functools.cache
def _python_reads() -> tuple[Path, ...]:
    ours = [_folder(name) for name in _OURS]
    installed = [_folder(name).parent for name in _PACKAGES if name not in _OURS]
    return (*python_files(), *dict.fromkeys([*installed, *ours]))


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None  # noqa: S101 - a dependency of ours
    assert found.origin is not None  # noqa: S101 - no namespace package
    return Path(found.origin).resolve().parent
