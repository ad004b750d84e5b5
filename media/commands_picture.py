"""The bricks that pictures are made of: opened, deinterlaced, tone-mapped, sized, padded. Runs nothing."""

from typing import Any

import ffmpeg

from media._ffmpeg import cpu_count
from media.geometry import cover, fit_within
from media.job import Picture, Source
from media.probe import MAX_VIDEO_PIXELS, VideoFacts

# ITU-T H.273 table 4: "unspecified" and the reserved value.
_UNKNOWN_MATRICES = {2, 3}
# ITU-R BT.709 for the whole of the output, whatever came in.
BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "range": "tv"}
# A file that several outputs of a run open is an input for each: ffmpeg-python takes equal ones for one, and
# one cannot end in two filters. Their queues differ, from this length on, and nothing else.
ONE_OF_MANY = 8
_NEIGHBOUR_S = 0.8
_APART = f"eq(n,0)+gte(t-prev_selected_t,{_NEIGHBOUR_S})"


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
        return sized(source.video, progressive(source, stream, size).filter("select", _APART), size)
    return sized(source.video, progressive(source, stream.filter("select", _APART), size), size)


def sample_stream(source: Source, picture: Picture, at_s: float, length_s: float) -> Any:
    """A part of the picture at a constant rate and size, from zero on: for laying two side by side."""
    size = size_of(picture)
    opened = open_source(source, ss=f"{at_s:.3f}", t=f"{length_s:.3f}")
    stream = progressive(source, opened[str(source.video.index)], size)
    stream = stream.filter("setpts", "PTS-STARTPTS").filter("fps", fps=str(picture.rate))
    return sized(source.video, stream, size)


def split(stream: Any, count: int) -> list[Any]:
    """The stream so many times; a filter's output may end in one place alone."""
    if count == 1:
        return [stream]
    copies = stream.filter_multi_output("split", count)
    return [copies[number] for number in range(count)]


def progressive(source: Source, stream: Any, largest: tuple[int, int], mode: str = "send_frame") -> Any:
    """Whole pictures in standard dynamic range, mapped at `largest`; `send_field` makes one of each field."""
    video = source.video
    if video.is_interlaced:
        stream = stream.filter("bwdif", mode=mode)
    if not video.is_hdr:
        return stream
    # Scaled first: the float frames of the mapping are five times as large.
    size = fit_within(video.width, video.height, max(largest), max(largest))
    stream = stream.filter("scale", *size).filter("zscale", transfer="linear", npl=100)
    stream = stream.filter("format", "gbrpf32le").filter("zscale", primaries="bt709")
    stream = stream.filter("tonemap", "hable", desat=0)
    return stream.filter("zscale", transfer="bt709", matrix="bt709", range="tv").filter("setsar", 1)


def sized(video: VideoFacts, stream: Any, size: tuple[int, int]) -> Any:
    """Scaled to the very size, square pixels, 8-bit 4:2:0 BT.709 whatever the source had."""
    matrix = "bt709" if video.is_hdr else matrix_of(video)  # HDR was mapped before
    stream = stream.filter("scale", *size, in_color_matrix=matrix, out_color_matrix="bt709", out_range="tv")
    return stream.filter("setsar", 1).filter("format", "yuv420p").filter("setparams", **BT709)


def matrix_of(video: VideoFacts) -> str:
    """The colour matrix to read the picture by, as the scale filter names it."""
    if video.color_matrix not in _UNKNOWN_MATRICES:
        return "auto"
    # Untagged: by size, as players do.
    return "bt709" if min(video.width, video.height) >= 720 else "smpte170m"


def size_of(picture: Picture) -> tuple[int, int]:
    """Width and height."""
    return picture.width, picture.height


def on_canvas(front: Any, size: tuple[int, int], canvas: tuple[int, int]) -> Any:
    """A picture of this size in the middle of the canvas, on a blurred copy of itself."""
    if size == canvas:
        return front
    copies = split(front, 2)
    # A quarter of the size: the blur hides it, and costs a sixteenth.
    small = (canvas[0] // 8 * 2, canvas[1] // 8 * 2)
    background = copies[1].filter("scale", *cover(*size, small)).filter("crop", *small)
    background = background.filter("gblur", sigma=10).filter("scale", *canvas, flags="bilinear")
    x, y = (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2
    laid = ffmpeg.overlay(background.filter("setsar", 1), copies[0], x=x, y=y)
    return laid.filter("format", "yuv420p").filter("setparams", **BT709)
