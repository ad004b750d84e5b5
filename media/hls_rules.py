"""The strict reading of a finished HLS folder: what RFC 8216 demands of a stored stream, and no player forgives."""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

from media.hls import Variant, wrong
from media.timing import Timing

_INTEGER_TAGS = ("#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE")
# EXT-X-MAP in a list that is not of I-frames alone needs version 6 (RFC 8216, 7).
_LEAST_VERSION = 6
_INFO = re.compile(r"#EXTINF:(\d+\.\d{3,}),")
_ATTRIBUTES = ("BANDWIDTH=", "CODECS=", "RESOLUTION=")
# BANDWIDTH is an upper bound of the segments' rate; Apple's validator lets a tenth pass (HLS authoring, 9.2).
_PEAK_SLACK = 1.1


def check_master(folder: Path) -> None:
    """OutputWrong unless the master playlist keeps to RFC 8216, 4.3.4, and names only what lies below it."""
    lines = (folder / "master.m3u8").read_text("utf-8").splitlines()
    _demand("master.m3u8", bool(lines) and lines[0] == "#EXTM3U", "begins with no #EXTM3U")
    _demand("master.m3u8", "#EXTINF" not in " ".join(lines), "mixes rungs and segments")
    uris = _uris(lines)
    _demand("master.m3u8", len(set(uris)) == len(uris), "names a rung twice")
    for uri in uris:
        _demand("master.m3u8", _is_inside(folder, uri), f"points outside: {uri}")
    for info in (line for line in lines if line.startswith("#EXT-X-STREAM-INF:")):
        _demand("master.m3u8", all(name in info for name in _ATTRIBUTES), "leaves out an attribute")


def check_rung(folder: Path, variant: Variant, video: Timing, frame_s: float) -> None:
    """OutputWrong unless a rung's playlist keeps to RFC 8216, 4.3.2 and 4.3.3, and is true to the packets."""
    path = folder / variant.playlist
    lines = path.read_text("utf-8").splitlines()
    for says, holds in _RULES:
        _demand(variant.playlist, holds(lines), says)
    target_s = _integer(lines, "#EXT-X-TARGETDURATION")
    lengths = variant.segment_durations_s
    _demand(
        variant.playlist, all(round(each) <= target_s for each in lengths), "has a segment over its target"
    )
    _demand(variant.playlist, all(each > 0 for each in lengths), "has a segment without a length")
    for name in (variant.init, *variant.segments):
        is_there = _is_inside(folder, name) and (folder / name).stat().st_size > 0
        _demand(variant.playlist, is_there, f"{name} is missing or empty")
    _check_drift(variant, video, frame_s)
    _check_peak(folder, variant)


def drift_s(variant: Variant, video: Timing) -> float:
    """By how much the sum of EXTINF is off the packets at the worst segment boundary, in seconds."""
    starts = [0.0, *accumulate(variant.segment_durations_s[:-1])]
    keyframes = [time - video.start_s for time in video.keyframe_times_s]
    if not keyframes:
        return float("inf")
    # Each segment begins with a keyframe: the nearest one is its own.
    worst = max(min(abs(key - start) for key in keyframes) for start in starts)
    return max(worst, abs(variant.duration_s - (video.end_s - video.start_s)))


def _check_drift(variant: Variant, video: Timing, frame_s: float) -> None:
    off_s = drift_s(variant, video)
    _demand(variant.playlist, off_s < frame_s, f"EXTINF is {off_s:.3f} s off the packets")


def _check_peak(folder: Path, variant: Variant) -> None:
    pairs = zip(variant.segments, variant.segment_durations_s, strict=True)
    # A last piece of a few frames has a rate that no player ever sees.
    rates = [(folder / name).stat().st_size * 8 / length for name, length in pairs if length >= 1]
    peak = max(rates, default=0.0)
    says = f"BANDWIDTH {variant.bandwidth_bps} is below the peak of {peak:.0f}"
    _demand(variant.playlist, peak <= variant.bandwidth_bps * _PEAK_SLACK, says)


def _uris(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith("#")]


def _is_inside(folder: Path, name: str) -> bool:
    return (
        "://" not in name
        and not name.startswith("/")
        and (folder / name).resolve().is_relative_to(folder.resolve())
        and (folder / name).is_file()
    )


def _integer(lines: Sequence[str], tag: str) -> int:
    values = [line.partition(":")[2] for line in lines if line.startswith(f"{tag}:")]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() else -1


def _every_segment_is_named(lines: Sequence[str]) -> bool:
    infos = [number for number, line in enumerate(lines) if line.startswith("#EXTINF")]
    return (
        len(infos) == len(_uris(lines)) > 0
        and all(_INFO.match(lines[number]) for number in infos)
        and all(not lines[number + 1].startswith("#") for number in infos)
    )


def _map_comes_first(lines: Sequence[str]) -> bool:
    maps = [number for number, line in enumerate(lines) if line.startswith("#EXT-X-MAP")]
    infos = [number for number, line in enumerate(lines) if line.startswith("#EXTINF")]
    return len(maps) == 1 and bool(infos) and maps[0] < infos[0]


_RULES: tuple[tuple[str, Callable[[Sequence[str]], bool]], ...] = (
    ("begins with no #EXTM3U", lambda lines: bool(lines) and lines[0] == "#EXTM3U"),
    ("lacks a number", lambda lines: all(_integer(lines, tag) >= 0 for tag in _INTEGER_TAGS)),
    ("is of a version without maps", lambda lines: _integer(lines, "#EXT-X-VERSION") >= _LEAST_VERSION),
    ("is no VOD", lambda lines: "#EXT-X-PLAYLIST-TYPE:VOD" in lines),
    ("does not end", lambda lines: [line for line in lines if line][-1] == "#EXT-X-ENDLIST"),
    ("names no segment behind a length", _every_segment_is_named),
    ("has its map behind a segment", _map_comes_first),
    ("does not say that segments stand alone", lambda lines: "#EXT-X-INDEPENDENT-SEGMENTS" in lines),
)


def _demand(name: str, holds: bool, says: str) -> None:
    if not holds:
        raise wrong(f"{name} {says}")
