"""The identity of what a recording shows and sounds like, whatever container it stands in.

Of the picture it is every frame as decoded (media/scan_graph.py says which pixels), without time stamps, for
containers round those differently. Of the sound it is the packets as coded, not the decoded samples: containers
differ in what they have skipped at the start, and AAC decodes a little differently on another processor.
Measured with ffmpeg 9.0.2, `-c copy` from and to: H.264 with B-frames, HEVC and AAC in mp4, mov, mkv, ts, flv
and avi; MPEG-2 in ts, mpg, mp4, mkv; VP9 and Opus in webm, mkv, mp4, ts; AAC in m4a, ADTS, ts, mkv; MP3 in mp3,
mp4, mkv, ts, avi; Vorbis, FLAC, AC-3, PCM: all equal, with start offsets too. ADTS headers are taken off and PCM
is cut anew for that. Different: a cut by an edit list when the new container shows what it hid, for then the film
is another one; LATM, because it is other packets.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

# Raise it when the hashed pixels or packets change: old values then no longer match by accident.
_VERSION = b"essence 1"
# dts, pts, duration and size stand before the hash; side data, which only one container has, behind it.
_STREAM, _PTS, _DURATION, _HASH, _FIELDS = 0, 2, 3, 5, 6


@dataclass(frozen=True, slots=True)
class Hashed:
    """One log of hashes: how many frames or packets, when the last one ends, and the sum over all."""

    count: int
    end_s: float
    digest: str


def read_hashes(log: Path) -> Hashed:
    """What stands in a `framehash` log; lines that are cut off, as a killed ffmpeg leaves them, are skipped."""
    clocks: dict[str, Fraction] = {}
    sums: dict[str, Any] = {}
    count, end_s = 0, 0.0
    if not log.exists():
        return Hashed(0, 0.0, "")
    with log.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("#tb "):
                number, _, clock = line[4:].partition(":")
                clocks[number] = _clock(clock)
            fields = [field.strip() for field in line.split(",")]
            if line.startswith("#") or len(fields) < _FIELDS or not line.endswith("\n"):
                continue
            stream = fields[_STREAM]
            # Each stream for itself: containers interleave in their own ways.
            sums.setdefault(stream, hashlib.sha256()).update(fields[_HASH].encode())
            count += 1
            end_s = max(end_s, _ticks(fields) * float(clocks.get(stream, Fraction(0))))
    return Hashed(count, end_s, " ".join(sums[stream].hexdigest() for stream in sorted(sums)))


def essence_of(picture: Hashed, sound: Hashed) -> str:
    """SHA-256 (lower-case hex) over both; another sound under the same picture gives another value."""
    parts = (_VERSION, b"picture", picture.digest.encode(), b"sound", sound.digest.encode())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _ticks(fields: list[str]) -> int:
    try:
        return int(fields[_PTS]) + int(fields[_DURATION])
    except ValueError:
        return 0


def _clock(text: str) -> Fraction:
    try:
        return Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
