"""The technical look at a recording at intake: one guarded run of ffmpeg that decodes once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from media.finding import Finding
from media.job import Source

Progress: TypeAlias = Callable[[float], None]


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
    """Findings with their times, the hash of the essence, small frames and samples."""
    raise NotImplementedError
