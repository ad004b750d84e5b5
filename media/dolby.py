"""Dolby Vision without a layer that other decoders can show: found by its record, refused with the reason."""

from pathlib import Path

from media.boxes import read_box
from media.errors import NotMedia
from states.text import Text

_RECORDS = (b"dvcC", b"dvvC", b"dvwC")
_BOXED = {"mp4", "mov"}
_MAX_MOOV_BYTES = 256 << 20


def refuse_dolby_vision_alone(path: Path, container: str) -> None:
    """NotMedia when the base layer is compatible with nothing (id 0, as profile 5 has); else nothing.

    The record is that of Dolby's "Dolby Vision Streams Within the ISO Base Media File Format" 2.1.2, 3.2: the
    fifth byte begins with the compatibility id.
    """
    if container not in _BOXED:
        return
    moov = _moov(path)
    places = [place for name in _RECORDS if (place := moov.find(name)) >= 0]
    if any(len(moov) > place + 8 and moov[place + 8] >> 4 == 0 for place in places):
        raise NotMedia(
            Text(
                "这是没有兼容层的杜比视界视频，颜色无法还原。请在设备上改用 SDR 或 HLG 导出后上传。",
                "This is Dolby Vision without a compatible layer: its colours cannot be restored. "
                "Export it from the device as SDR or HLG and upload that.",
            )
        )


def _moov(path: Path) -> bytes:
    size_bytes, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while position + 8 <= size_bytes:
            file.seek(position)
            length, kind = read_box(file.read(16))
            if kind == b"moov":
                file.seek(position)
                return file.read(min(length, _MAX_MOOV_BYTES))
            if length < 8:
                break
            position += length
    return b""
