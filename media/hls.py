"""Reads back a finished HLS folder as a player would (RFC 8216). Writes nothing."""

import re
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from media.errors import Malformed, OutputWrong
from media.guard import Operation, blocking, decode
from media.timing import RungTimings, Timing
from states.text import Text

_EXTINF = re.compile(r"#EXTINF:([\d.]+)")
_MAP = re.compile(r'#EXT-X-MAP:URI="([^"]+)"')
_RESOLUTION = re.compile(r"RESOLUTION=(\d+)x(\d+)")
_BANDWIDTH = re.compile(r"[:,]BANDWIDTH=(\d+)")
_CODECS = re.compile(r'CODECS="([^"]+)"')
_RUNG = Operation("rung", RungTimings)


@dataclass(frozen=True, slots=True)
class Variant:
    """One rung as its playlist says; names are relative to the folder of the master playlist."""

    playlist: str
    init: str
    segments: tuple[str, ...]
    segment_durations_s: tuple[float, ...]
    width: int
    height: int
    bandwidth_bps: int
    codecs: str

    @property
    def duration_s(self) -> float:
        """What the segments add up to."""
        return sum(self.segment_durations_s)


def read_master(folder: Path) -> tuple[Variant, ...]:
    """The rungs of `master.m3u8`, in its order. OutputWrong when a part is missing or says too little."""
    lines = _read(folder / "master.m3u8").splitlines()
    pairs = [(line, uri) for line, uri in pairwise(lines) if line.startswith("#EXT-X-STREAM-INF")]
    if not pairs:
        raise wrong("the master playlist names no rung")
    return tuple(_variant(folder, info, uri) for info, uri in pairs)


def read_packets(folder: Path, variant: Variant) -> dict[str, Timing]:
    """The timing of "video" and "audio" of a rung, from the packets of all its segments in a row."""
    names = (variant.init, *variant.segments)
    try:
        size_bytes = sum((folder / name).stat().st_size for name in names)
        wall_s = 60 + size_bytes / 10_000_000
        found = blocking(decode(_RUNG, folder, wall_s=wall_s, names=names))
    except (OSError, Malformed) as error:
        raise wrong(f"the segments of {variant.playlist} cannot be read") from error
    return {kind: timing for kind, timing in (("video", found.video), ("audio", found.audio)) if timing}


def join_segments(folder: Path, variant: Variant, out: Path) -> None:
    """Writes a rung as one file, as a player's buffer would hold it."""
    with out.open("wb") as joined:
        for name in (variant.init, *variant.segments):
            with (folder / name).open("rb") as part:
                shutil.copyfileobj(part, joined)


def wrong(detail: str) -> OutputWrong:
    """The refusal of an output that is not what it should be."""
    return OutputWrong(
        Text(
            "转码结果未通过检查，已丢弃。请重试；若仍失败，请重新导出源文件。",
            "The rendition failed its check and was thrown away. Try again, or export the source anew.",
        ),
        detail,
    )


def _variant(folder: Path, info: str, uri: str) -> Variant:
    text = _read(folder / uri)
    base = uri.rsplit("/", 1)[0] + "/" if "/" in uri else ""
    segments = tuple(base + line for line in text.splitlines() if line and not line.startswith("#"))
    init, resolution = _MAP.search(text), _RESOLUTION.search(info)
    bandwidth, codecs = _BANDWIDTH.search(info), _CODECS.search(info)
    if not (init and resolution and bandwidth and codecs and segments and "#EXT-X-ENDLIST" in text):
        raise wrong(f"{uri} is incomplete")
    return Variant(
        playlist=uri,
        init=base + init[1],
        segments=segments,
        segment_durations_s=tuple(float(value) for value in _EXTINF.findall(text)),
        width=int(resolution[1]),
        height=int(resolution[2]),
        bandwidth_bps=int(bandwidth[1]),
        codecs=codecs[1],
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"{path.name} cannot be read") from error
