"""What the desk lays over a picture or puts around it: logo, subtitles, label, clips. Runs nothing."""

from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from media.commands_picture import ONE_OF_MANY, on_canvas, open_source, progressive, size_of, sized
from media.geometry import contain
from media.job import Job, Picture, Source

# House values: the logo is an eighth as wide as the picture, a twenty-fifth from the upper right corner.
_LOGO_PART, _MARGIN_PART = 8, 25
# Two thirds of the label's height are letters, so these are 6 % of the short side (GB 45438-2025: 5 % at least).
LABEL_PART = 0.09
# libass counts in 288ths of the height; these are 5.5 % of the short side, as subtitles on television are.
_LINES_HIGH, _SUBTITLE_PART = 288, 0.055


def with_logo(stream: Any, job: Job, turn: int) -> Any:
    """The logo in the upper right corner. `turn` tells the outputs of a run apart."""
    top = job.pictures[0]
    logo = _png(job.worn.logo, turn).filter("scale", top.width // _LOGO_PART, -1)
    margin = top.height // _MARGIN_PART
    return ffmpeg.overlay(stream, logo, x=f"W-w-{margin}", y=margin)


def with_subtitles(stream: Any, job: Job) -> Any:
    """The subtitles burnt in."""
    top, worn = job.pictures[0], job.worn
    size = max(6, round(_LINES_HIGH * _SUBTITLE_PART * min(top.width, top.height) / top.height))
    style = f"FontName=Noto Sans SC,FontSize={size},Outline=1,MarginV={size}"
    return stream.filter("subtitles", str(worn.subtitles), fontsdir=str(worn.fonts), force_style=style)


def with_label(stream: Any, job: Job, turn: int) -> Any:
    """The explicit label, from the very first frame on, whatever clip stands there."""
    short_px = min(size_of(job.pictures[0]))
    label = _png(job.worn.label, turn).filter("scale", -1, ceil(short_px * LABEL_PART))
    margin = short_px // _MARGIN_PART
    return ffmpeg.overlay(stream, label, x=margin, y=margin, enable=f"lt(t,{job.worn.label_s:g})")


def between_clips(stream: Any, job: Job, turn: int) -> Any:
    """The piece behind its opening and before its closing clip, where it has them."""
    opening, closing = (
        [_clip(clip.source, job.pictures[0], turn)] if clip else []
        for clip in (job.worn.opening, job.worn.closing)
    )
    parts = [*opening, stream, *closing]
    return ffmpeg.concat(*parts, v=1, a=0) if len(parts) > 1 else stream


def _clip(clip: Source, top: Picture, turn: int) -> Any:
    canvas = size_of(top)
    opened = open_source(clip, thread_queue_size=ONE_OF_MANY + turn)
    stream = progressive(clip, opened[str(clip.video.index)], canvas)
    stream = stream.filter("fps", fps=str(top.rate), start_time=0)
    size = contain(clip.video.width, clip.video.height, canvas)
    return on_canvas(sized(clip.video, stream, size), size, canvas)


def _png(path: Path | None, turn: int) -> Any:
    walls = {"f": "image2", "pattern_type": "none", "protocol_whitelist": "file"}
    return ffmpeg.input(str(path), **walls, thread_queue_size=ONE_OF_MANY + turn)
