"""Intake's look at one file: hash, type, facts and what a reviewer should know. Final refusals are raised."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from media.appended import Appended, find_appended, holds_markup
from media.documents import read_package, read_word
from media.errors import NotMedia
from media.finding import Finding
from media.findings import find
from media.hashing import FileHash, hash_file
from media.packages import Manifest
from media.probe import Probe, look
from media.sniff import Kind, Sniffed, sniff
from media.word import WordDocument
from states.text import Text

__all__ = ["Finding", "Inspection", "find", "inspect"]

# Below half a second an HLS playlist has a target duration of 0, and no player knows what to do with it.
MIN_VIDEO_S = 0.6
_FAMILY = {
    Kind.VIDEO: "av",
    Kind.AUDIO: "av",
    Kind.STILL: "still",
    Kind.TEXT: "text",
    Kind.DOCUMENT: "text",
    Kind.PACKAGE: "package",
}
_SUFFIXES = {
    "av": "mp4 m4v mov mkv webm avi flv wmv ts mts m2ts mpg mpeg mxf 3gp mp3 m4a aac wav bwf flac ogg "
    "opus amr wma aif aiff",
    "still": "jpg jpeg png apng gif webp heic heif avif tif tiff bmp",
    "text": "txt md pdf docx",
    "package": "zip",
}
_FAMILY_OF_SUFFIX = {f".{suffix}": family for family, names in _SUFFIXES.items() for suffix in names.split()}


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that intake learns of one file."""

    hash: FileHash
    sniffed: Sniffed
    probe: Probe
    findings: tuple[Finding, ...]
    document: WordDocument | None = None
    package: Manifest | None = None
    appended: Appended | None = None


async def inspect(path: Path, filename: str | None = None) -> Inspection:
    """Hash, type, facts and findings. `filename` is what the sender called it (the path's name when None).

    Raises NotMedia, Malformed or TooLarge, all final; TimedOut and EncoderKilled, when it may be tried again.
    The name never decides what a file is; a name that promises another family (a text called `.mp4`) is
    refused, because the sender picked a wrong file.
    """
    sniffed = await asyncio.to_thread(sniff, path)
    _refuse_misnamed(sniffed, filename or path.name)
    facts = await look(path, sniffed)
    _refuse_too_short(facts)
    document = await read_word(path) if sniffed.format == "docx" else None
    package = await read_package(path) if sniffed.kind is Kind.PACKAGE else None
    appended, disguise = await asyncio.to_thread(_besides, path, sniffed)
    digest = await asyncio.to_thread(hash_file, path)
    findings = (*find(facts), *disguise)
    # A container may hold less than its type promises: an MP4 or WMV with sound alone is sound.
    return Inspection(digest, replace(sniffed, kind=facts.kind), facts, findings, document, package, appended)


def _besides(path: Path, sniffed: Sniffed) -> tuple[Appended | None, tuple[Finding, ...]]:
    """What a still carries that is no picture; it is never looked into, and a reviewer is told."""
    if sniffed.kind is not Kind.STILL:
        return None, ()
    found = []
    appended = find_appended(path, sniffed.format)
    if appended:
        kilobytes = max(1, appended.size_bytes // 1000)
        text = Text(
            f"图片之后还附有 {kilobytes} KB 其他数据（{appended.looks_like}），只按图片使用。",
            f"{kilobytes} KB of other data ({appended.looks_like}) follow the picture; only the picture is used.",
        )
        found.append(Finding("appended_data", text))
    if holds_markup(path):
        text = Text(
            "图片文件中夹有网页代码，只按图片使用。",
            "There is web markup in the file; only the picture is used.",
        )
        found.append(Finding("markup_inside", text))
    return appended, tuple(found)


def _refuse_misnamed(sniffed: Sniffed, filename: str) -> None:
    promised = _FAMILY_OF_SUFFIX.get(PurePath(filename).suffix.lower())
    if promised is None or promised == _FAMILY[sniffed.kind]:
        return
    raise NotMedia(
        Text(
            f"文件名与内容不符：内容是 {sniffed.format}。请确认选对了文件，改正扩展名后重新上传。",
            f"The name does not fit the content, which is {sniffed.format}. Check that it is the right file, "
            "correct its extension and upload it again.",
        )
    )


def _refuse_too_short(facts: Probe) -> None:
    if facts.video is None or facts.video.end_s - facts.video.start_s >= MIN_VIDEO_S:
        return
    raise NotMedia(
        Text(
            f"视频不足 {MIN_VIDEO_S} 秒，无法播放。请上传更长的片段，或改为上传图片。",
            f"The video lasts less than {MIN_VIDEO_S} s. Send a longer clip, or a picture instead.",
        )
    )
