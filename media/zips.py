"""Reads zip files by hand: the list at the end first, every entry checked against it, nothing trusted.

After PKWARE's APPNOTE.TXT 6.3.10, without Zip64, encryption, several disks: a page or a document needs none of it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from media.errors import Malformed, TooLarge
from states.text import Text

MAX_ENTRIES = 2_000
MAX_UNPACKED_BYTES = 200_000_000
# What a name costs in the list is 46 bytes and itself; this is generous to long names and extra fields.
_MAX_DIRECTORY_BYTES = MAX_ENTRIES * 1_024
_END, _CENTRAL, _LOCAL = struct.Struct("<4s4H2LH"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_MAX_COMMENT_BYTES = 65_535
_UTF_8_NAME = 0x800
_PIECE_BYTES = 1 << 16
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One line of the list: what an entry says of itself."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    mode: int
    header_at: int
    list_at: int


def read_directory(path: Path) -> tuple[ZipEntry, ...]:
    """The list of a zip, unpacking nothing. TooLarge over the caps, Malformed when it does not fit the file."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size_bytes - _END.size - _MAX_COMMENT_BYTES))
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise broken("no list of entries")
        _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
        end_at = size_bytes - len(tail) + at
        if count > MAX_ENTRIES or length > _MAX_DIRECTORY_BYTES:
            raise too_much(f"{count} entries")
        if disk or first_disk or here != count or offset + length != end_at or at + 22 + comment != len(tail):
            raise broken("the list does not fit the file")
        file.seek(offset)
        listed = file.read(length)
    return tuple(_entries(listed, count, offset))


def unpacked(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    """The content of an entry, in pieces. Malformed when it is not what the list says; never more than that."""
    file.seek(entry.header_at)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise broken(f"{entry.name!r} is missing")
    mark, _, _, method, *_, name_length, extra_length = _LOCAL.unpack(header)
    same = file.read(name_length) == entry.raw_name and method == entry.method
    if mark != b"PK\x03\x04" or not same:
        raise broken(f"{entry.name!r} is listed under another name")
    file.seek(extra_length, 1)
    size, crc = 0, 0
    for piece in _inflated(file, entry):
        size, crc = size + len(piece), zlib.crc32(piece, crc)
        if size > entry.size_bytes:
            raise too_much(f"{entry.name!r} is larger than listed")
        yield piece
    if size != entry.size_bytes or crc != entry.crc:
        raise broken(f"{entry.name!r} is damaged")


def broken(detail: str) -> Malformed:
    """The refusal of a zip that contradicts itself."""
    return Malformed(
        Text(
            "压缩包已损坏或不规范，请重新打包后上传。",
            "The zip is damaged or irregular; pack it again and upload it.",
        ),
        detail,
    )


def too_much(detail: str) -> TooLarge:
    """The refusal of a zip that would unpack to more than a page or a document has."""
    return TooLarge(
        Text(
            f"压缩包过大：最多 {MAX_ENTRIES} 个文件，解压后不超过 {MAX_UNPACKED_BYTES // 10**6} MB。"
            "请精简后重新打包。",
            f"The zip holds too much: at most {MAX_ENTRIES} files and {MAX_UNPACKED_BYTES // 10**6} MB unpacked. "
            "Make it smaller and pack it again.",
        ),
        detail,
    )


def _inflated(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    left = entry.packed_bytes
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    while left > 0 and (packed := file.read(min(left, _PIECE_BYTES))):
        left -= len(packed)
        if entry.method == _STORED:
            yield packed
            continue
        while packed:
            try:
                yield unpacker.decompress(packed, _PIECE_BYTES)
            except zlib.error as error:
                raise broken(f"{entry.name!r} is damaged") from error
            packed = unpacker.unconsumed_tail
    while entry.method == _DEFLATED and (piece := unpacker.decompress(b"", _PIECE_BYTES)):
        yield piece
    if left or (entry.method == _DEFLATED and (not unpacker.eof or unpacker.unused_data)):
        raise broken(f"{entry.name!r} is cut short")


def _entries(listed: bytes, count: int, list_at: int) -> Iterator[ZipEntry]:
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(listed):
            raise broken("the list is cut short")
        mark, _made, _, flags, method, _, _, crc, packed, size, *rest = _CENTRAL.unpack_from(listed, at)
        name_length, extra_length, comment_length, disk, _, attributes, header_at = rest
        raw_name = listed[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        at += _CENTRAL.size + name_length + extra_length + comment_length
        if mark != b"PK\x01\x02" or disk or at > len(listed) or len(raw_name) != name_length:
            raise broken("the list is damaged")
        yield ZipEntry(
            _name(raw_name, flags),
            raw_name,
            flags,
            method,
            crc,
            packed,
            size,
            attributes >> 16,
            header_at,
            list_at,
        )
    if at != len(listed):
        raise broken("the list holds more than it counts")


def _name(raw: bytes, flags: int) -> str:
    # Chinese Windows writes GBK and says nothing of it; two bytes of that may pass for one Greek letter of UTF-8.
    by_encoding = {encoding: _decoded(raw, encoding) for encoding in ("utf-8", "gb18030", "cp437")}
    name = by_encoding["utf-8"]
    is_said = bool(flags & _UTF_8_NAME)
    if not is_said and (name is None or any("\x80" <= letter <= "\u07ff" for letter in name)):
        name = by_encoding["gb18030"] or name or by_encoding["cp437"]
    if name is None:
        raise broken("a name cannot be read")
    return name


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None
