"""Small pictures of a film on one sheet, with their times, for looking ahead while seeking."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from media.guard import Operation, decode
from media.scan import Frame
from media.stills_order import Sheet

# Five seconds at 400 kbit/s, "Slow 3G" in browsers' throttling lists. Two real clips took 177 and 206 kB.
MAX_SHEET_BYTES = 250_000
_SHEET = Operation("sheet", Sheet, file_bytes=50_000_000)
_SHEET_NAME, _CUES_NAME = "storyboard.jpg", "storyboard.vtt"


@dataclass(frozen=True, slots=True)
class Storyboard:
    """A sheet (JPEG) and the WebVTT file that says which part of it belongs to which time."""

    sheet: Path
    cues: Path
    count: int
    tile_width: int
    tile_height: int


async def make_storyboard(frames: Sequence[Frame], duration_s: float, out_dir: Path) -> Storyboard | None:
    """`storyboard.jpg` and `storyboard.vtt` in `out_dir` (made if missing); None where there are no frames.

    The sheet stays below MAX_SHEET_BYTES: by lower quality, then by smaller pictures. Raises as `decode`.
    """
    if not frames:
        return None
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    out = (await asyncio.to_thread(out_dir.resolve)) / _SHEET_NAME
    names = tuple(frame.path.name for frame in frames)
    sheet = await decode(
        _SHEET,
        frames[0].path.parent,
        writes=(out.parent,),
        names=names,
        max_bytes=MAX_SHEET_BYTES,
        out=out,
    )
    times_s = [frame.at_s for frame in frames]
    cues = out.parent / _CUES_NAME
    await asyncio.to_thread(cues.write_text, webvtt(times_s, duration_s, sheet), "utf-8")
    return Storyboard(out, cues, len(times_s), sheet.tile_width, sheet.tile_height)


def webvtt(times_s: Sequence[float], duration_s: float, sheet: Sheet) -> str:
    """One cue a picture, each from half way after the one before to half way before the next.

    WebVTT (W3C); the part of the sheet as a spatial fragment, `#xywh=` (W3C Media Fragments URI 1.0, 4.2.2), as
    JW Player and Video.js read it.
    """
    edges_s = [0.0, *((before + after) / 2 for before, after in pairwise(times_s)), 0.0]
    edges_s[-1] = max(duration_s, times_s[-1] + 0.001)
    cues = [
        f"{_clock(start_s)} --> {_clock(end_s)}\n{_SHEET_NAME}#xywh={_place(number, sheet)}\n"
        for number, (start_s, end_s) in enumerate(pairwise(edges_s))
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _place(number: int, sheet: Sheet) -> str:
    row, column = divmod(number, sheet.columns)
    return f"{column * sheet.tile_width},{row * sheet.tile_height},{sheet.tile_width},{sheet.tile_height}"


def _clock(at_s: float) -> str:
    minutes, milliseconds = divmod(round(at_s * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
