"""The filters of a picture: one decode for all, then what each output makes of it. Runs nothing."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from media._ffmpeg import cpu_count
from media.geometry import contain, cover, fit_within
from media.job import Crop, Job, Picture, Source
from media.probe import MAX_VIDEO_PIXELS, VideoFacts
from media.profiles_form import Output

_UNKNOWN_MATRIX = 2
# Cameras end their two streams up to this far apart; no eye sees it.
_TAIL_S = 0.25
# ITU-R BT.709 for the whole of the output, whatever came in.
BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "range": "tv"}
# A file that several outputs of a run open is an input for each: ffmpeg-python takes equal ones for one, and
# one cannot end in two filters. Their queues differ, from this length on, and nothing else.
ONE_OF_MANY = 8
_FIELD_RATE = Fraction(25)
_NEIGHBOUR_S = 0.8
_APART = f"eq(n,0)+gte(t-prev_selected_t,{_NEIGHBOUR_S})"
# House values: the logo is an eighth as wide as the picture, a twenty-fifth from the upper right corner.
_LOGO_PART, _MARGIN_PART = 8, 25
# Two thirds of the label's height are letters, so these are 6 % of the short side (GB 45438-2025: 5 % at least).
LABEL_PART = 0.09
# libass counts in 288ths of the height; these are 5.5 % of the short side, as subtitles on television are.
_LINES_HIGH, _SUBTITLE_PART = 288, 0.055


def open_source(source: Source, **options: Any) -> Any:
    """The input of a run, walled in: one demuxer, local files, no picture over the cap."""
    demuxer = source.facts.demuxer
    walls = {"f": demuxer, "format_whitelist": demuxer, "protocol_whitelist": "file"}
    path = str(source.path.resolve())
    return ffmpeg.input(path, **walls, threads=cpu_count(), max_pixels=MAX_VIDEO_PIXELS, **options)


def frame_stream(source: Source, at_s: float, size: tuple[int, int]) -> Any:
    """The picture of a moment, and the first one that comes most of a second later.

    The seek stands before the input: behind it, all would be decoded.
    """
    opened = open_source(source, ss=f"{at_s:.3f}", t=_NEIGHBOUR_S * 2)
    stream = opened[str(source.video.index)]
    if source.video.is_interlaced:  # the fields between are needed to make whole pictures
        return _sized(source.video, _progressive(source, stream, size).filter("select", _APART), size)
    return _sized(source.video, _progressive(source, stream.filter("select", _APART), size), size)


def sample_stream(source: Source, picture: Picture, at_s: float, length_s: float) -> Any:
    """A part of the picture at a constant rate and size, from zero on: for laying two side by side."""
    size = _size(picture)
    opened = open_source(source, ss=f"{at_s:.3f}", t=f"{length_s:.3f}")
    stream = _progressive(source, opened[str(source.video.index)], size)
    stream = stream.filter("setpts", "PTS-STARTPTS").filter("fps", fps=str(picture.rate))
    return _sized(source.video, stream, size)


def pictures_of(source: Source, jobs: Sequence[Job]) -> list[list[Any]]:
    """For each job the streams of its pictures, the largest first; all of them from one decode."""
    raw = open_source(source)[str(source.video.index)]
    are_fields = [_keeps_fields(source, job) for job in jobs]
    # Fields go to television as they came; all others share one deinterlaced, tone-mapped picture.
    taps = _split(raw, sum(are_fields) + (not all(are_fields)))
    shared = [job.pictures[0] for job, is_fields in zip(jobs, are_fields, strict=True) if not is_fields]
    largest = max(((each.width, each.height) for each in shared), key=max, default=(2, 2))
    smooth = iter(_split(_progressive(source, taps.pop(), largest), len(shared)) if shared else [])
    fields = iter(taps)
    return [
        [_fields(source, job, next(fields))] if is_fields else _made(source, job, next(smooth), turn)
        for turn, (job, is_fields) in enumerate(zip(jobs, are_fields, strict=True))
    ]


def _split(stream: Any, count: int) -> list[Any]:
    if count == 1:
        return [stream]
    copies = stream.filter_multi_output("split", count)
    return [copies[number] for number in range(count)]


def _progressive(source: Source, stream: Any, largest: tuple[int, int]) -> Any:
    video = source.video
    if video.is_interlaced:
        stream = stream.filter("bwdif", mode="send_frame")
    if not video.is_hdr:
        return stream
    # Scaled first: the float frames of the mapping are five times as large.
    size = fit_within(video.width, video.height, max(largest), max(largest))
    stream = stream.filter("scale", *size).filter("zscale", transfer="linear", npl=100)
    stream = stream.filter("format", "gbrpf32le").filter("zscale", primaries="bt709")
    stream = stream.filter("tonemap", "hable", desat=0)
    return stream.filter("zscale", transfer="bt709", matrix="bt709", range="tv").filter("setsar", 1)


def _made(source: Source, job: Job, stream: Any, turn: int) -> list[Any]:
    top = job.pictures[0]
    worn = job.worn
    if worn.crop:
        stream = _cropped(source.video, worn.crop, stream)
    pace = _pace(source, job)
    stream = _steady(source, stream, pace)
    stream = _boxed(source, job, stream) if is_boxed(job) else _sized(source.video, stream, _size(top))
    if worn.logo:
        stream = _with_logo(stream, job, top, turn)
    if worn.subtitles:
        stream = stream.filter(
            "subtitles", str(worn.subtitles), fontsdir=str(worn.fonts), force_style=_subtitle_style(top)
        )
    stream = _between_clips(job, stream, top, turn)
    if worn.label:
        stream = _with_label(stream, job, top, turn)
    if job.profile.output is Output.MXF:
        return [_field_pairs(stream, is_woven=pace != top.rate)]
    if worn.logo or worn.label or worn.subtitles:
        stream = stream.filter("format", "yuv420p").filter("setparams", **BT709)
    return _ladder(stream, job.pictures)


def is_boxed(job: Job) -> bool:
    """Whether the picture has a shape of its own, into which the source is padded or cropped."""
    return job.profile.canvas is not None or job.profile.is_landscape


def _size(picture: Picture) -> tuple[int, int]:
    return picture.width, picture.height


def _cropped(video: VideoFacts, crop: Crop, stream: Any) -> Any:
    # In parts of the picture and not in pixels: those may not be square yet.
    width, height = video.width, video.height
    return stream.filter(
        "crop",
        f"iw*{crop.width}/{width}",
        f"ih*{crop.height}/{height}",
        f"iw*{crop.x}/{width}",
        f"ih*{crop.y}/{height}",
    )


def _pace(source: Source, job: Job) -> Fraction:
    rate = job.pictures[0].rate
    has_clips = job.worn.opening or job.worn.closing
    # Television: twice the pictures are woven into its fields.
    is_woven = job.profile.output is Output.MXF and source.video.frame_rate >= 2 * rate - 1 and not has_clips
    return 2 * rate if is_woven else rate


def _steady(source: Source, stream: Any, rate: Fraction) -> Any:
    # A constant rate from zero on: late video repeats its first frame, so that it stays with its sound.
    stream = stream.filter("fps", fps=str(rate), start_time=0)
    audio = source.facts.audio
    missing_s = audio.end_s - source.video.end_s if audio else 0.0
    if missing_s < _TAIL_S:
        return stream
    # Sound without a picture would lie outside every segment: the last frame stands until its end.
    return stream.filter("tpad", stop_mode="clone", stop_duration=f"{missing_s:.3f}")


def _sized(video: VideoFacts, stream: Any, size: tuple[int, int]) -> Any:
    """Scaled to the very size, square pixels, 8-bit 4:2:0 BT.709 whatever the source had."""
    matrix = "bt709" if video.is_hdr else _matrix(video)  # HDR was mapped before
    stream = stream.filter("scale", *size, in_color_matrix=matrix, out_color_matrix="bt709", out_range="tv")
    return stream.filter("setsar", 1).filter("format", "yuv420p").filter("setparams", **BT709)


def _matrix(video: VideoFacts) -> str:
    if video.color_matrix != _UNKNOWN_MATRIX:
        return "auto"
    # Untagged: by size, as players do.
    return "bt709" if min(video.width, video.height) >= 720 else "smpte170m"


def _boxed(source: Source, job: Job, stream: Any) -> Any:
    crop = job.worn.crop
    shape = (crop.width, crop.height) if crop else (source.video.width, source.video.height)
    return _on_canvas(source.video, stream, shape, _size(job.pictures[0]))


def _on_canvas(video: VideoFacts, stream: Any, shape: tuple[int, int], canvas: tuple[int, int]) -> Any:
    """The whole picture in the middle of the canvas on a blurred copy of itself; never stretched."""
    size = contain(*shape, canvas)
    front = _sized(video, stream, size)
    if size == canvas:
        return front
    copies = front.filter_multi_output("split", 2)
    # A quarter of the size: the blur hides it, and costs a sixteenth.
    small = (canvas[0] // 8 * 2, canvas[1] // 8 * 2)
    background = copies[1].filter("scale", *cover(*size, small)).filter("crop", *small)
    background = background.filter("gblur", sigma=10).filter("scale", *canvas).filter("setsar", 1)
    x, y = (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2
    laid = ffmpeg.overlay(background, copies[0], x=x, y=y)
    return laid.filter("format", "yuv420p").filter("setparams", **BT709)


def _with_logo(stream: Any, job: Job, top: Picture, turn: int) -> Any:
    logo = _png(job.worn.logo, turn).filter("scale", top.width // _LOGO_PART, -1)
    margin = top.height // _MARGIN_PART
    return ffmpeg.overlay(stream, logo, x=f"W-w-{margin}", y=margin)


def _subtitle_style(top: Picture) -> str:
    size = max(6, round(_LINES_HIGH * _SUBTITLE_PART * min(top.width, top.height) / top.height))
    return f"FontName=Noto Sans SC,FontSize={size},Outline=1,MarginV={size}"


def _with_label(stream: Any, job: Job, top: Picture, turn: int) -> Any:
    # From the very first frame on, whatever clip stands there.
    short_px = min(top.width, top.height)
    label = _png(job.worn.label, turn).filter("scale", -1, ceil(short_px * LABEL_PART))
    margin = short_px // _MARGIN_PART
    return ffmpeg.overlay(stream, label, x=margin, y=margin, enable=f"lt(t,{job.worn.label_s:g})")


def _png(path: Path | None, turn: int) -> Any:
    walls = {"f": "image2", "pattern_type": "none", "protocol_whitelist": "file"}
    return ffmpeg.input(str(path), **walls, thread_queue_size=ONE_OF_MANY + turn)


def _between_clips(job: Job, stream: Any, top: Picture, turn: int) -> Any:
    opening, closing = (
        [_clip(clip.source, top, turn)] if clip else [] for clip in (job.worn.opening, job.worn.closing)
    )
    parts = [*opening, stream, *closing]
    return ffmpeg.concat(*parts, v=1, a=0) if len(parts) > 1 else stream


def _clip(clip: Source, top: Picture, turn: int) -> Any:
    size = _size(top)
    opened = open_source(clip, thread_queue_size=ONE_OF_MANY + turn)
    stream = _progressive(clip, opened[str(clip.video.index)], size)
    stream = stream.filter("fps", fps=str(top.rate), start_time=0)
    return _on_canvas(clip.video, stream, (clip.video.width, clip.video.height), size)


def _ladder(top: Any, pictures: Sequence[Picture]) -> list[Any]:
    copies = _split(top, len(pictures))
    lower = [
        copy.filter("scale", picture.width, picture.height).filter("setsar", 1)
        for copy, picture in zip(copies[1:], pictures[1:], strict=True)
    ]
    return [copies[0], *lower]


def _keeps_fields(source: Source, job: Job) -> bool:
    video, worn = source.video, job.worn
    is_same = video.is_interlaced and abs(video.frame_rate - _FIELD_RATE) < Fraction(1, 10)
    is_bare = not (worn.opening or worn.closing or worn.crop)
    return job.profile.output is Output.MXF and is_same and is_bare


def _fields(source: Source, job: Job, stream: Any) -> Any:
    """Interlaced 25 to interlaced 25: field by field, upper field first, on black."""
    video, top = source.video, job.pictures[0]
    size = contain(video.width, video.height, _size(top))
    stream = stream.filter("fps", fps=str(top.rate), start_time=0)
    stream = stream.filter(
        "scale", *size, interl=1, in_color_matrix=_matrix(video), out_color_matrix="bt709", out_range="tv"
    )
    stream = stream.filter("setsar", 1)
    if video.is_bottom_first:
        stream = stream.filter("fieldorder", "tff")
    if size != _size(top):
        x, y = (top.width - size[0]) // 2, (top.height - size[1]) // 4 * 2
        stream = stream.filter("pad", top.width, top.height, x, y)
    return stream.filter("format", "yuv422p").filter("setparams", field_mode="tff", **BT709)


def _field_pairs(stream: Any, *, is_woven: bool) -> Any:
    """Progressive pictures as television has them: 50 become fields, 25 stand in both."""
    stream = stream.filter("format", "yuv422p")
    if is_woven:
        stream = stream.filter("interlace", scan="tff", lowpass="linear")
    return stream.filter("setparams", field_mode="tff", **BT709)
