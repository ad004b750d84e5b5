"""Where, when, by whom and with what a file was made, as its tags say: a stranger's word, kept and not believed."""

import codecs
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from media.errors import MediaError, RetryableMediaError
from media.guard import Operation, decode
from media.probe import Probe
from media.sniff import Kind

MAX_TAG_CHARACTERS = 200
# ISO 6709, annex H: degrees, or degrees and minutes, or those and seconds, told apart by the count of digits.
_ISO6709 = re.compile(r"([+-])(\d{2}|\d{4}|\d{6})(\.\d{0,12})?([+-])(\d{3}|\d{5}|\d{7})(\.\d{0,12})?(?!\d)")
_TIME = re.compile(
    r"(\d{4})[-:](\d\d)[-:](\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)? ?(Z|[+-]\d\d:?\d\d)?)?"
)
_TAG_LIMIT = 4 * MAX_TAG_CHARACTERS


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says of its making; None where it says nothing that can be read.

    `taken_at` is ISO 8601 with the offset only where one is stated: a camera's clock has no zone.
    """

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    device: str | None = None
    author: str | None = None
    owner: str | None = None
    copyright: str | None = None
    taken_at: str | None = None
    software: str | None = None


_STILL = Operation("still_tags", Metadata)
_STREAMS = Operation("stream_tags", Metadata)


async def read_metadata(path: Path, facts: Probe) -> Metadata:
    """What the tags of a still, a video or a sound say. Tags that cannot be read say nothing and are no error.

    Raises TimedOut and EncoderKilled, which may be tried again, and nothing else.
    """
    try:
        if facts.kind is Kind.STILL:
            return await decode(_STILL, path, image_format=facts.container)
        if facts.demuxer is not None:
            return await decode(_STREAMS, path, demuxer=facts.demuxer)
    except RetryableMediaError:
        raise
    except MediaError:
        return Metadata()
    return Metadata()


def from_tags(tags: Mapping[str, object], place: tuple[float, float] | None = None) -> Metadata:
    """The metadata of tags by their names here: make, model, author, owner, copyright, taken_at, offset, software.

    `place` is latitude and longitude in degrees, where they came as numbers; else `location` is read as ISO 6709.
    """
    words = {name: clean(value) for name, value in tags.items()}
    found = sound_place(place) or read_iso6709(words.get("location") or "") or (None, None)
    return Metadata(
        latitude_deg=found[0],
        longitude_deg=found[1],
        device=_device(words.get("make"), words.get("model")),
        author=words.get("author"),
        owner=words.get("owner"),
        copyright=words.get("copyright"),
        taken_at=read_time(words.get("taken_at") or "", words.get("offset") or ""),
        software=words.get("software"),
    )


def clean(value: object) -> str | None:
    """A stranger's tag as one line of words: no control, format or private characters, at most 200; None when empty.

    Bytes that are not UTF-8 are read as GB 18030, in which Chinese tools of old wrote their tags, else as Latin-1.
    """
    if isinstance(value, bytes):
        value = _decoded(value[:_TAG_LIMIT])
    if isinstance(value, str):
        # What came in as surrogates are bytes that were not UTF-8.
        value = _decoded(
            value[:_TAG_LIMIT].encode("utf-8", "surrogateescape" if _is_escaped(value) else "replace")
        )
    elif not isinstance(value, int | float):
        return None
    kept = "".join(
        " " if letter.isspace() or letter == "\0" else letter
        for letter in str(value)
        if letter.isspace() or letter == "\0" or unicodedata.category(letter)[0] != "C"
    )
    return " ".join(kept.split())[:MAX_TAG_CHARACTERS].strip() or None


def read_iso6709(value: str) -> tuple[float, float] | None:
    """Latitude and longitude in degrees of a string as phones write it, such as "+31.2304+121.4737+004.5/"."""
    found = _ISO6709.match(value.strip())
    if not found:
        return None
    north = _degrees(found[1], found[2], found[3] or "", 2)
    east = _degrees(found[4], found[5], found[6] or "", 3)
    return sound_place((north, east))


def sound_place(place: tuple[float, float] | None) -> tuple[float, float] | None:
    """The place when it is one on Earth; 0, 0 is what devices write that know none."""
    if place is None or not all(map(math.isfinite, place)) or place == (0.0, 0.0):
        return None
    latitude, longitude = place
    return (
        (round(latitude, 7), round(longitude, 7)) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
    )


def read_time(value: str, offset: str = "") -> str | None:
    """A time of EXIF, QuickTime or ISO 8601 as ISO 8601, with an offset where one is stated; None for nonsense."""
    found = _TIME.match(value.strip())
    if not found:
        return None
    year, month, day, hour, minute, second, zone = found.groups()
    stated = (zone or offset.strip()) if hour else ""
    clock = f"T{hour}:{minute}:{second or '00'}" if hour else ""
    try:
        datetime.fromisoformat(f"{year}-{month}-{day}{clock}")
        moment = f"{year}-{month}-{day}{clock}"
        if not stated:
            return moment
        return datetime.fromisoformat(moment + stated).isoformat()
    except ValueError:
        return None


def _degrees(sign: str, digits: str, fraction: str, width: int) -> float:
    parts = [digits[:width], *(digits[start : start + 2] for start in range(width, len(digits), 2))]
    parts[-1] += fraction
    value = sum(float(part) / 60.0**place for place, part in enumerate(parts))
    return -value if sign == "-" else value


def _device(make: str | None, model: str | None) -> str | None:
    if make and model and not model.lower().startswith(make.lower()):
        return f"{make} {model}"[:MAX_TAG_CHARACTERS]
    return model or make


def _is_escaped(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)


def _decoded(value: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            # What was cut off at the limit may have been cut within a letter.
            return codecs.getincrementaldecoder(encoding)().decode(value, final=len(value) < _TAG_LIMIT)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1")
