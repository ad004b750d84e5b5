"""What an editor chose for a file is on what goes out: crop, logo, clips, subtitles; by pixels, time and text."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import pytest
from PIL import Image

from flows import intake, render
from media import _ffmpeg
from platforms.records import story_from
from platforms.story import Site
from platforms.story_page import story_page
from states.content import CropBox, Finishing
from states.events import Effect, Event
from storage import renditions
from storage.items import load_item
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.station import StationRole, keep_station_bytes, set_station_file
from storage.stories import story_record

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks")]
FILM_S, OPENING_S = 2.0, 1.0
SRT = "1\n00:00:00,200 --> 00:00:01,500\n新桥今天通车\n"
SITE = Site("青川融媒", "https://news.example.org", "https://media.example.org", "https://pages.example.net")
FILM = "color=0x808080:s=640x360:r=25:d={},drawbox=x=0:y=0:w=320:h=360:color=black:t=fill"
OPENING = "color=0x2040c0:s=320x180:r=25:d={}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, run_apart: Any) -> dict[str, Path]:
    """A film with a black left half, its subtitles, a red logo, and a blue clip."""
    folder = tmp_path_factory.mktemp("finishing")
    made = {name: folder / name for name in ("film.mp4", "opening.mp4", "film.srt", "logo.png")}
    for name, graph, seconds in (("film.mp4", FILM, FILM_S), ("opening.mp4", OPENING, OPENING_S)):
        run_apart(
            lambda name=name, graph=graph, s=seconds: asyncio.run(_film(made[name], graph.format(s), s))
        )
    made["film.srt"].write_text(SRT, "utf-8")
    Image.new("RGBA", (400, 400), (255, 0, 0, 255)).save(made["logo.png"])
    return made


async def _film(path: Path, graph: str, seconds: float) -> None:
    sources = ["-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", f"sine=d={seconds}"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    await _ffmpeg.run([*sources, *codecs, str(path)], _ffmpeg.Limits(wall_s=60, file_bytes=20_000_000))


@pytest.fixture
async def made(desk: Any, files: dict[str, Path], tmp_path: Path) -> Any:
    """made(finishing): the files of each profile of the film, fetched, past intake and the first review."""

    async def render_with(finishing: Finishing | None, **content: Any) -> tuple[UUID, dict[str, list[Path]]]:
        item = await _sent_in(desk, files, finishing, **content)
        fence = await desk.take(Effect.RENDER, item)
        sha256 = await desk.newsroom.revision(item)
        await render.render.fn(item, sha256, fence.outbox_id, fence.attempt)
        return item, await _fetched(desk, item, tmp_path)

    return render_with


async def _sent_in(desk: Any, files: dict[str, Path], finishing: Finishing | None, **content: Any) -> UUID:
    newsroom = desk.newsroom
    item: UUID = (await newsroom.draft(**content)).id
    assets = [await desk.add_file(item, path) for path in files.values()]
    await _choose(desk, item, assets, finishing)
    await newsroom.send(item, Event.SUBMIT, "writer")
    fence = await desk.take(Effect.INTAKE, item)
    await intake.intake.fn(item, await newsroom.revision(item), fence.outbox_id, fence.attempt)
    for role, asset in (("logo", assets[3]), ("opening", assets[1])):
        await _set_station(desk, role, item, asset.sha256)
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.APPROVE, "duty")
    return item


async def _choose(desk: Any, item: UUID, assets: Any, finishing: Finishing | None) -> None:
    """The film with its finishing, and its subtitles; the station's files go to no reader."""
    async with desk.newsroom.db.transaction() as session:
        refs = {ref.sha256: ref for ref in (await load_item(session, item)).content.assets}
    film, _, text, _ = (refs[asset.sha256] for asset in assets)
    if finishing is not None and finishing.subtitles:
        finishing = replace(finishing, subtitles=text.sha256)
    await desk.newsroom.edit(item, assets=(replace(film, finishing=finishing), text))


async def _set_station(desk: Any, role: StationRole, item: UUID, sha256: str) -> None:
    store = Objects(desk.settings)
    async with desk.newsroom.db.transaction() as session:
        asset = next(each for each in (await desk.assets(item)).values() if each.sha256 == sha256)
        key = await keep_station_bytes(store, asset)
        await set_station_file(session, role, asset, key, desk.newsroom.people["admin"].id)


async def _fetched(desk: Any, item: UUID, folder: Path) -> dict[str, list[Path]]:
    sha256, found = await desk.newsroom.revision(item), {}
    async with desk.newsroom.db.transaction() as session:
        made = await renditions.of_revision(session, item, sha256)
    assert {each.profile: each.refusal for each in made if each.state != "ready"} == {}
    for each in made:
        found[each.profile] = [folder / f"{each.key[:8]}-{Path(file['name']).name}" for file in each.files]
        for file, path in zip(each.files, found[each.profile], strict=True):
            await Objects(desk.settings).download(RENDITIONS, file["object_key"], path)
    return found


def _frame(path: Path, time_s: float) -> Image.Image:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= time_s:
                return frame.to_image()
    raise AssertionError(f"no frame at {time_s} s")


def _duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return float(container.duration or 0) / av.time_base


def _is_near(colour: tuple[int, ...], wanted: tuple[int, int, int]) -> bool:
    return all(abs(have - want) < 40 for have, want in zip(colour, wanted, strict=True))


async def test_logo_clip_and_side_file_are_on_what_readers_get(desk: Any, made: Any) -> None:
    wanted = Finishing(subtitles="film.srt", has_logo=True, has_clips=True)
    item, found = await made(wanted)
    film, cues = found["app_mp4"]
    assert abs(_duration_s(film) - FILM_S - OPENING_S) < 0.2  # no closing clip is set
    first, later = _frame(film, 0.5), _frame(film, 2.0)
    assert _is_near(first.getpixel((first.width // 2, first.height // 2)), (0x20, 0x40, 0xC0))
    corner = (later.width * 24 // 25 - 5, later.height // 25 + 10)
    assert _is_near(later.getpixel(corner), (255, 0, 0))
    assert "00:00:01.200 --> 00:00:02.500\n新桥今天通车" in cues.read_text("utf-8")  # behind the opening clip
    async with desk.newsroom.db.transaction() as session:
        story = story_from(await story_record(session, item, (await desk.item(item)).revision_number))
    assert '<track kind="captions" src="https://media.example.org/stories/' in story_page(story, SITE)


async def test_burnt_in_subtitles_are_in_the_picture_and_beside_nothing(made: Any) -> None:
    _, plain = await made(None)
    _, found = await made(Finishing(subtitles="film.srt", burns_in=True))
    assert [len(files["app_mp4"]) for files in (plain, found)] == [1, 1]
    bare, written = (_frame(files["app_mp4"][0], 1.0).convert("L") for files in (plain, found))
    low = (0, bare.height * 2 // 3, bare.width, bare.height)
    whites = [sum(picture.crop(low).histogram()[230:]) for picture in (bare, written)]
    assert whites[0] == 0
    assert whites[1] > 50


async def test_vertical_film_is_the_part_that_was_chosen(made: Any) -> None:
    _, plain = await made(None, destinations=("short",))
    _, found = await made(Finishing(crop=CropBox(400, 0, 200, 356)), destinations=("short",))
    for files, is_chosen in ((plain, False), (found, True)):
        picture = _frame(files["vertical_mp4"][0], 1.0).convert("L")
        left = picture.getpixel((picture.width // 6, picture.height // 2))
        assert (left > 90) is is_chosen, left


async def test_subtitles_that_are_none_are_told_with_the_piece(
    desk: Any, files: dict[str, Path], made: Any
) -> None:
    text = files["film.srt"].with_name("note.srt")
    text.write_text("这不是字幕。", "utf-8")
    item = await _sent_in(desk, files | {"film.srt": text}, Finishing(subtitles="film.srt"))
    fence = await desk.take(Effect.RENDER, item)
    await render.render.fn(item, await desk.newsroom.revision(item), fence.outbox_id, fence.attempt)
    told = (await desk.events(item))[-1]
    assert told.event == "media_failed"
    assert {each["code"] for each in told.facts["failed"]} == {"media.malformed"}
    assert all("字幕文件不是" in each["zh"] for each in told.facts["failed"])
