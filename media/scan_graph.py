"""The command of the technical look: what is read off a film while it is decoded once. Runs nothing.

All filters stand in one graph. In two (one a stream) ffmpeg 9.0.2 waits for itself for ever: it holds back the
graph that is ahead, and the demuxer waits for that one (seen on the second of four runs of a minute of 1080p).
"""

from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from media.commands_picture import matrix_of, open_source
from media.commands_sound import has_mono_tracks, stereo_stream
from media.geometry import fit_within
from media.job import Source
from media.probe import VideoFacts

MAX_FRAMES, FRAME_LONG_PX, SAMPLE_HZ = 120, 320, 8000
_METER_LONG_PX = 240
# Four a second are enough for a short clip.
_SHORTEST_STEP_S = 0.25
# House value: levels and fields are read twice a second; their meters run on all pictures where they need to.
_READING_STEP_S = 0.5
# House value: the essence is every nth pixel of every nth line, so that a line has 480 of them at the least.
_ESSENCE_POINTS = 480
# ffmpeg's own defaults: 98 % of the pixels darker than 10 %. Joined and measured in media/scan_logs.py.
_BLACK = {"d": 0, "pic_th": 0.98, "pix_th": 0.10}
# Tighter than ffmpeg's -60 dB, for a small picture has less noise; short pieces are joined afterwards.
_FREEZE = {"n": "-66dB", "d": 0.5}
# EBU R 128 s2 and most playout checks call -60 dBFS silence.
_SILENCE = {"n": "-60dB", "d": 0.5}
# What a coder makes of a flat top swings around it: 0.6 dB up, all of it is at full scale again (measured
# on AAC, MP3 and Opus of a voice that was clipped by 4 and by 8 dB).
_CLIP_LIFT = "0.6dB"
CLIP_WINDOWS_PER_S = 10


def scan_args(source: Source, folder: Path) -> list[str]:
    """One ffmpeg that decodes a film and writes hashes, readings, frames and samples into `folder`."""
    opened = open_source(source)
    outputs = []
    if source.facts.video:
        outputs += _picture_outputs(source, opened, folder)
    if source.facts.audio:
        outputs += _sound_outputs(source, opened, folder)
    merged = ffmpeg.merge_outputs(*outputs) if len(outputs) > 1 else outputs[0]
    # A film whose every frame is broken is for the findings, not for an exit status.
    return ["-max_error_rate", "1", *(str(part) for part in merged.get_args())]


def frame_step_s(source: Source) -> float:
    """The time from one small frame to the next."""
    return max((source.facts.duration_s or 0.0) / MAX_FRAMES, _SHORTEST_STEP_S)


def _picture_outputs(source: Source, opened: Any, folder: Path) -> list[Any]:
    video = source.video
    taps = opened[str(video.index)].filter_multi_output("split", 3)
    grid = _grid(video, taps[0]).filter_multi_output("split", 2)
    # ffmpeg holds no picture back or repeats one: times are those of the file.
    as_it_comes = {"fps_mode": "passthrough"}
    hashed = {"c:v": "rawvideo", "f": "framehash", "hash": "murmur3"}
    small = {"c:v": "mjpeg", "q:v": 4, "f": "image2", "frame_pts": 1, "enc_time_base": "1:1000"}
    return [
        ffmpeg.output(grid[0], _path(folder / "picture.hash"), **hashed, **as_it_comes),
        ffmpeg.output(_small(source, taps[1]), _numbered(folder), **small, **as_it_comes),
        _unheard(_looked_at(video, grid[1], folder), folder / "levels"),
        _unheard(_fields(taps[2], folder), folder / "fields"),
    ]


def _sound_outputs(source: Source, opened: Any, folder: Path) -> list[Any]:
    audio = source.facts.audio
    assert audio is not None  # noqa: S101 - asked by the caller
    raw = opened[str(audio.index)]
    samples = _listened_to(stereo_stream(source, opened), folder)
    pcm = {"c:a": "pcm_s16le", "f": "s16le", "ar": SAMPLE_HZ, "ac": 1}
    numbers = [audio.index, audio.index + 1] if has_mono_tracks(source.facts) else [audio.index]
    packets = [opened[str(number)] for number in numbers]
    copied: dict[str, Any] = {"c:a": "copy", "f": "framehash", "hash": "murmur3"}
    if audio.codec == "aac":  # ADTS and MPEG-TS put a header before each packet
        copied["bsf:a"] = "aac_adtstoasc"
    elif audio.codec.startswith("pcm_"):  # each container cuts PCM in its own way
        copied["bsf:a"] = "pcm_rechunk=n=4096:pad=0"
    return [
        ffmpeg.output(samples, _path(folder / "samples.pcm"), **pcm),
        _unheard(_clipped(raw, audio.sample_rate_hz, folder), folder / "clipped"),
        ffmpeg.output(*packets, _path(folder / "sound.hash"), **copied),
    ]


def _grid(video: VideoFacts, stream: Any) -> Any:
    every = max(1, max(video.width, video.height) // _ESSENCE_POINTS)
    # "neighbor" takes pixels as they are: no arithmetic that another processor would do otherwise.
    return stream.filter("scale", f"iw/{every}", f"ih/{every}", flags="neighbor") if every > 1 else stream


def _small(source: Source, stream: Any) -> Any:
    video = source.video
    size = fit_within(video.width, video.height, FRAME_LONG_PX, FRAME_LONG_PX)
    stream = _thinned(stream, frame_step_s(source))
    if video.is_interlaced:  # its neighbours in time are gone, so one field alone
        stream = stream.filter("field", "bottom" if video.is_bottom_first else "top")
    if video.is_hdr:
        stream = _toned(stream.filter("scale", *size), video)
    matrix = "bt709" if video.is_hdr else matrix_of(video)
    # JPEG is full range by the matrix of BT.601 (ITU-T T.871).
    stream = stream.filter(
        "scale", *size, in_color_matrix=matrix, out_color_matrix="smpte170m", out_range="pc"
    )
    return stream.filter("format", "yuv420p").filter("setsar", 1)


def _toned(stream: Any, video: VideoFacts) -> Any:
    # zscale refuses a picture that says "HLG" and no primaries.
    missing = {"color_primaries": video.color_primaries, "colorspace": video.color_matrix}
    wide = {"color_primaries": "bt2020", "colorspace": "bt2020nc"}
    assumed = {name: wide[name] for name, value in missing.items() if value in {2, 3}}
    stream = stream.filter("setparams", **assumed) if assumed else stream
    stream = stream.filter("zscale", transfer="linear", npl=100).filter("format", "gbrpf32le")
    stream = stream.filter("zscale", primaries="bt709").filter("tonemap", "hable", desat=0)
    return stream.filter("zscale", transfer="bt709", matrix="bt709", range="tv")


def _looked_at(video: VideoFacts, stream: Any, folder: Path) -> Any:
    """Scaled down from the grid: five times cheaper than from the whole picture, which no meter here needs."""
    size = fit_within(video.width, video.height, _METER_LONG_PX, _METER_LONG_PX)
    stream = stream.filter("scale", *size, flags="area", out_range="tv").filter("format", "yuv420p")
    stream = stream.filter("blackdetect", **_BLACK)
    stream = _noted(stream, "metadata", "lavfi.black_start", folder / "black_start")
    stream = _noted(stream, "metadata", "lavfi.black_end", folder / "black_end")
    stream = stream.filter("freezedetect", **_FREEZE)
    stream = _noted(stream, "metadata", "lavfi.freezedetect.freeze_start", folder / "freeze_start")
    stream = _noted(stream, "metadata", "lavfi.freezedetect.freeze_end", folder / "freeze_end")
    stream = _thinned(stream, _READING_STEP_S).filter("signalstats", stat="brng")
    return stream.filter("metadata", "print", file=_path(folder / "levels"))


def _fields(stream: Any, folder: Path) -> Any:
    # All lines of a strip in the middle: fields differ in height, not in width. By ffmpeg's own threshold (1.04)
    # the noise of a camera that stands still is taken for fields; real ones are far above this one.
    stream = stream.filter("crop", "min(iw,240)", "ih").filter("idet", intl_thres=1.5)
    return _thinned(stream, _READING_STEP_S).filter("metadata", "print", file=_path(folder / "fields"))


def _listened_to(stream: Any, folder: Path) -> Any:
    stream = stream.filter("silencedetect", **_SILENCE)
    for name in ("silence_start", "silence_end"):
        stream = _noted(stream, "ametadata", f"lavfi.{name}", folder / name)
    stream = stream.filter("ebur128", peak="true", metadata=1)
    for name in ("I", "true_peak"):
        stream = _noted(stream, "ametadata", f"lavfi.r128.{name}", folder / name)
    return stream.filter("aresample", SAMPLE_HZ, out_chlayout="mono")


def _clipped(stream: Any, rate_hz: int, folder: Path) -> Any:
    # Whole numbers have a ceiling; how many samples lie at it, and how long in a row, tells a flat top.
    stream = stream.filter("volume", _CLIP_LIFT, precision="float").filter("aformat", "s16")
    stream = stream.filter("asetnsamples", clip_window(rate_hz), p=0)
    measured = "Peak_level+Flat_factor+Peak_count"
    stream = stream.filter("astats", metadata=1, reset=1, measure_perchannel="none", measure_overall=measured)
    return stream.filter("ametadata", "print", file=_path(folder / "clipped"))


def clip_window(rate_hz: int) -> int:
    """How many samples a look for flat tops takes at a time: a tenth of a second."""
    return max(1, ceil(rate_hz / CLIP_WINDOWS_PER_S))


def _thinned(stream: Any, step_s: float) -> Any:
    # The first picture of each step; a film that starts late or jumps gets none too many.
    now, before = f"floor(t/{step_s:.6f})", f"floor(prev_selected_t/{step_s:.6f})"
    return stream.filter("select", f"isnan(prev_selected_t)+gt({now},{before})")


def _noted(stream: Any, name: str, key: str, log: Path) -> Any:
    return stream.filter(name, "print", key=key, file=_path(log))


def _unheard(stream: Any, log: Path) -> Any:
    # The null muxer opens no file; its name says to the guard which folder the logs go to.
    return ffmpeg.output(stream, _path(log.with_suffix(".none")), f="null", fps_mode="passthrough")


def _numbered(folder: Path) -> str:
    return f"{_path(folder).replace('%', '%%')}/%d.jpg"


def _path(path: Path) -> str:
    return str(path.resolve())
