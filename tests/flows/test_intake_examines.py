"""What intake finds and keeps: signs once for a content, likenesses, malware, what platforms will not take."""

import asyncio
import json
import struct
import subprocess
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import imageio_ffmpeg
import pytest
from PIL import Image
from sqlmodel import col, select

from flows import examining, intake
from flows.context import NotYet
from media.probe import Probe, VideoFacts
from media.sniff import Kind
from states.content import AssetRef
from states.events import Effect, Event
from states.item import State
from storage.assets import looks_of
from storage.duplicates import matches_of
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.outbox import Fence
from storage.renditions import of_sources
from storage.tables import Asset, AssetMatch, FingerprintRow, OutboxRow

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks", "small_profiles")]


async def _sent_in(desk: Any, *files: Path, **content: Any) -> UUID:
    item: UUID = (await desk.newsroom.draft(**content)).id
    for file in files:
        await desk.add_file(item, file)
    await desk.newsroom.send(item, Event.SUBMIT, "writer")
    return item


async def _run(desk: Any, item: UUID, fence: Fence | None = None) -> None:
    fence = fence or await desk.take(Effect.INTAKE, item)
    sha256 = (await desk.item(item)).revision_sha256
    await intake.intake.fn(item, sha256, fence.outbox_id, fence.attempt)


async def _alike(desk: Any, item: UUID) -> dict[UUID, str]:
    """How the piece's one file is like those of others, by their pieces."""
    (asset,) = (await desk.assets(item)).values()
    async with desk.newsroom.db.transaction() as session:
        found = (await matches_of(session, [asset.id]))[asset.id]
    return {each.submission.id: each.kind.value for each in found}


def _saved(source: Path, path: Path, **options: Any) -> Path:
    with Image.open(source) as image:
        image.save(path, **options)
    return path


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of the files that were really looked through."""
    seen: list[str] = []
    real = examining.examine

    async def counting(path: Path, inspection: Any, *more: Any) -> Any:
        seen.append(inspection.sniffed.kind.value)
        return await real(path, inspection, *more)

    monkeypatch.setattr(examining, "examine", counting)
    return seen


async def test_same_content_is_looked_through_once_and_each_piece_names_the_other(
    desk: Any, still: Any, examined: list[str]
) -> None:
    pieces = [await _sent_in(desk, still(10)) for _ in range(2)]
    for item in pieces:
        await _run(desk, item)
    assert examined == ["still"]
    assert await _alike(desk, pieces[0]) == {pieces[1]: "same"}
    assert await _alike(desk, pieces[1]) == {pieces[0]: "same"}
    one, other = [(await desk.assets(item))["town-10.jpg"] for item in pieces]
    assert one.essence_sha256 == other.essence_sha256
    assert one.essence_sha256 is not None
    async with desk.newsroom.db.transaction() as session:
        looks = await looks_of(session, [one.id, other.id])
    assert looks[one.id] == looks[other.id]
    assert [each.at_s for each in looks[one.id]] == [None]


async def test_same_pixels_in_another_format_are_the_same_essence_and_a_smaller_copy_a_likely_one(
    desk: Any, still: Any, tmp_path: Path
) -> None:
    first = await _sent_in(desk, _saved(still(11), tmp_path / "一.png"))
    second = await _sent_in(desk, _saved(still(11), tmp_path / "二.tiff"))
    third = await _sent_in(desk, _saved(still(11), tmp_path / "三.jpg", quality=40))
    for item in (first, second, third):
        await _run(desk, item)
    assert await _alike(desk, first) == {second: "essence", third: "likely"}
    assert await _alike(desk, third) == {first: "likely", second: "likely"}
    assert [(await desk.item(item)).is_intake_done for item in (first, second, third)] == [True] * 3


async def test_own_earlier_revision_is_no_duplicate(desk: Any, still: Any, tmp_path: Path) -> None:
    item = await _sent_in(desk, _saved(still(12), tmp_path / "旧.png"))
    await _run(desk, item)
    await desk.newsroom.send(item, Event.CLAIM, "duty")
    await desk.newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", "请换一张清楚的")
    newer = await desk.add_file(item, _saved(still(12), tmp_path / "新.tiff"))
    await desk.newsroom.edit(item, assets=(AssetRef(newer.sha256, "新.tiff"),))
    await desk.newsroom.send(item, Event.SUBMIT, "writer")
    await _run(desk, item)
    async with desk.newsroom.db.transaction() as session:
        ids = [each.id for each in (await desk.assets(item)).values()]
        assert len(ids) == 2
        assert not (await session.exec(select(AssetMatch).where(col(AssetMatch.asset_id).in_(ids)))).all()


async def test_place_and_device_are_kept_apart_from_the_findings(
    desk: Any, still: Any, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Xiaomi", "Xiaomi 15"
    exif.get_ifd(0x8825).update({1: "N", 2: (31.0, 13.0, 49.44), 3: "E", 4: (121.0, 28.0, 25.32)})
    item = await _sent_in(desk, _saved(still(13), tmp_path / "现场.jpg", exif=exif))
    await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert asset.capture == {
        "latitude_deg": pytest.approx(31.2304, abs=1e-4),
        "longitude_deg": pytest.approx(121.4737, abs=1e-4),
        "device": "Xiaomi 15",
    }
    assert [each["code"] for each in asset.findings] == ["has_location"]
    assert "31.2" not in str(asset.findings) + str(asset.probe)
    assert "31.2" not in str([each.facts for each in await desk.events(item)])


@pytest.mark.parametrize("place", ["put_matches", "put_intake_passed"])
async def test_killed_intake_that_runs_again_finds_the_same_once(
    desk: Any, still: Any, tmp_path: Path, examined: list[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    number = 20 if place == "put_matches" else 21
    first = await _sent_in(desk, still(number))
    await _run(desk, first)
    item = await _sent_in(desk, _saved(still(number), tmp_path / "再来.jpg", quality=50))

    async def dies(*given: Any) -> None:
        raise KeyboardInterrupt  # as a kill: nothing is settled

    module = examining.duplicates if place == "put_matches" else intake.assets
    with monkeypatch.context() as patch:
        patch.setattr(module, place, dies)
        with pytest.raises(KeyboardInterrupt):
            await _run(desk, item)
    assert not (await desk.item(item)).is_intake_done
    await _run(desk, item)
    assert examined == ["still", "still"]  # the first piece's, the second's; not again after the kill
    assert await _alike(desk, item) == {first: "likely"}
    (asset,) = (await desk.assets(item)).values()
    async with desk.newsroom.db.transaction() as session:
        rows = await session.exec(select(FingerprintRow).where(col(FingerprintRow.asset_id) == asset.id))
        assert len(rows.all()) == 1
    assert (await desk.item(item)).is_intake_done


async def test_package_keeps_its_list_of_files(desk: Any, tmp_path: Path) -> None:
    path = tmp_path / "页面.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("index.html", "<h1>专题</h1>")
        package.writestr("img/a.txt", "a")
    item = await _sent_in(desk, path)
    await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert asset.intake == "passed", asset.refusal
    assert asset.contents["package"]["index"] == "index.html"
    assert (asset.essence_sha256, asset.capture) == (None, None)


@asynccontextmanager
async def _clamd(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        while size := struct.unpack(">I", await reader.readexactly(4))[0]:
            await reader.readexactly(size)
        writer.write(answer + b"\0")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """scanned(address, max_bytes): the scanner of the next runs."""

    def use(address: str, max_bytes: int = 25 * 2**20) -> None:
        monkeypatch.setenv("SANSHEN_CLAMD", address)
        monkeypatch.setenv("SANSHEN_CLAMD_MAX_BYTES", str(max_bytes))

    return use


async def test_infected_file_returns_the_piece_before_anything_decoded_it(
    desk: Any, still: Any, examined: list[str], scanned: Any
) -> None:
    item = await _sent_in(desk, still(30))
    async with _clamd(b"stream: Win.Test.EICAR_HDB-1 FOUND") as address:
        scanned(address)
        await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert (asset.intake, asset.kind, asset.refusal["code"]) == ("refused", None, "media.infected")
    assert "Win.Test.EICAR_HDB-1" in asset.refusal["zh"]
    assert examined == []
    assert (await desk.item(item)).state == State.RETURNED


async def test_piece_waits_while_the_scanner_is_away_however_often_it_was_tried(
    desk: Any, still: Any, examined: list[str], scanned: Any
) -> None:
    item = await _sent_in(desk, still(31))
    scanned("tcp://127.0.0.1:9")
    fence = await desk.take(Effect.INTAKE, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    with pytest.raises(NotYet):
        await _run(desk, item, Fence(fence.outbox_id, 6))
    row = await desk.row(fence.outbox_id)
    assert (row.finished_at, row.has_failed) == (None, False)
    assert "SANSHEN_CLAMD" in row.last_error
    assert (await desk.item(item)).state == State.RECEIVED
    assert [each.intake for each in (await desk.assets(item)).values()] == ["waiting"]
    async with _clamd(b"stream: OK") as address:
        scanned(address)
        await _run(desk, item)
    assert (await desk.item(item)).is_intake_done
    assert examined == ["still"]


async def test_file_over_a_limit_of_the_scanner_passes_with_a_finding_if_it_is_only_ever_decoded(
    desk: Any, still: Any, scanned: Any
) -> None:
    item = await _sent_in(desk, still(32))
    async with _clamd(b"stream: OK") as address:
        scanned(address, 100)
        await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert [each["code"] for each in asset.findings] == ["not_scanned"]
    # The signs are found again for another piece; that one was scanned.
    again = await _sent_in(desk, still(32))
    async with _clamd(b"stream: OK") as address:
        scanned(address)
        await _run(desk, again)
    (asset,) = (await desk.assets(again)).values()
    assert asset.findings == []


async def test_package_over_a_limit_of_the_scanner_is_refused(
    desk: Any, tmp_path: Path, scanned: Any
) -> None:
    path = tmp_path / "页面.zip"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("index.html", "<h1>大</h1>")
    item = await _sent_in(desk, path)
    async with _clamd(b"stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND") as address:
        scanned(address)
        await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert (asset.intake, asset.refusal["code"]) == ("refused", "media.not_scanned")
    assert (await desk.item(item)).state == State.RETURNED


async def test_what_a_chosen_platform_will_not_take_is_on_record_before_the_first_review(
    desk: Any, still: Any
) -> None:
    item = await _sent_in(desk, still(33), destinations=("app", "short"))
    (asset,) = (await desk.assets(item)).values()
    rate = Fraction(25)
    video = VideoFacts(0, "h264", 720, 1280, 0, rate, False, 9, 0.0, 901.0, "yuv420p", 1, 1, False, False)
    film = Probe(Kind.VIDEO, "mp4", "mov", 1000, duration_s=901.0, video=video)
    await desk.change(Asset, asset.id, intake="passed", kind="video", probe=film.to_json())
    await _run(desk, item)
    told = (await desk.events(item))[-1]
    assert told.event == "intake_passed"
    (said,) = told.facts["not_taken"]
    assert (said["destination"], said["code"], said["sha256"]) == (
        "short",
        "vertical.not_taken",
        asset.sha256,
    )
    assert "900" in said["zh"]


def _film(path: Path, *args: str) -> Path:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-y", *args, str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One film three times: as it was made (its second second is black), in another container, and coded anew."""
    folder = tmp_path_factory.mktemp("films")
    graph = "mandelbrot=s=320x240:r=10:maxiter=200,drawbox=t=fill:c=black:enable='between(t,1,2.4)'"
    picture = ("-f", "lavfi", "-i", graph)
    sound = ("-f", "lavfi", "-i", "sine=440:r=48000")
    coded = ("-t", "4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
    first = _film(folder / "原片.mp4", *picture, *sound, *coded, "-metadata", "location=+31.2304+121.4737/")
    other = _film(folder / "换封装.mkv", "-i", str(first), "-c", "copy")
    again = _film(
        folder / "重编码.mp4", "-i", str(first), "-vf", "scale=240:180", "-crf", "32", "-b:a", "48k"
    )
    return {"made": first, "repacked": other, "coded": again}


async def test_film_is_looked_through_for_its_reviewers(desk: Any, films: dict[str, Path]) -> None:
    item = await _sent_in(desk, films["made"])
    await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert asset.intake == "passed", asset.refusal
    (black,) = [each for each in asset.findings if each["code"] == "black"]
    assert black["at_s"] == pytest.approx(1.0, abs=0.2)
    assert black["until_s"] == pytest.approx(2.5, abs=0.2)
    assert asset.capture["latitude_deg"] == pytest.approx(31.2304)
    async with desk.newsroom.db.transaction() as session:
        (made,) = await of_sources(session, [asset.sha256], ["review"])
        looks = (await looks_of(session, [asset.id]))[asset.id]
    by_role = {file["role"]: file for file in made.files}
    assert set(by_role) == {"cover", "storyboard", "cues", "waveform"}
    assert made.measured["covers"]
    for cover in made.measured["covers"]:
        assert not 1.0 <= cover["at_s"] < 2.4
    assert made.measured["loudness_lufs"] is not None
    objects = Objects(desk.settings)
    cues = await objects.read(RENDITIONS, by_role["cues"]["object_key"])
    assert cues.startswith(b"WEBVTT")
    waveform = json.loads(await objects.read(RENDITIONS, by_role["waveform"]["object_key"]))
    assert waveform["length"] * waveform["samples_per_pixel"] >= 4 * waveform["sample_rate"] * 0.95
    assert max(waveform["data"]) > 0
    assert looks
    assert all(each.at_s is not None for each in looks)


async def test_film_is_known_again_in_another_container_and_coded_anew(
    desk: Any, films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "REVIEW_PROFILES", ())  # no preview: this is about the signs
    pieces = {name: await _sent_in(desk, path) for name, path in films.items()}
    for item in pieces.values():
        await _run(desk, item)
    found = await _alike(desk, pieces["made"])
    assert {name: found[item] for name, item in pieces.items() if item in found} == {
        "repacked": "essence",
        "coded": "likely",
    }
