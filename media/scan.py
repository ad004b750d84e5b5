"""The technical look at a recording at intake: one guarded run of ffmpeg that decodes once."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from media import _ffmpeg
from media.errors import EncodeFailed, TooLarge
from media.essence import essence_of, read_hashes
from media.finding import Finding
from media.findings_picture import Seen, find_in_picture
from media.findings_sound import find_in_sound, listen
from media.hashing import hash_file
from media.job import Source
from media.loudness import Loud
from media.scan_graph import MAX_FRAMES, SAMPLE_HZ, scan_args

Progress: TypeAlias = Callable[[float], None]
# House values: 4K takes a slow machine several seconds a second; the samples are 16 kB of them, hashes up to 10.
_START_S, _WALL_PER_S = 300.0, 10.0
_FILE_BYTES, _BYTES_PER_S = 200_000_000, 4 * SAMPLE_HZ


@dataclass(frozen=True, slots=True)
class Frame:
    """A small JPEG of a moment: upright, square pixels, standard dynamic range, long side 320 px."""

    at_s: float
    path: Path


@dataclass(frozen=True, slots=True)
class Scan:
    """What one decode tells of a recording; files lie in the folder that `scan` was given."""

    findings: tuple[Finding, ...]
    essence_sha256: str
    # At most 120, evenly over the film, in order; none without a picture.
    frames: tuple[Frame, ...]
    # Mono 16-bit little-endian PCM at 8000 Hz; None without sound.
    samples: Path | None
    loudness_lufs: float | None
    peak_dbtp: float | None


async def scan(source: Source, out_dir: Path, on_progress: Progress | None = None) -> Scan:
    """Findings with their times, the hash of the essence (media/essence.py), small frames and samples.

    `source` has a picture or a sound; `out_dir` is made if missing. Times are seconds from the film's zero. What
    cannot be decoded is a finding and refuses nothing: the film counts up to there, and its essence is then that
    of its bytes. TimedOut and EncoderKilled may be tried again. Cancelling it kills ffmpeg.
    """
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".scan-") as folder:
        work = Path(folder)
        has_broken_off = await _run(source, work, on_progress)
        return await asyncio.to_thread(_read, source, work, out_dir, has_broken_off)


async def _run(source: Source, work: Path, on_progress: Progress | None) -> bool:
    """Whether ffmpeg broke off before the end."""
    length_s = source.facts.duration_s or 0.0
    limits = _ffmpeg.Limits(_START_S + _WALL_PER_S * length_s, _FILE_BYTES + int(_BYTES_PER_S * length_s))
    try:
        await _ffmpeg.run(scan_args(source, work), limits, length_s, on_progress)
    except (EncodeFailed, TooLarge):  # what it wrote so far counts
        return True
    if on_progress:
        on_progress(1.0)
    return False


def _read(source: Source, work: Path, out_dir: Path, has_broken_off: bool) -> Scan:
    film_s = source.facts.duration_s or 0.0
    findings: list[Finding] = []
    loud = Loud(None, None)
    picture, sound = read_hashes(work / "picture.hash"), read_hashes(work / "sound.hash")
    if source.facts.video:
        findings += find_in_picture(source.facts.video, Seen(work, picture, film_s, has_broken_off))
    if source.facts.audio:
        loud = listen(work, film_s)
        findings += find_in_sound(source.facts.audio, work, film_s, loud)
    # Half a film is equal to the same half of another one.
    is_whole = not has_broken_off and picture.count + sound.count > 0
    essence = essence_of(picture, sound) if is_whole else hash_file(source.path).sha256
    frames = _frames(work, out_dir)
    samples = _kept(work / "samples.pcm", out_dir)
    return Scan(tuple(findings), essence, frames, samples, loud.integrated_lufs, loud.peak_dbtp)


def _frames(work: Path, out_dir: Path) -> tuple[Frame, ...]:
    # Their names are their times in milliseconds; ffmpeg may have been killed over the last one.
    found = sorted((int(path.stem), path) for path in work.glob("*.jpg") if path.stem.isdecimal())
    kept = ((at_ms, _moved(path, out_dir / f"frame-{at_ms:09d}.jpg")) for at_ms, path in found[:MAX_FRAMES])
    return tuple(Frame(at_ms / 1000, path) for at_ms, path in kept if path.stat().st_size)


def _kept(path: Path, out_dir: Path) -> Path | None:
    return _moved(path, out_dir / path.name) if path.exists() and path.stat().st_size else None


def _moved(path: Path, to: Path) -> Path:
    return path.replace(to)
