"""The shape of a sound for drawing: peaks as JSON, as players read it."""

import json
import sys
from array import array
from dataclasses import dataclass
from math import ceil
from pathlib import Path

MAX_POINTS = 2_000
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Waveform:
    """The lowest and the highest value (-128 to 127) of each stretch of samples, in turns."""

    sample_rate_hz: int
    samples_per_point: int
    peaks: tuple[int, ...]

    def to_json(self) -> str:
        """Version 2 of audiowaveform's JSON, which Peaks.js and waveform-data.js draw.

        https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md, read 2026-11-22.
        """
        return json.dumps(
            {
                "version": 2,
                "channels": 1,
                "sample_rate": self.sample_rate_hz,
                "samples_per_pixel": self.samples_per_point,
                "bits": 8,
                "length": len(self.peaks) // 2,
                "data": self.peaks,
            },
            separators=(",", ":"),
        )


def read_waveform(samples: Path, sample_rate_hz: int = 8000, max_points: int = MAX_POINTS) -> Waveform:
    """The peaks of a file of mono 16-bit little-endian PCM, `max_points` pairs at the most; none for an empty file.

    Reads a stretch at a time: an hour takes a second, and no more memory than a minute does.
    """
    count = samples.stat().st_size // _SAMPLE_BYTES
    per_point = max(1, ceil(count / max_points))
    peaks: list[int] = []
    with samples.open("rb") as file:
        for _ in range(ceil(count / per_point)):
            stretch = array("h", _whole(file.read(per_point * _SAMPLE_BYTES)))
            if sys.byteorder == "big":
                stretch.byteswap()
            peaks += (min(stretch) >> 8, max(stretch) >> 8)
    return Waveform(sample_rate_hz, per_point, tuple(peaks))


def _whole(content: bytes) -> bytes:
    return content[: len(content) // _SAMPLE_BYTES * _SAMPLE_BYTES]
