"""What a file is, by its content alone. Knows no file names and runs no decoder."""

import codecs
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from media.errors import NotMedia
from states.text import Text

_HEAD_BYTES = 65_536
_TAIL_BYTES = 65_536


class Kind(StrEnum):
    """The families of files that a newsroom takes."""

    VIDEO = "video"
    AUDIO = "audio"
    STILL = "still"
    TEXT = "text"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The type of a file. `demuxer` is the only one that ffmpeg may use on it, None where ffmpeg must not."""

    kind: Kind
    format: str
    media_type: str
    demuxer: str | None


_MP4 = Sniffed(Kind.VIDEO, "mp4", "video/mp4", "mov")
_MOV = Sniffed(Kind.VIDEO, "mov", "video/quicktime", "mov")
_M4A = Sniffed(Kind.AUDIO, "m4a", "audio/mp4", "mov")
_MKV = Sniffed(Kind.VIDEO, "matroska", "video/x-matroska", "matroska")
_WEBM = Sniffed(Kind.VIDEO, "webm", "video/webm", "matroska")
_TS = Sniffed(Kind.VIDEO, "mpegts", "video/mp2t", "mpegts")
_MP3 = Sniffed(Kind.AUDIO, "mp3", "audio/mpeg", "mp3")
_AAC = Sniffed(Kind.AUDIO, "aac", "audio/aac", "aac")
_TEXT = Sniffed(Kind.TEXT, "text", "text/plain", None)
_DOCX = Sniffed(
    Kind.DOCUMENT, "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", None
)

# Signatures at offset 0, as the formats' own documents give them.
_SIGNATURES: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\xff\xd8\xff", Sniffed(Kind.STILL, "jpeg", "image/jpeg", None)),
    (b"\x89PNG\r\n\x1a\n", Sniffed(Kind.STILL, "png", "image/png", None)),
    (b"GIF87a", Sniffed(Kind.STILL, "gif", "image/gif", None)),
    (b"GIF89a", Sniffed(Kind.STILL, "gif", "image/gif", None)),
    (b"II*\x00", Sniffed(Kind.STILL, "tiff", "image/tiff", None)),
    (b"MM\x00*", Sniffed(Kind.STILL, "tiff", "image/tiff", None)),
    (b"FLV\x01", Sniffed(Kind.VIDEO, "flv", "video/x-flv", "flv")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Sniffed(Kind.VIDEO, "asf", "video/x-ms-asf", "asf")),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", Sniffed(Kind.VIDEO, "mxf", "application/mxf", "mxf")),
    (b"\x00\x00\x01\xba", Sniffed(Kind.VIDEO, "mpegps", "video/mpeg", "mpeg")),
    (b"fLaC", Sniffed(Kind.AUDIO, "flac", "audio/flac", "flac")),
    (b"OggS", Sniffed(Kind.AUDIO, "ogg", "audio/ogg", "ogg")),
    (b"#!AMR\n", Sniffed(Kind.AUDIO, "amr", "audio/amr", "amr")),
    (b"#!AMR-WB\n", Sniffed(Kind.AUDIO, "amr", "audio/amr-wb", "amr")),
    (b"ID3", _MP3),
    (b"%PDF-", Sniffed(Kind.DOCUMENT, "pdf", "application/pdf", None)),
)
# Containers whose first four bytes are shared: the form is four bytes further on.
_FORMS: dict[tuple[bytes, bytes], Sniffed] = {
    (b"RIFF", b"WEBP"): Sniffed(Kind.STILL, "webp", "image/webp", None),
    (b"RIFF", b"WAVE"): Sniffed(Kind.AUDIO, "wav", "audio/wav", "wav"),
    (b"RF64", b"WAVE"): Sniffed(Kind.AUDIO, "wav", "audio/wav", "wav"),
    (b"RIFF", b"AVI "): Sniffed(Kind.VIDEO, "avi", "video/x-msvideo", "avi"),
    (b"FORM", b"AIFF"): Sniffed(Kind.AUDIO, "aiff", "audio/aiff", "aiff"),
    (b"FORM", b"AIFC"): Sniffed(Kind.AUDIO, "aiff", "audio/aiff", "aiff"),
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
_MOV_FIRST_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
# Scripts that make a player open other files or addresses (ODD-INPUTS 32), and active markup (34).
_SCRIPTS = re.compile(
    r"#extm3u|ffconcat|\[playlist\]|\[reference\]|rtsptext|smptext|v=0\r?\n|<", re.IGNORECASE
)
_CONCAT_LINE = re.compile(r"^\s*file\s+\S", re.IGNORECASE | re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def sniff(path: Path) -> Sniffed:
    """The type of a file by its content; NotMedia for empty, active, list-like or unknown content."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise NotMedia(
            Text("文件是空的，请重新导出后再上传。", "The file is empty; export it again and upload it.")
        )
    found = _by_signature(head) or _by_structure(head) or _zip(path, head) or _text(head)
    if found is None:
        raise NotMedia(
            Text(
                "无法识别此文件的格式。请上传 MP4、MOV、MP3、WAV、JPEG 或 PNG 等常见格式。",
                "The format of this file is not known. Send a common one such as MP4, MOV, MP3, WAV, JPEG or PNG.",
            )
        )
    return found


def _by_signature(head: bytes) -> Sniffed | None:
    for signature, sniffed in _SIGNATURES:
        if head.startswith(signature):
            return sniffed
    return _FORMS.get((head[:4], head[8:12]))


def _by_structure(head: bytes) -> Sniffed | None:
    return _iso_media(head) or _ebml(head) or _transport_stream(head) or _mpeg_audio(head)


def _iso_media(head: bytes) -> Sniffed | None:
    box, brand = head[4:8], head[8:12]
    if box == b"ftyp" and brand in _HEIF_BRANDS:
        raise NotMedia(
            Text(
                "暂不支持 HEIC/AVIF 图片，请在手机上改存为 JPEG 后再上传。",
                "HEIC and AVIF stills are not taken yet; save the picture as JPEG and send that.",
            )
        )
    if box == b"ftyp":
        return {b"qt  ": _MOV, b"M4A ": _M4A, b"M4B ": _M4A}.get(brand, _MP4)
    return _MOV if box in _MOV_FIRST_BOXES else None


def _ebml(head: bytes) -> Sniffed | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return _WEBM if b"webm" in head[:64] else _MKV


def _transport_stream(head: bytes) -> Sniffed | None:
    # Packets of 188 bytes, or of 192 with a time code before each (M2TS); five sync bytes are no accident.
    for offset, length in ((0, 188), (4, 192)):
        syncs = head[offset : offset + 5 * length : length]
        if len(syncs) == 5 and set(syncs) == {0x47}:
            return _TS
    return None


def _mpeg_audio(head: bytes) -> Sniffed | None:
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return _AAC
    is_layer_2_or_3 = head[1] & 0xE0 == 0xE0 and (head[1] >> 1) & 3 in (1, 2)
    return _MP3 if is_layer_2_or_3 and head[2] >> 4 not in (0, 15) else None


def _zip(path: Path, head: bytes) -> Sniffed | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    # The list of names stands at the end of a zip. Nothing is unpacked, so no bomb goes off.
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    if b"word/document.xml" in tail and b"[Content_Types].xml" in tail:
        return _DOCX
    raise NotMedia(
        Text(
            "不接收压缩包，请解压后逐个上传文件。",
            "Archives are not taken; unpack it and send the files one by one.",
        )
    )


def _text(head: bytes) -> Sniffed | None:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            # Not final: the head may end in the middle of a character.
            text = codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        if not _CONTROL.search(text):
            _refuse_script(text)
            return _TEXT
    return None


def _refuse_script(text: str) -> None:
    if _SCRIPTS.match(text.lstrip()) or _CONCAT_LINE.search(text):
        raise NotMedia(
            Text(
                "这是播放列表或网页代码，不是媒体文件。请上传视频、音频或图片本身。",
                "This is a playlist or web markup, not media. Send the video, sound or picture itself.",
            )
        )
