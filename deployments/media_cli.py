"""`sanshen media`: plans and renditions of one file at the terminal, without any server."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deployments.stack.terminal import reader_language
from media.errors import MediaError
from media.job import Source
from media.made import Outcome
from media.profiles_form import Profile
from media.sniff import Kind
from states.text import Text

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


@media_app.command()
def plan(file: _FILE, destinations: _FOR = "") -> None:
    """显示处理方案及命令，不制作。 Show what would be run, with the commands; make nothing."""
    with _refusing():
        for line in asyncio.run(_plan_lines(file, destinations)):
            typer.echo(line)


@media_app.command()
def render(
    file: _FILE,
    destinations: _FOR = "app",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="输出文件夹。 The folder for the renditions.")
    ] = Path("renditions"),
    subtitles: Annotated[
        Path | None, typer.Option(exists=True, help="字幕 SRT/VTT，将烧录。 Subtitles, burnt in.")
    ] = None,
    logo: Annotated[Path | None, typer.Option(exists=True, help="台标 PNG。 The logo, a PNG.")] = None,
    ai_label: Annotated[str | None, typer.Option(help="AI 标识文字。 The label of AI-made content.")] = None,
) -> None:
    """制作成品。 Make the renditions."""
    from media.dressing import Dressing

    dressing = Dressing(logo=logo, subtitles=subtitles, burns_in=subtitles is not None, ai_text=ai_label)
    with _refusing():
        outcomes = asyncio.run(_render(file, destinations, out, dressing))
    _show(outcomes)
    sys.exit(0 if all(outcome.rendered for outcome in outcomes) else 1)


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


async def _plan_lines(file: Path, destinations: str) -> list[str]:
    import tempfile

    from media.render import plan_for

    source = await _opened(file)
    with tempfile.TemporaryDirectory(prefix="sanshen-plan-") as work:
        made = await plan_for(source, profiles_named(source.facts.kind, destinations), Path(work))
    return made.lines()


async def _render(file: Path, destinations: str, out: Path, dressing: object) -> list[Outcome]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from media.dressing import Dressing
    from media.render import make_renditions

    assert isinstance(dressing, Dressing)  # noqa: S101 - a type that is imported late
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

    table = Table("成品", "大小", "码率", "时长差", "SSIM", "LUFS", "说明")
    for outcome in outcomes:
        if outcome.rendered is None:
            why = _words(outcome.error.text) if outcome.error else ""
            table.add_row(f"✗ {outcome.profile}", "", "", "", "", "", why)
            continue
        measured, files = outcome.rendered.measured, outcome.rendered.files
        figures = [measured.get(key) for key in ("duration_difference_s", "ssim", "loudness_lufs")]
        notes = "；".join(_words(finding.text) for finding in outcome.rendered.findings) or files[0].name
        size = f"{outcome.rendered.size_bytes / 1e6:.2f} MB"
        rate = f"{measured['bitrate_bps'] / 1e6:.2f} Mb/s" if measured.get("bitrate_bps") else ""
        shown = ["" if figure is None else f"{figure:g}" for figure in figures]
        table.add_row(f"✓ {outcome.profile}", size, rate, *shown, notes)
    Console().print(table)
