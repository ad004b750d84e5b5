"""`sanshen media`: plans and renditions of one file at the terminal, without any server."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.stack.terminal import reader_language
from media.errors import MediaError
from media.job import Source
from media.made import Outcome
from media.profiles_form import Profile
from media.sniff import Kind
from states.text import Text

if TYPE_CHECKING:  # what these load takes a while, and --help needs none of it
    from media.dressing import Dressing
    from media.job import Crop

media_app = typer.Typer(
    no_args_is_help=True, help="成品制作，无需服务。 Renditions of a file, without a server."
)

_FILE = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="素材文件。 The file.")
]
_FOR = Annotated[
    str,
    typer.Option(
        "--for", help="平台或成品名，逗号分隔；默认全部。 Platforms or renditions, with commas; else all."
    ),
]


def _file_option(words: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(exists=True, dir_okay=False, readable=True, help=words)
    return option


_OUT = Annotated[Path, typer.Option("--out", "-o", help="输出文件夹。 The folder for the renditions.")]
_CROP = Annotated[
    str | None,
    typer.Option(
        help="裁剪 x,y,宽,高（源像素），用于竖屏等。 Crop: x,y,width,height in pixels of the source."
    ),
]
_LOGO = Annotated[Path | None, _file_option("台标 PNG。 The logo, a PNG.")]
_OPENING = Annotated[Path | None, _file_option("片头视频。 A clip that goes before the piece.")]
_CLOSING = Annotated[Path | None, _file_option("片尾视频。 A clip that goes behind the piece.")]
_SUBTITLES = Annotated[Path | None, _file_option("字幕 SRT/VTT。 Subtitles.")]
_BURN_IN = Annotated[
    bool,
    typer.Option(
        "--burn-in/--beside", help="字幕烧录或另存。 Subtitles in the picture, or a file beside it."
    ),
]
_AI_LABEL = Annotated[
    str | None, typer.Option(help="AI 显式标识文字。 The label that is seen on AI-made content.")
]
_AI_VOICE = Annotated[Path | None, _file_option("AI 语音标识，置于录音前。 The label that is heard.")]
_AI_PRODUCER = Annotated[
    str | None,
    typer.Option(help="AI 隐式标识：生成者编码。 The implicit mark: the code of who made the content."),
]


@media_app.command()
def plan(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: _FILE,
    destinations: _FOR = "",
    crop: _CROP = None,
    logo: _LOGO = None,
    opening: _OPENING = None,
    closing: _CLOSING = None,
    subtitles: _SUBTITLES = None,
    burn_in: _BURN_IN = True,
    ai_label: _AI_LABEL = None,
    ai_voice: _AI_VOICE = None,
    ai_producer: _AI_PRODUCER = None,
) -> None:
    """显示处理方案及命令，不制作。 Show what would be run, with the commands; make nothing."""
    options = [logo, opening, closing, subtitles, burn_in, ai_label, ai_voice]
    with _refusing():
        for line in asyncio.run(_plan_lines(file, destinations, _dressing(crop, ai_producer, *options))):
            typer.echo(line)


@media_app.command()
def render(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: _FILE,
    destinations: _FOR = "app",
    out: _OUT = Path("renditions"),
    crop: _CROP = None,
    logo: _LOGO = None,
    opening: _OPENING = None,
    closing: _CLOSING = None,
    subtitles: _SUBTITLES = None,
    burn_in: _BURN_IN = True,
    ai_label: _AI_LABEL = None,
    ai_voice: _AI_VOICE = None,
    ai_producer: _AI_PRODUCER = None,
) -> None:
    """制作成品。 Make the renditions."""
    options = [logo, opening, closing, subtitles, burn_in, ai_label, ai_voice]
    with _refusing():
        outcomes = asyncio.run(_render(file, destinations, out, _dressing(crop, ai_producer, *options)))
    _show(outcomes)
    sys.exit(0 if all(outcome.rendered for outcome in outcomes) else 1)


_DRESSED_BY = ("logo", "opening", "closing", "subtitles", "burns_in", "ai_text", "ai_voice")


def _dressing(crop: str | None, ai_producer: str | None, *options: Any) -> "Dressing":
    """What the options ask for; NOTHING without any, so that a conforming source is still taken over."""
    from media.aigc import AiMark
    from media.dressing import Dressing

    named = dict(zip(_DRESSED_BY, options, strict=True))
    named["burns_in"] = bool(named["burns_in"] and named["subtitles"])
    mark = AiMark(producer=ai_producer) if ai_producer else None
    return Dressing(crop=_crop(crop), ai_mark=mark, **named)


def _crop(words: str | None) -> "Crop | None":
    from media.job import Crop

    if words is None:
        return None
    try:
        x, y, width, height = (int(part) for part in words.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{words}? x,y,宽,高 x,y,width,height", param_hint="--crop") from error
    return Crop(x, y, width, height)


class _refusing:  # noqa: N801 - reads as a word in a with statement
    """Turns what media refuses into words in the reader's language and a status of 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MediaError):
            sys.exit(_words(error.text))


def _words(text: Text) -> str:
    return text.in_language(reader_language())


async def _opened(file: Path) -> Source:
    from media.inspect import inspect

    return Source(file, (await inspect(file)).probe)


async def _plan_lines(file: Path, destinations: str, dressing: "Dressing") -> list[str]:
    import tempfile

    from media.render import plan_for

    source = await _opened(file)
    with tempfile.TemporaryDirectory(prefix="sanshen-plan-") as work:
        wanted = profiles_named(source.facts.kind, destinations)
        made = await plan_for(source, wanted, Path(work), dressing)
    return made.lines()


async def _render(file: Path, destinations: str, out: Path, dressing: "Dressing") -> list[Outcome]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from media.render import make_renditions

    source = await _opened(file)
    wanted = profiles_named(source.facts.kind, destinations)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(file.name, total=1.0)
        return await make_renditions(
            source, wanted, out, lambda value: progress.update(task, completed=value), dressing
        )


def profiles_named(kind: Kind, names: str) -> tuple[Profile, ...]:
    """The renditions of this kind for platforms ("app,douyin") or by their own names; all for none.

    typer.BadParameter for a name that is neither.
    """
    from media.profiles import PROFILES, profiles_for

    wanted: list[str] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        found = _renditions_of(name, kind)
        if not found:
            known = ", ".join(sorted({each.split("_")[0] for each in PROFILES}))
            raise typer.BadParameter(f"{name}? 可用 known: {known}", param_hint="--for")
        wanted += found
    return profiles_for(kind, wanted or list(PROFILES))


def _renditions_of(name: str, kind: Kind) -> Sequence[str]:
    from media.profiles import PROFILES
    from platforms.registry import PLATFORMS

    if name in PROFILES:
        return [name]
    of_platform = list(PLATFORMS[name].renditions.get(kind.value, ())) if name in PLATFORMS else []
    return of_platform + [each for each in PROFILES if each.startswith(f"{name}_")]


def _show(outcomes: Sequence[Outcome]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("成品", "大小", "码率", "时长差", "SSIM", "VMAF", "LUFS", "说明")
    for outcome in outcomes:
        if outcome.rendered is None:
            why = _words(outcome.error.text) if outcome.error else ""
            table.add_row(f"✗ {outcome.profile}", *[""] * 6, why)
            continue
        measured, files = outcome.rendered.measured, outcome.rendered.files
        figures = [measured.get(key) for key in ("duration_difference_s", "ssim", "vmaf", "loudness_lufs")]
        notes = "；".join(_words(finding.text) for finding in outcome.rendered.findings) or files[0].name
        size = f"{outcome.rendered.size_bytes / 1e6:.2f} MB"
        rate = f"{measured['bitrate_bps'] / 1e6:.2f} Mb/s" if measured.get("bitrate_bps") else ""
        shown = ["" if figure is None else f"{figure:g}" for figure in figures]
        table.add_row(f"✓ {outcome.profile}", size, rate, *shown, notes)
    Console().print(table)
