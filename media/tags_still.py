"""The tags of a still: EXIF first, then XMP, IPTC-IIM and the text chunks of PNG. Runs behind the guard."""

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from media.metadata import Metadata, from_tags
from media.stills import open_still

_BASE, _GPS = ExifTags.Base, ExifTags.GPS
_EXIF = {
    "make": _BASE.Make,
    "model": _BASE.Model,
    "software": _BASE.Software,
    "author": _BASE.Artist,
    "copyright": _BASE.Copyright,
    "taken_at": _BASE.DateTime,
}
_EXIF_INNER = {
    "owner": _BASE.CameraOwnerName,
    "taken_at": _BASE.DateTimeOriginal,
    "offset": _BASE.OffsetTimeOriginal,
}
# IPTC-IIM 4.2: 2:80 by-line, 2:116 copyright notice.
_IPTC = {"author": (2, 80), "copyright": (2, 116)}
_PNG = {"author": "Author", "copyright": "Copyright", "software": "Software"}
_XMP = {
    "author": "dc:creator",
    "copyright": "dc:rights",
    "software": "xmp:CreatorTool",
    "taken_at": "photoshop:DateCreated",
    "make": "tiff:Make",
    "model": "tiff:Model",
    "owner": "aux:OwnerName",
    "latitude": "exif:GPSLatitude",
    "longitude": "exif:GPSLongitude",
}
# XMP's own form of a coordinate: "31,13.824N" or "31,13,49N" (XMP specification, part 2, GPSCoordinate).
_COORDINATE = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d{1,12})?)(?:,(\d{1,2}))?([NSEW])")
_XMP_BYTES, _VALUE_CHARACTERS = 262_144, 2_000
# What a tag of a stranger's making can do to these readers.
_BAD_TAGS = (ArithmeticError, AttributeError, LookupError, OSError, SyntaxError, TypeError, ValueError)


def still_tags(path: Path, image_format: str) -> Metadata:
    """What the tags say. Raises as `open_still` does, for the picture; a bad tag says nothing."""
    with open_still(path, image_format) as image:
        xmp = _safely(_xmp, image)
        tags = {**_safely(_png, image), **_safely(_iptc, image), **xmp, **_safely(_exif, image)}
        place = _exif_place(image) or _xmp_place(xmp)
    return from_tags(tags, place)


def _safely(read: Any, image: Image.Image) -> dict[str, object]:
    try:
        return {name: value for name, value in read(image).items() if value}
    except _BAD_TAGS:
        return {}


def _exif(image: Image.Image) -> dict[str, object]:
    exif = image.getexif()
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    found = {name: _bytes(exif.get(tag)) for name, tag in _EXIF.items()}
    # Windows keeps an author in UTF-16, which older programs cannot write into EXIF's own tag.
    author = exif.get(_BASE.XPAuthor)
    if not found["author"] and isinstance(author, bytes):
        found["author"] = author.decode("utf-16-le", "replace")
    return found | {name: _bytes(inner[tag]) for name, tag in _EXIF_INNER.items() if inner.get(tag)}


def _bytes(value: object) -> object:
    # EXIF's text is ASCII, so Pillow takes it for Latin-1; phones and editors write UTF-8.
    return value.encode("latin-1", "replace") if isinstance(value, str) else value


def _exif_place(image: Image.Image) -> tuple[float, float] | None:
    try:
        gps = image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        return (
            _angle(gps[_GPS.GPSLatitude], gps.get(_GPS.GPSLatitudeRef), "S"),
            _angle(gps[_GPS.GPSLongitude], gps.get(_GPS.GPSLongitudeRef), "W"),
        )
    except _BAD_TAGS:
        return None


def _angle(parts: Any, reference: Any, negative: str) -> float:
    value = sum(float(part) / 60.0**place for place, part in enumerate(tuple(parts)[:3]))
    letter = reference.decode("ascii", "replace") if isinstance(reference, bytes) else str(reference)
    return -value if letter.strip("\0 ").upper() == negative else value


def _iptc(image: Image.Image) -> Mapping[str, object]:
    blocks = IptcImagePlugin.getiptcinfo(image) if isinstance(image, ImageFile.ImageFile) else None
    return {name: _first((blocks or {}).get(key)) for name, key in _IPTC.items()}


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _png(image: Image.Image) -> Mapping[str, object]:
    return {name: image.info.get(key) for name, key in _PNG.items()}


def _xmp(image: Image.Image) -> Mapping[str, object]:
    # Searched, not parsed: a parser of a stranger's XML is one more to be attacked, for nine words.
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    text = packet if isinstance(packet, str) else bytes(packet[:_XMP_BYTES]).decode("utf-8", "replace")
    return {name: _property(text[:_XMP_BYTES], key) for name, key in _XMP.items()}


def _property(text: str, key: str) -> str | None:
    """The value of a property: an attribute, the text of an element, or the first item of a list in it."""
    limit = _VALUE_CHARACTERS
    found = re.search(rf'{key}="([^"<]{{0,{limit}}})"', text)
    found = found or re.search(rf"<{key}(?: [^>]{{0,200}})?>([^<]{{0,{limit}}})</{key}>", text)
    if not found:
        inside = re.search(rf"<{key}(?: [^>]{{0,200}})?>(.{{0,{limit}}}?)</{key}>", text, re.DOTALL)
        found = re.search(r"<rdf:li[^>]{0,200}>([^<]+)</rdf:li>", inside[1]) if inside else None
    return html.unescape(found[1]) if found else None


def _xmp_place(tags: Mapping[str, object]) -> tuple[float, float] | None:
    angles = [_coordinate(str(tags.get(name))) for name in ("latitude", "longitude")]
    return (angles[0], angles[1]) if angles[0] is not None and angles[1] is not None else None


def _coordinate(value: str) -> float | None:
    found = _COORDINATE.fullmatch(value)
    if not found:
        return None
    degrees = float(found[1]) + float(found[2]) / 60 + float(found[3] or 0) / 3600
    return -degrees if found[4] in "SW" else degrees
