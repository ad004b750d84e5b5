"""Chooses the pictures that may stand for a film, and makes them full size. The rules hold for posters too."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from media.finding import Finding
from media.guard import Operation, decode
from media.job import Source
from media.perceptual import distance, look_at_frames
from media.poster import grab
from media.scan import Frame
from media.stills_order import Look, MadeStill, Order

__all__ = ["Cover", "choose_covers", "make_covers"]

MAX_COVERS = 6
# In which order the parts of a film are asked for a picture: past the slate first, before the fade-out last.
_PARTS = (1, 2, 0, 3, 4, 5)
# A frame counts as blurred below this part of its film's usual sharpness: films differ in this a hundredfold.
_BLURRED = 0.4
# Two covers are different above this distance; it is twice what a look at one scene drifts within a second or two.
_LEAST_DISTANCE = 14
_STRETCHES = {"black", "frozen"}
# A stretch is measured to a frame or so; a cover keeps away a little from its edges.
_EDGE_S = 0.1
# In luma of 255. Of a picture that stands still the scan makes the same JPEG; of a tripod's at night it does not.
_LEAST_CHANGE = 0.05
_MAX_LONG_PX = 1920
_MAKE = Operation("make_still", MadeStill, file_bytes=100_000_000)


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover to choose from: a JPEG of a moment, upright, standard dynamic range, with pixels alone in it."""

    at_s: float
    path: Path
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    at_s: float
    look: Look
    is_still: bool


async def choose_covers(
    frames: Sequence[Frame], findings: Sequence[Finding], looks: Sequence[Look] | None = None
) -> tuple[float, ...]:
    """Up to six moments of a film in seconds, the likeliest first; none when all of it is black.

    Never black, flat or blurred, not from a black or frozen stretch where anything moves, spread over the film and
    different from each other. `looks` are those of the frames, where they were had already. Raises as `decode` does.
    """
    if looks is None:
        looks = await look_at_frames(frames)
    seen = [
        _Candidate(frame.at_s, look, _is_still(looks, number))
        for number, (frame, look) in enumerate(zip(frames, looks, strict=True))
        if not look.is_dark and look.bits is not None
    ]
    # Of a show of slides, or a picture with a voice, all is frozen.
    pool = [each for each in seen if not each.is_still and not _is_inside(each.at_s, findings)] or seen
    if not pool:
        return ()
    usual = median(each.look.sharpness for each in pool)
    sharp = [each for each in pool if each.look.sharpness >= _BLURRED * usual]
    return tuple(each.at_s for each in _spread_out(sharp, frames[0].at_s, frames[-1].at_s))


async def make_covers(source: Source, times_s: Sequence[float], out_dir: Path) -> tuple[Cover, ...]:
    """The moments as `cover-1.jpg`, `cover-2.jpg` …, no side over 1920 px; one that gives no picture is left out.

    Makes `out_dir`. Raises what `_ffmpeg.run` and `decode` raise, but for a place that cannot be decoded.
    """
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    covers: list[Cover] = []
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".covers-") as work:
        for at_s in times_s:
            grabbed = await grab(source, at_s, Path(work))
            if not grabbed:
                continue
            out = (await asyncio.to_thread(out_dir.resolve)) / f"cover-{len(covers) + 1}.jpg"
            order = Order(_MAX_LONG_PX, _MAX_LONG_PX)
            made = await decode(
                _MAKE, grabbed[0], writes=(out.parent,), image_format="png", order=order, out=out
            )
            covers.append(Cover(at_s, out, made.width, made.height))
    return tuple(covers)


def _is_still(looks: Sequence[Look], number: int) -> bool:
    """Whether it is the very picture of its neighbour: of many frozen stretches, findings name the longest alone."""
    changes = (look.change for look in looks[number : number + 2])
    return any(change is not None and change < _LEAST_CHANGE for change in changes)


def _is_inside(at_s: float, findings: Sequence[Finding]) -> bool:
    return any(
        finding.code in _STRETCHES
        and finding.at_s is not None
        and finding.at_s - _EDGE_S <= at_s <= (finding.until_s or finding.at_s) + _EDGE_S
        for finding in findings
    )


def _spread_out(candidates: Sequence[_Candidate], start_s: float, end_s: float) -> list[_Candidate]:
    """The sharpest of each sixth of the film that resembles none before; then whatever else is different."""
    part_s = (end_s - start_s) / len(_PARTS) or 1.0
    parts: dict[int, list[_Candidate]] = {part: [] for part in _PARTS}
    for each in sorted(candidates, key=_sharpness, reverse=True):
        parts[min(int((each.at_s - start_s) / part_s), len(_PARTS) - 1)].append(each)
    chosen: list[_Candidate] = []
    for part in _PARTS:
        chosen += [each for each in parts[part] if _is_new(each, chosen)][:1]
    for each in [each for part in _PARTS for each in parts[part]]:
        if len(chosen) < MAX_COVERS and _is_new(each, chosen):
            chosen.append(each)
    return chosen


def _is_new(candidate: _Candidate, chosen: Sequence[_Candidate]) -> bool:
    return all(distance(candidate.look.bits or 0, other.look.bits or 0) > _LEAST_DISTANCE for other in chosen)


def _sharpness(candidate: _Candidate) -> float:
    return candidate.look.sharpness
