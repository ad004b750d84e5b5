"""What stands behind the end of a still, which ends where its own structure says so. Decodes nothing."""

import re
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

_MAX_LOOK_BYTES = 256 << 20
# Motion photos of phones carry an MP4, HDR ones a second JPEG; the rest is nobody's habit.
_SIGNS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("zip", re.compile(rb"\APK\x03\x04|PK\x01\x02.*PK\x05\x06", re.DOTALL)),
    ("rar", re.compile(rb"Rar!\x1a\x07")),
    ("7z", re.compile(rb"7z\xbc\xaf\x27\x1c")),
    ("pdf", re.compile(rb"%PDF-")),
    ("program", re.compile(rb"\A\s*(MZ|\x7fELF|#!)")),
    ("markup", re.compile(rb"<(!doctype|html|script|svg|iframe|body|\?php)", re.IGNORECASE)),
    ("mp4", re.compile(rb"\A.{0,64}?ftyp", re.DOTALL)),
    ("jpeg", re.compile(rb"\A\x00*\xff\xd8\xff")),
)
_MARKUP = re.compile(rb"<(html|script|iframe|svg|body|\?php)[\s>]", re.IGNORECASE)
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_SOS, _EOI = 0xDA, 0xD9
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True, slots=True)
class Appended:
    """Bytes behind a picture: where they begin, how many, and what they look like ("unknown" if like nothing)."""

    offset: int
    size_bytes: int
    looks_like: str


def find_appended(path: Path, image_format: str) -> Appended | None:
    """What follows the picture; None when nothing does, or the format does not say where it ends."""
    end_of = _ENDS.get(image_format)
    if end_of is None or path.stat().st_size > _MAX_LOOK_BYTES:
        return None
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        try:
            end = end_of(content)
        except IndexError:  # cut short: the decoder will say so
            return None
        rest = content[end:] if end is not None else b""
    # Fillings with zeros are the habit of some cameras.
    if end is None or not rest.strip(b"\x00"):
        return None
    looks = next((name for name, sign in _SIGNS if sign.search(rest)), "unknown")
    return Appended(end, len(rest), looks)


def holds_markup(path: Path) -> bool:
    """Whether a browser that guesses types could take the file for a page: tags in its first or last 64 KB."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(65_536)
        file.seek(max(0, size_bytes - 65_536))
        return bool(_MARKUP.search(head) or _MARKUP.search(file.read()))


def _jpeg_end(content: mmap) -> int | None:
    at = 2
    while True:
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif marker == _EOI:
            return at + 2
        elif marker in _STANDALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
            if marker == _SOS:
                found = _SCAN_END.search(content, at)
                if found is None:
                    return None
                at = found.start()


def _png_end(content: mmap) -> int | None:
    at = 8
    while content[at + 4 : at + 8] != b"IEND":
        if content[at + 7] == 0:
            return None
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return at + 12


def _gif_end(content: mmap) -> int | None:
    at = 13 + _table_bytes(content[10])
    while content[at] != 0x3B:
        if content[at] == 0x2C:
            at += 10 + _table_bytes(content[at + 9]) + 1
        elif content[at] == 0x21:
            at += 2
        else:
            return None
        while content[at]:
            at += 1 + content[at]
        at += 1
    return at + 1


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _riff_end(content: mmap) -> int | None:
    length = int.from_bytes(content[4:8], "little")
    return 8 + length + (length & 1)


_ENDS = {"jpeg": _jpeg_end, "png": _png_end, "gif": _gif_end, "webp": _riff_end}
