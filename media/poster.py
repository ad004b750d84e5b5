"""Finds a picture that stands for a video: never a black or a flat one while there is another."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from media import _ffmpeg
from media.commands import Source, frame_args
from media.errors import EncodeFailed, Malformed
from media.geometry import fit_within
from media.guard import Operation, decode
from media.stills_order import Brightness
from states.text import Text

# Parts of the duration, the likeliest first: past the slate, before the fade-out.
_POSITIONS = (0.1, 0.25, 0.5, 0.75, 0.03, 0.9, 0.0)
# Luma, 0 to 255. Video black is 0 here; a night scene has a spread, a flat card has none.
_MIN_MEAN, _MIN_SPREAD = 18.0, 6.0
_LIMITS = _ffmpeg.Limits(wall_s=120, file_bytes=200_000_000)
_MAX_LONG_PX = 1920
_BRIGHTNESS = Operation("brightness", Brightness)


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a moment; `is_dark` when the whole video offered nothing better."""

    path: Path
    at_s: float
    is_dark: bool


async def pick_frame(source: Source, work_dir: Path) -> Frame:
    """The first frame of a few that is neither black nor flat, upright, as PNG; else the brightest of them.

    Raises Malformed when no moment of the video gives a picture, and what `_ffmpeg.run` raises.
    """
    best: tuple[float, Frame] | None = None
    for number, part in enumerate(_POSITIONS):
        at_s = (source.facts.duration_s or 0.0) * part
        path = work_dir / f"frame-{number}.png"
        if not await _grab(source, at_s, path):
            continue
        light = await decode(_BRIGHTNESS, path)
        if light.mean >= _MIN_MEAN and light.spread >= _MIN_SPREAD:
            return Frame(path, at_s, is_dark=False)
        if best is None or light.mean + light.spread > best[0]:
            best = (light.mean + light.spread, Frame(path, at_s, is_dark=True))
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


async def _grab(source: Source, at_s: float, path: Path) -> bool:
    try:
        await _ffmpeg.run(frame_args(source, at_s, frame_size(source), path), _LIMITS)
    except EncodeFailed:
        # A broken place in the middle; the next position may be whole.
        return False
    # Behind the last frame ffmpeg ends well and writes nothing.
    return await asyncio.to_thread(path.exists)
