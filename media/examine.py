"""Intake's examination of one file: its signs, the same for whoever sends it in, and what reviewers look at."""

import asyncio
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media._ffmpeg import ffmpeg_build
from media.covers import Cover, choose_covers, make_covers
from media.errors import MediaError, RetryableMediaError
from media.finding import Finding
from media.inspect import Inspection
from media.job import Source
from media.made import RenderedFile, read_file
from media.perceptual import Fingerprint, fingerprint_frames, still_signs
from media.plain import from_plain
from media.scan import Progress, Scan, scan
from media.sniff import Kind
from media.storyboard import Storyboard, make_storyboard
from media.waveform import read_waveform

REVIEW = "review"  # as a rendition is called whose files are for reviewers alone
_VERSION = 1  # raised when other signs would be found in the same file
_SCANNED = (Kind.VIDEO, Kind.AUDIO)


@dataclass(frozen=True, slots=True)
class CoverSigns:
    """A cover to choose from: the name of its file, its moment, its size."""

    name: str
    at_s: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class StoryboardSigns:
    """How the small pictures lie on their sheet."""

    count: int
    tile_width: int
    tile_height: int


@dataclass(frozen=True, slots=True)
class Signs:
    """What the content alone tells, in plain values that can be kept and read again."""

    findings: tuple[Finding, ...] = ()
    essence_sha256: str | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    loudness_lufs: float | None = None
    peak_dbtp: float | None = None
    covers: tuple[CoverSigns, ...] = ()
    storyboard: StoryboardSigns | None = None

    @classmethod
    def of(cls, measured: dict[str, Any]) -> "Signs":
        """The inverse of what a review rendition has as `measured`. TypeError, ValueError or KeyError on else."""
        return from_plain(cls, measured)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Examination:
    """The signs, and the review files: covers to choose from, storyboard, waveform."""

    signs: Signs
    files: tuple[RenderedFile, ...] = ()


def examiner() -> str:
    """What examines here: the same content gets the same signs from the same examiner."""
    return f"{_VERSION} {ffmpeg_build()}"


def review_key(source_sha256: str) -> str:
    """The key of the review files of this content: a lower-case hex SHA-256 over the content's and the examiner."""
    canonical = json.dumps([REVIEW, source_sha256, examiner()])
    return hashlib.sha256(canonical.encode()).hexdigest()


def has_signs(kind: Kind) -> bool:
    """Whether there is more to find in such a file than the inspection finds."""
    return kind in (*_SCANNED, Kind.STILL)


async def examine(
    path: Path, inspection: Inspection, out_dir: Path, on_progress: Progress | None = None
) -> Examination:
    """All there is to find in an inspected file; review files lie in `out_dir` (made if missing).

    Raises what `scan` and `still_signs` raise; trouble with the review files is none of the file's.
    """
    kind = inspection.sniffed.kind
    if kind is Kind.STILL:
        return Examination(await _of_still(path, inspection.sniffed.format))
    if kind not in _SCANNED:
        return Examination(Signs())
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    source = Source(path, inspection.probe)
    scanned = await scan(source, out_dir / "scan", on_progress)
    covers = await _covers(source, scanned, out_dir)
    storyboard = await _storyboard(source, scanned, out_dir)
    waveform = await asyncio.to_thread(_waveform, scanned.samples, out_dir)
    signs = Signs(
        scanned.findings,
        scanned.essence_sha256,
        await fingerprint_frames(scanned.frames),
        _finite(scanned.loudness_lufs),
        _finite(scanned.peak_dbtp),
        tuple(CoverSigns(each.path.name, each.at_s, each.width, each.height) for each in covers),
        _tiles(storyboard) if storyboard else None,
    )
    return Examination(signs, await asyncio.to_thread(_files, out_dir, covers, storyboard, waveform))


async def _of_still(path: Path, image_format: str) -> Signs:
    found = await still_signs(path, image_format)
    prints = () if found.bits is None else (Fingerprint(None, found.bits),)
    return Signs(essence_sha256=found.essence_sha256, fingerprints=prints)


async def _covers(source: Source, scanned: Scan, out_dir: Path) -> tuple[Cover, ...]:
    if not scanned.frames:
        return ()
    try:
        moments_s = await choose_covers(scanned.frames, scanned.findings)
        return await make_covers(source, moments_s, out_dir)
    except RetryableMediaError:
        raise
    except MediaError:  # a place that cannot be decoded; the film is sound, and a person can choose a cover
        return ()


async def _storyboard(source: Source, scanned: Scan, out_dir: Path) -> Storyboard | None:
    try:
        return await make_storyboard(scanned.frames, source.facts.duration_s or 0.0, out_dir)
    except RetryableMediaError:
        raise
    except MediaError:  # as with the covers
        return None


def _tiles(storyboard: Storyboard) -> StoryboardSigns:
    return StoryboardSigns(storyboard.count, storyboard.tile_width, storyboard.tile_height)


def _waveform(samples: Path | None, out_dir: Path) -> Path | None:
    if samples is None:
        return None
    path = out_dir / "waveform.json"
    path.write_text(read_waveform(samples).to_json(), encoding="utf-8")
    return path


def _files(
    out_dir: Path, covers: Sequence[Cover], storyboard: Storyboard | None, waveform: Path | None
) -> tuple[RenderedFile, ...]:
    out_dir = out_dir.resolve()
    listed = [(each.path, "cover", "image/jpeg") for each in covers]
    if storyboard is not None:
        listed += [(storyboard.sheet, "storyboard", "image/jpeg"), (storyboard.cues, "cues", "text/vtt")]
    if waveform is not None:
        listed.append((waveform, "waveform", "application/json"))
    return tuple(read_file(path.resolve(), out_dir, role, media_type) for path, role, media_type in listed)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
