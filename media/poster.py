"""Finds a picture that stands for a video: never a black, flat or frozen one while there is another."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from media import _ffmpeg
from media.commands import Source, frame_args
from media.errors import EncodeFailed, Malformed
from media.geometry import fit_within
from media.guard import Operation, decode
from media.stills_order import Look
from states.text import Text

# Parts of the duration, the likeliest first: past the slate, before the fade-out.
_POSITIONS = (0.1, 0.25, 0.5, 0.75, 0.03, 0.9, 0.0)
# A picture that has not changed by this much (luma, 0 to 255) in most of a second is frozen: -60 dB, the noise
# that ffmpeg's freezedetect allows where nothing else is said (ffmpeg-filters, read 2026-11-22).
_LEAST_CHANGE = 0.255
_LIMITS = _ffmpeg.Limits(wall_s=120, file_bytes=200_000_000)
_MAX_LONG_PX = 1920
_LOOKS = Operation("looks", tuple[Look, ...])


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a moment; `is_dark` when the whole video offered nothing better."""

    path: Path
    at_s: float
    is_dark: bool


async def pick_frame(source: Source, work_dir: Path) -> Frame:
    """The first good picture, upright, as PNG: of the moments that a scan found, else of seven places.

    When none is good: one that is frozen, then the brightest. Two neighbours a place are looked at, so a scan is
    not needed. Raises Malformed when no moment of the video gives a picture, and what `_ffmpeg.run` raises.
    """
    duration_s = source.facts.duration_s or 0.0
    best: tuple[tuple[bool, float], Frame] | None = None
    for at_s in (*source.moments_s, *(duration_s * part for part in _POSITIONS)):
        pictures = await grab(source, at_s, work_dir)
        if not pictures:
            continue
        looks = await decode(_LOOKS, work_dir, names=tuple(path.name for path in pictures))
        look, change = looks[0], looks[-1].change
        frame = Frame(pictures[0], at_s, look.is_dark)
        if not look.is_dark and (change is None or change >= _LEAST_CHANGE):
            return frame
        rank = (not look.is_dark, look.mean + look.spread)
        if best is None or rank > best[0]:
            best = rank, frame
    if best is None:
        raise Malformed(
            Text(
                "视频中没有可以解码的画面，请重新导出后上传。",
                "No picture of this video can be decoded; export it again and upload it.",
            )
        )
    return best[1]


def frame_size(source: Source) -> tuple[int, int]:
    """The size of the pictures that `pick_frame` takes."""
    return fit_within(source.video.width, source.video.height, _MAX_LONG_PX, _MAX_LONG_PX)


async def grab(source: Source, at_s: float, work_dir: Path) -> tuple[Path, ...]:
    """The picture of a moment and the one most of a second later, as PNG; fewer where the video ends or is broken."""
    name = f"frame-{round(at_s * 1000)}"
    try:
        await _ffmpeg.run(frame_args(source, at_s, frame_size(source), work_dir / f"{name}-%d.png"), _LIMITS)
    except EncodeFailed:
        # A broken place in the middle; the next position may be whole.
        return ()
    # Behind the last frame ffmpeg ends well and writes nothing.
    return tuple(await asyncio.to_thread(lambda: sorted(work_dir.glob(f"{name}-?.png"))))
