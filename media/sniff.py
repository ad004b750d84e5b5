"""What a file is, by its content alone. Knows no file names and runs no decoder."""

import codecs
import re
from dataclasses import replace
from pathlib import Path

from media import signatures, zips
from media.errors import NotMedia, TooLarge
from media.kinds import Kind, Sniffed
from media.pages import index_of
from states.text import Text

__all__ = ["Kind", "Sniffed", "sniff"]

_HEAD_BYTES = 65_536
# Ten times the longest novel.
_MAX_TEXT_BYTES = 20_000_000
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
# Scripts that make a player open other files or addresses (ODD-INPUTS 32).
_PLAYLIST = re.compile(
    r"#extm3u|ffconcat|\[playlist\]|\[reference\]|\[internetshortcut\]|rtsptext|smptext|v=0\r?\n",
    re.IGNORECASE,
)
_CONCAT_LINE = re.compile(r"file\s+('[^'\n]*'|\"[^\"\n]*\"|\S+)\s*$", re.IGNORECASE)
# Active markup (34). A Chinese or English word in angle brackets is still a text.
_TAGS = "html head body script svg iframe img meta style link object embed form div p a xml smil asx mpd wpl playlist"
_MARKUP = re.compile(rf"<(!doctype|!--|\?|({_TAGS.replace(' ', '|')})\b)", re.IGNORECASE)
_SVG = re.compile(r"<svg\b", re.IGNORECASE)
_SCRIPT = re.compile(r"#!|<\?php|@echo\s+off|powershell\s|%!ps", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def sniff(path: Path) -> Sniffed:
    """The type of a file by its content.

    NotMedia for empty, active, list-like or unknown content, each in its own words; TooLarge for a text or a
    zip over its cap, Malformed for a zip whose list of names is broken.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise NotMedia(signatures.EMPTY)
    found = _by_signature(head) or _by_structure(head) or _zip(path, head)
    if found:
        return replace(found, is_animated=True) if _is_animated(head, found.format) else found
    for signature, text in signatures.REFUSED:
        if head.startswith(signature):
            raise NotMedia(text)
    if _text(path):
        return signatures.TEXT
    raise NotMedia(signatures.ARCHIVE if head[257:262] == b"ustar" else signatures.UNKNOWN)


def _by_signature(head: bytes) -> Sniffed | None:
    for signature, sniffed in signatures.TAKEN:
        if head.startswith(signature):
            return sniffed
    return signatures.FORMS.get((head[:4], head[8:12]))


def _by_structure(head: bytes) -> Sniffed | None:
    return _iso_media(head) or _ebml(head) or _transport_stream(head) or _mpeg_audio(head) or _bitmap(head)


def _iso_media(head: bytes) -> Sniffed | None:
    box, brand = head[4:8], head[8:12]
    if box != b"ftyp":
        return signatures.MOV if box in signatures.MOV_FIRST_BOXES else None
    end = min(int.from_bytes(head[:4], "big"), 256)
    brands = {brand, *(head[at : at + 4] for at in range(16, end, 4))}
    if brand in signatures.HEIF_BRANDS | signatures.AVIF_BRANDS:
        # `mif1` alone only says that it is a still; the others in the list say in which codec.
        return signatures.AVIF if brands & signatures.AVIF_BRANDS else signatures.HEIF
    if brand == b"crx ":
        raise NotMedia(signatures.RAW)
    by_brand = {b"qt  ": signatures.MOV, b"M4A ": signatures.M4A, b"M4B ": signatures.M4A}
    return by_brand.get(brand, signatures.MP4)


def _ebml(head: bytes) -> Sniffed | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return signatures.WEBM if b"webm" in head[:64] else signatures.MKV


def _transport_stream(head: bytes) -> Sniffed | None:
    # Packets of 188 bytes, or of 192 with a time code before each (M2TS); five sync bytes are no accident.
    for offset, length in ((0, 188), (4, 192)):
        syncs = head[offset : offset + 5 * length : length]
        if len(syncs) == 5 and set(syncs) == {0x47}:
            return signatures.TS
    return None


def _mpeg_audio(head: bytes) -> Sniffed | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] == 0xFE:  # FF FE begins a text in UTF-16
        return None
    if head[1] & 0xF6 == 0xF0:
        return signatures.AAC
    is_layer_2_or_3 = head[1] & 0xE0 == 0xE0 and (head[1] >> 1) & 3 in (1, 2)
    return signatures.MP3 if is_layer_2_or_3 and head[2] >> 4 not in (0, 15) else None


def _bitmap(head: bytes) -> Sniffed | None:
    is_bitmap = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return signatures.BMP if is_bitmap else None


def _is_animated(head: bytes, image_format: str) -> bool:
    if image_format == "png":  # acTL must stand before the first IDAT (W3C PNG 3rd edition, 11.3.6.1)
        return b"acTL" in head.partition(b"IDAT")[0]
    if image_format == "webp":  # a bit in the VP8X chunk (RFC 9649, 2.7)
        return head[12:16] == b"VP8X" and bool(head[20] & 0x02) if len(head) > 20 else False
    # The block that makes it loop; a GIF with two pictures and without it is counted when it is decoded.
    return image_format == "gif" and b"NETSCAPE2.0" in head


def _zip(path: Path, head: bytes) -> Sniffed | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    names = [entry.name for entry in zips.read_directory(path)]
    if "[Content_Types].xml" in names:
        if "word/document.xml" in names:
            return signatures.DOCX
        raise NotMedia(signatures.OTHER_OFFICE)
    if {"META-INF/MANIFEST.MF", "AndroidManifest.xml"} & set(names):
        raise NotMedia(signatures.PROGRAM)
    if index_of(names) is None:
        raise NotMedia(signatures.ARCHIVE)
    return signatures.H5


def _text(path: Path) -> bool:
    for encoding in ("utf-8-sig", "gb18030"):
        start = _start_of_text(path, encoding)
        if start is None:
            continue
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise TooLarge(signatures.LONG_TEXT)
        if refusal := _active(start.lstrip()):
            raise NotMedia(refusal)
        return True
    return False


def _start_of_text(path: Path, encoding: str) -> str | None:
    """The first characters, if the whole file (up to the cap) is text in this encoding."""
    decoder, start = codecs.getincrementaldecoder(encoding)(), ""
    with path.open("rb") as file:
        for _ in range(0, _MAX_TEXT_BYTES, _HEAD_BYTES):
            piece = file.read(_HEAD_BYTES)
            try:
                text = decoder.decode(piece, final=len(piece) < _HEAD_BYTES)
            except UnicodeDecodeError:
                return None
            if _CONTROL.search(text):
                return None
            start = start or text
            if len(piece) < _HEAD_BYTES:
                break
    return start


def _active(text: str) -> Text | None:
    if _SCRIPT.match(text):
        return signatures.SCRIPT
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if _PLAYLIST.match(text) or _CONCAT_LINE.match(first):
        return signatures.PLAYLIST
    if not _MARKUP.match(text):
        return None
    return signatures.SVG if _SVG.search(text[:4096]) else signatures.MARKUP
