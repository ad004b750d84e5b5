"""The boxes of MP4 and QuickTime, and the chunk of AVI: does the file hold all that it says it holds?"""

import struct
from pathlib import Path

_BOXED = {"mp4", "mov", "m4a"}
# Others (free, skip, a maker's own) may be cut without a loss.
_NEEDED = {b"moov", b"mdat", b"moof", b"ftyp"}


def is_cut_short(path: Path, container: str) -> bool:
    """Whether a box or chunk that carries media runs past the end of the file (ISO/IEC 14496-12, 4.2)."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        if container == "avi":
            return _is_avi_cut(file.read(12), size_bytes)
        if container not in _BOXED:
            return False
        position = 0
        while position + 8 <= size_bytes:
            file.seek(position)
            length, kind = read_box(file.read(16))
            if length == 0:  # reaches to the end of the file, wherever that is
                return False
            if kind in _NEEDED and position + length > size_bytes:
                return True
            if length < 8:
                return False  # no box at all: the demuxer will say what it is
            position += length
    return False


def read_box(header: bytes) -> tuple[int, bytes]:
    """Length and type of the box that these 16 (or 8, at the end of a file) bytes begin."""
    length, kind = struct.unpack(">I4s", header[:8])
    if length == 1 and len(header) == 16:
        length = struct.unpack(">Q", header[8:])[0]
    return length, kind


def _is_avi_cut(header: bytes, size_bytes: int) -> bool:
    length: int = struct.unpack("<I", header[4:8])[0]
    # 0 and the largest value are left by recorders that stopped without closing; packets decide then.
    return 0 < length < 0xFFFFFFFF and length + 8 > size_bytes + 1
