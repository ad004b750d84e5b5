"""Argument lists for ffmpeg, built with ffmpeg-python; the only file that does. Runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from media._ffmpeg import cpu_count
from media.geometry import contain, cover
from media.probe import MAX_VIDEO_PIXELS, Probe, VideoFacts
from media.profiles import Profile, Rung

# Raise it with every change here that alters pixels or sound: it is part of a rendition's key.
GRAPH_VERSION = 1

_UNKNOWN_MATRIX = 2
# Cameras end their two streams up to this far apart; no eye sees it.
_TAIL_S = 0.25
# ITU-R BT.709 for the whole of the output, whatever came in.
_BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "range": "tv"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file with its facts, as the builders below need it."""

    path: Path
    facts: Probe

    @property
    def video(self) -> VideoFacts:
        """The picture; the callers know that there is one."""
        assert self.facts.video is not None  # noqa: S101 - profiles for video get files with video
        return self.facts.video


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to make: its rung, its exact size and the constant rate."""

    rung: Rung
    width: int
    height: int
    rate: Fraction


def mp4_args(source: Source, profile: Profile, picture: Picture, out: Path) -> list[str]:
    """One MP4 with its index in front, so that it plays while it loads."""
    stream = _canvas(source, profile, picture) if profile.canvas else _fitted(source, picture)
    options = _x264(profile, picture.rate) | _rate_cap(picture.rung) | _sound(source, profile) | _CLEAN
    options |= {"f": "mp4", "movflags": "+faststart", "threads": cpu_count()}
    return _compile(ffmpeg.output(stream, *_sound_streams(source), _file(out), **options))


def hls_args(source: Source, profile: Profile, pictures: Sequence[Picture], out_dir: Path) -> list[str]:
    """The whole ladder from one decode: fMP4 segments, a playlist for each rung, and the master playlist."""
    rungs = _ladder(source, pictures)
    options: dict[str, Any] = _x264(profile, pictures[0].rate) | _sound(source, profile) | _CLEAN
    for number, picture in enumerate(pictures):
        options |= _rate_cap(picture.rung, f":v:{number}")
        # The largest picture is most of the work; a thread each for the rest keeps two cores full.
        options[f"threads:v:{number}"] = cpu_count() if number == 0 else 1
    options |= {
        "f": "hls",
        "hls_time": profile.segment_s,
        "hls_playlist_type": "vod",
        "hls_segment_type": "fmp4",
        "hls_flags": "independent_segments",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": _file(out_dir / "%v" / "%05d.m4s"),
        "master_pl_name": "master.m3u8",
        "var_stream_map": " ".join(_variants(source, pictures)),
    }
    streams = [each for rung in rungs for each in (rung, *_sound_streams(source))]
    return _compile(ffmpeg.output(*streams, _file(out_dir / "%v" / "index.m3u8"), **options))


def m4a_args(source: Source, profile: Profile, out: Path) -> list[str]:
    """The sound alone, as AAC."""
    options = _sound(source, profile) | _CLEAN | {"f": "ipod", "movflags": "+faststart", "vn": None}
    return _compile(ffmpeg.output(*_sound_streams(source), _file(out), **options))


def frame_args(source: Source, at_s: float, size: tuple[int, int], out: Path) -> list[str]:
    """One picture of a moment, as PNG. The seek stands before the input: behind it, all would be decoded."""
    stream = _to_bt709(source, _deinterlaced(source, _input(source, ss=f"{at_s:.3f}")), size)
    return _compile(ffmpeg.output(stream, _file(out), f="image2", update=1, **{"frames:v": 1}, **_CLEAN))


# Nothing of the source's metadata, chapters or the encoder's name leaves the house.
_CLEAN: dict[str, Any] = {
    "map_metadata": -1,
    "map_metadata:s": "-1",
    "map_chapters": -1,
    "fflags": "+bitexact",
    "flags": "+bitexact",
}


def _compile(output: Any) -> list[str]:
    return [str(part) for part in output.get_args()]


def _file(path: Path) -> str:
    # Absolute, so that no name is ever read as an option or an address. (`file:` confuses the HLS muxer.)
    return str(path.resolve())


def _input(source: Source, **options: Any) -> Any:
    demuxer = source.facts.demuxer
    walls = {"f": demuxer, "format_whitelist": demuxer, "protocol_whitelist": "file"}
    return ffmpeg.input(
        _file(source.path), **walls, threads=cpu_count(), max_pixels=MAX_VIDEO_PIXELS, **options
    )


def _deinterlaced(source: Source, opened: Any) -> Any:
    stream = opened[str(source.video.index)]
    return stream.filter("bwdif", mode="send_frame") if source.video.is_interlaced else stream


def _steady(source: Source, rate: Fraction) -> Any:
    # A constant rate from zero on: late video repeats its first frame, so that it stays with its sound.
    stream = _deinterlaced(source, _input(source)).filter("fps", fps=str(rate), start_time=0)
    audio = source.facts.audio
    missing_s = audio.end_s - source.video.end_s if audio else 0.0
    if missing_s < _TAIL_S:
        return stream
    # Sound without a picture would lie outside every segment: the last frame stands until its end.
    return stream.filter("tpad", stop_mode="clone", stop_duration=f"{missing_s:.3f}")


def _fitted(source: Source, picture: Picture) -> Any:
    return _to_bt709(source, _steady(source, picture.rate), (picture.width, picture.height))


def _to_bt709(source: Source, stream: Any, size: tuple[int, int]) -> Any:
    """Scaled to the very size, square pixels, 8-bit 4:2:0 BT.709 whatever the source had."""
    if source.video.is_hdr:
        stream = _tone_mapped(stream, size)
    else:
        stream = stream.filter(
            "scale", *size, in_color_matrix=_matrix(source.video), out_color_matrix="bt709", out_range="tv"
        )
    return stream.filter("setsar", 1).filter("format", "yuv420p").filter("setparams", **_BT709)


def _tone_mapped(stream: Any, size: tuple[int, int]) -> Any:
    # Scaled first: the float frames of the mapping are five times as large.
    stream = stream.filter("scale", *size).filter("zscale", transfer="linear", npl=100)
    stream = stream.filter("format", "gbrpf32le").filter("zscale", primaries="bt709")
    stream = stream.filter("tonemap", "hable", desat=0)
    return stream.filter("zscale", transfer="bt709", matrix="bt709", range="tv")


def _matrix(video: VideoFacts) -> str:
    if video.color_matrix != _UNKNOWN_MATRIX:
        return "auto"
    # Untagged: by size, as players do.
    return "bt709" if min(video.width, video.height) >= 720 else "smpte170m"


def _ladder(source: Source, pictures: Sequence[Picture]) -> list[Any]:
    top = _fitted(source, pictures[0])
    if len(pictures) == 1:
        return [top]
    copies = top.filter_multi_output("split", len(pictures))
    lower = [
        copies[number].filter("scale", picture.width, picture.height).filter("setsar", 1)
        for number, picture in enumerate(pictures)
        if number
    ]
    return [copies[0], *lower]


def _canvas(source: Source, profile: Profile, picture: Picture) -> Any:
    """The whole picture in the middle of the canvas on a blurred copy of itself; never stretched."""
    assert profile.canvas is not None  # noqa: S101 - asked by the caller
    canvas = profile.canvas
    size = contain(source.video.width, source.video.height, canvas)
    front = _to_bt709(source, _steady(source, picture.rate), size)
    if size == canvas:
        return front
    copies = front.filter_multi_output("split", 2)
    # A quarter of the size: the blur hides it, and costs a sixteenth.
    small = (canvas[0] // 4, canvas[1] // 4)
    background = copies[1].filter("scale", *cover(*size, small)).filter("crop", *small)
    background = background.filter("gblur", sigma=10).filter("scale", *canvas).filter("setsar", 1)
    x, y = (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2
    return (
        ffmpeg.overlay(background, copies[0], x=x, y=y)
        .filter("format", "yuv420p")
        .filter("setparams", **_BT709)
    )


def _x264(profile: Profile, rate: Fraction) -> dict[str, Any]:
    # Rounded up: an interval a hair under two seconds would put a fourth one into each 6 s segment.
    interval = max(1, ceil(rate * profile.keyframe_interval_s))
    options = {"c:v": "libx264", "preset:v": "veryfast", "profile:v": "high", "crf:v": profile.crf}
    return options | {
        "g:v": interval,
        "keyint_min:v": interval,
        "sc_threshold:v": 0,
        "pix_fmt": "yuv420p",
        "fps_mode": "passthrough",
    }


def _rate_cap(rung: Rung, stream: str = ":v") -> dict[str, Any]:
    return {f"maxrate{stream}": rung.max_bitrate_bps, f"bufsize{stream}": 2 * rung.max_bitrate_bps}


def _sound(source: Source, profile: Profile) -> dict[str, Any]:
    if source.facts.audio is None:
        return {}
    # Late sound is led in with silence, and gaps are filled, so that it stays with its picture.
    resample = "aresample=48000:async=1:first_pts=0"
    return {"c:a": "aac", "b:a": profile.audio_bitrate_bps, "ac": 2, "ar": 48_000, "af": resample}


def _sound_streams(source: Source) -> list[Any]:
    audio = source.facts.audio
    return [_input(source)[str(audio.index)]] if audio else []


def _variants(source: Source, pictures: Sequence[Picture]) -> list[str]:
    has_sound = source.facts.audio is not None
    return [
        f"v:{number},a:{number},name:{picture.rung.name}"
        if has_sound
        else f"v:{number},name:{picture.rung.name}"
        for number, picture in enumerate(pictures)
    ]
