"""Subtitles, read from SRT or WebVTT and written anew: what goes out holds cues and nothing else."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from media.errors import Malformed, TooLarge
from states.text import Text

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_CUE = re.compile(rf"^{_TIME}\s+-->\s+{_TIME}.*$")
_TAG = re.compile(r"<[^>]*>|\{[^}]*\}")
_MAX_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Cue:
    """Some lines of text and when they stand."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


def read_cues(path: Path) -> tuple[Cue, ...]:
    """The cues of an SRT or WebVTT file in UTF-8, styles left out. Malformed without any, TooLarge over 2 MB."""
    if path.stat().st_size > _MAX_BYTES:
        raise TooLarge(Text("字幕文件超过 2 MB，请检查。", "The subtitles are over 2 MB; check the file."))
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_subtitles() from error
    if text.startswith("WEBVTT"):
        text = html.unescape(text)
    cues = [cue for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if (cue := _cue(block))]
    if not cues:
        raise _not_subtitles()
    return tuple(sorted(cues, key=lambda cue: cue.start_s))


def write_srt(cues: Sequence[Cue], path: Path) -> None:
    """Writes the cues as SubRip."""
    blocks = [
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n" + "\n".join(cue.lines)
        for number, cue in enumerate(cues, 1)
    ]
    path.write_text("\n\n".join(blocks) + "\n", "utf-8")


def write_vtt(cues: Sequence[Cue], path: Path, later_s: float = 0.0) -> None:
    """Writes the cues as WebVTT, all of them `later_s` later (behind an opening clip)."""
    blocks = [
        f"{_clock(cue.start_s + later_s, '.')} --> {_clock(cue.end_s + later_s, '.')}\n"
        + "\n".join(line.replace("&", "&amp;").replace("<", "&lt;") for line in cue.lines)
        for cue in cues
    ]
    path.write_text("WEBVTT\n\n" + "\n\n".join(blocks) + "\n", "utf-8")


def _cue(block: str) -> Cue | None:
    lines = [line.strip() for line in block.strip().split("\n")]
    for number, line in enumerate(lines):
        if found := _CUE.match(line):
            texts = tuple(text for each in lines[number + 1 :] if (text := _TAG.sub("", each).strip()))
            start_s, end_s = _seconds(found.groups()[:4]), _seconds(found.groups()[4:])
            return Cue(start_s, end_s, texts) if texts and end_s > start_s else None
    return None


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _clock(time_s: float, point: str) -> str:
    thousandths = round(time_s * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _not_subtitles() -> Malformed:
    return Malformed(
        Text(
            "字幕文件不是 UTF-8 的 SRT 或 WebVTT，请重新导出后上传。",
            "The subtitles are no SRT or WebVTT in UTF-8; export them again and upload that.",
        )
    )
