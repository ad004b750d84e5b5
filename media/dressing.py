"""What the desk lays over a piece: crop, logo, clips, subtitles, AI labels. Made ready beside the outputs."""

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from media import _ffmpeg
from media.aigc import AiMark, merged
from media.errors import NotMedia
from media.hashing import hash_file
from media.job import Clip, Crop, Source, Worn
from media.loudness import Tuned, tune
from media.probe import look
from media.profiles_form import Extra, Loudness, Output, Profile
from media.sniff import sniff
from media.subtitles import read_cues, write_srt, write_vtt
from states.text import Text

# GB 45438-2025, 5.2 and 5.4, read 2026-11-22: at least 5 % of the short side, at least 2 s from the start.
LABEL_S = 4.0
_FONT_PX = 96
_LABEL_PX = 144
_SOUND = (Output.M4A, Output.MP3, Output.WAV)
_STILL = (Output.JPEG, Output.TIFF)
_LIMITS = _ffmpeg.Limits(wall_s=60, file_bytes=20_000_000)


@dataclass(frozen=True, slots=True)
class Dressing:
    """What an editor wants on the renditions of one source; each profile takes what its platform allows.

    `logo` is a PNG; `opening` and `closing` are videos; `subtitles` is SRT or WebVTT, burnt in where asked and
    else put beside; `ai_text` is the explicit label ("AI生成"), `ai_voice` the spoken one that goes before
    recordings, `ai_mark` the implicit one.
    """

    crop: Crop | None = None
    logo: Path | None = None
    opening: Path | None = None
    closing: Path | None = None
    subtitles: Path | None = None
    burns_in: bool = False
    ai_text: str | None = None
    ai_voice: Path | None = None
    ai_mark: AiMark | None = None

    def identity(self) -> dict[str, object]:
        """What decides pixels and sound, files by their content; the same on any machine. Reads the files."""
        files = {
            name: hash_file(path).sha256
            for name in ("logo", "opening", "closing", "subtitles", "ai_voice")
            if (path := getattr(self, name)) is not None
        }
        crop = self.crop and [self.crop.x, self.crop.y, self.crop.width, self.crop.height]
        mark = self.ai_mark and self.ai_mark.to_json()
        return {**files, "crop": crop, "burns_in": self.burns_in, "ai_text": self.ai_text, "ai_mark": mark}


NOTHING = Dressing()


@dataclass(frozen=True, slots=True)
class _Ready:
    """The files of a dressing, copied, drawn and read."""

    logo: Path | None = None
    opening: Source | None = None
    closing: Source | None = None
    voice: Source | None = None
    srt: Path | None = None
    fonts: Path | None = None
    label: Path | None = None


async def dress(
    source: Source, profiles: Iterable[Profile], dressing: Dressing, work_dir: Path
) -> dict[str, Worn]:
    """What each profile wears, by its name. Raises what reading the files raises, and NotMedia for a crop outside."""
    _refuse_outside(source, dressing.crop)
    aigc = merged(source.facts.aigc, dressing.ai_mark)
    if dressing == NOTHING:
        return {each.name: Worn(aigc=aigc) for each in profiles} if aigc else {}
    ready = await _prepare(dressing, await asyncio.to_thread(work_dir.resolve))
    gains: dict[tuple[Path, Loudness], Tuned] = {}

    async def clip(of: Source | None, profile: Profile) -> Clip | None:
        if of is None:
            return None
        if profile.loudness is None:
            return Clip(of)
        key = (of.path, profile.loudness)
        if key not in gains:
            gains[key] = await tune(of, profile.loudness, work_dir)
        return Clip(of, gains[key].gain)

    worn = {}
    for profile in profiles:
        base = _worn(profile, dressing, ready, aigc)
        takes_clips = Extra.CLIPS in profile.extras and profile.output not in _STILL
        takes_voice = Extra.AI_LABEL in profile.extras and profile.output in _SOUND
        worn[profile.name] = _with_clips(
            base,
            await clip(ready.opening if takes_clips else None, profile),
            await clip(ready.closing if takes_clips else None, profile),
            await clip(ready.voice if takes_voice else None, profile),
        )
    return worn


def write_side_file(worn: Worn, out: Path) -> None:
    """Writes the subtitles of an output as WebVTT, behind its opening clip."""
    assert worn.side_file is not None  # noqa: S101 - asked by the caller
    opening_s = worn.opening.source.facts.duration_s or 0.0 if worn.opening else 0.0
    write_vtt(read_cues(worn.side_file), out, opening_s)


def _worn(profile: Profile, dressing: Dressing, ready: _Ready, aigc: str | None) -> Worn:
    extras = profile.extras
    is_boxed = profile.canvas is not None or profile.is_landscape
    has_subtitles = Extra.SUBTITLES in extras
    is_silent = profile.output in _SOUND
    return Worn(
        crop=dressing.crop if is_boxed else None,
        logo=ready.logo if Extra.LOGO in extras else None,
        subtitles=ready.srt if has_subtitles and dressing.burns_in else None,
        fonts=ready.fonts,
        side_file=ready.srt if has_subtitles and not dressing.burns_in else None,
        label=ready.label if Extra.AI_LABEL in extras and not is_silent else None,
        label_s=LABEL_S,
        aigc=aigc,
    )


def _with_clips(base: Worn, opening: Clip | None, closing: Clip | None, spoken: Clip | None) -> Worn:
    return replace(base, opening=opening, closing=closing, spoken=spoken)


async def _prepare(dressing: Dressing, work_dir: Path) -> _Ready:
    logo = await asyncio.to_thread(_copied, dressing.logo, work_dir / "logo.png")
    srt = fonts = label = None
    if dressing.subtitles:
        cues = await asyncio.to_thread(read_cues, dressing.subtitles)
        srt = work_dir / "subtitles.srt"
        await asyncio.to_thread(write_srt, cues, srt)
    if dressing.subtitles or dressing.ai_text:
        fonts = work_dir / "fonts"
        await asyncio.to_thread(_lay_out_font, fonts)
    if dressing.ai_text and fonts:
        label = work_dir / "label.png"
        await draw_label(dressing.ai_text, fonts / "sans.otf", label)
    opening, closing, voice = [
        await _opened(path) for path in (dressing.opening, dressing.closing, dressing.ai_voice)
    ]
    return _Ready(logo, opening, closing, voice, srt, fonts, label)


async def draw_label(text: str, font: Path, out: Path) -> None:
    """A PNG of the text, white on a dark veil, two thirds of its height being letters."""
    # Ideographs are as wide as they are high; Latin letters and figures a good half.
    width = sum(_FONT_PX if ord(letter) > 0x2E80 else _FONT_PX * 2 // 3 for letter in text) + _FONT_PX // 2
    written = out.with_suffix(".txt")
    await asyncio.to_thread(written.write_text, text, "utf-8")
    veil = f"color=c=black@0.55:s={width}x{_LABEL_PX}:r=1:d=1,format=rgba"
    letters = (
        f"drawtext=fontfile={font}:textfile={written}:expansion=none:fontsize={_FONT_PX}:fontcolor=white"
    )
    place = "x=(w-text_w)/2:y=(h-text_h)/2"
    args = [
        "-f",
        "lavfi",
        "-i",
        f"{veil},{letters}:{place}",
        "-frames:v",
        "1",
        "-f",
        "image2",
        "-update",
        "1",
    ]
    await _ffmpeg.run([*args, str(out)], _LIMITS, reads=[font, written])


def _lay_out_font(folder: Path) -> None:
    # Noto Sans SC (SIL Open Font License 1.1), from the package that ships it; beside the outputs, so that it is
    # within the guard's walls.
    from pylopdf_fonts_zh_cn import sans_path

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(sans_path(), folder / "sans.otf")


def _copied(path: Path | None, to: Path) -> Path | None:
    if path is None:
        return None
    shutil.copyfile(path, to)
    return to


async def _opened(path: Path | None) -> Source | None:
    if path is None:
        return None
    return Source(path, await look(path, await asyncio.to_thread(sniff, path)))


def _refuse_outside(source: Source, crop: Crop | None) -> None:
    width, height = source.facts.width or 0, source.facts.height or 0
    if crop is None:
        return
    is_inside = (
        crop.x >= 0 and crop.y >= 0 and crop.x + crop.width <= width and crop.y + crop.height <= height
    )
    if not is_inside or crop.width < 16 or crop.height < 16:
        raise NotMedia(
            Text(
                "裁剪框超出画面或过小，请重新框选。",
                "The crop lies outside the picture or is too small; choose it again.",
            )
        )
