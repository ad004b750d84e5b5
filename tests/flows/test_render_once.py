"""Renditions of a clip, with real encoders: made once over all runs, kept one by one, and stopped when not wanted."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from sqlmodel import select

import media.render
from flows import context, making, render, rendering
from media.errors import EncodeFailed
from media.inspect import inspect
from media.profiles import PROFILES
from media.profiles_form import Bounds
from media.sample import make_clip
from states.events import Effect, Event
from states.item import State
from states.roles import SYSTEM
from storage import outbox, renditions
from storage.errors import LeaseLost
from storage.keys import RENDITIONS, rendition_key
from storage.objects import Objects
from storage.outbox import Fence
from storage.tables import Asset, Submission
from storage.tables.making import Making

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks")]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, run_apart: Any) -> Callable[..., Path]:
    """clip(number): a small clip with sound, of one second or more; another number is another content."""
    folder = tmp_path_factory.mktemp("clips")

    def made(number: int, seconds: int = 1) -> Path:
        path = folder / f"街景-{number}.mp4"
        if not path.exists():
            run_apart(lambda: asyncio.run(make_clip(path, seconds, 158 + 2 * number, 90)))
        return path

    return made


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The outputs that an encoder really made, in order, those of one process one after the other."""
    names: list[str] = []
    real = media.render._encode

    async def counting(source: Any, jobs: Any, on_progress: Any) -> None:
        names.extend(job.profile.name for job, _ in jobs)
        await real(source, jobs, on_progress)

    monkeypatch.setattr(media.render, "_encode", counting)
    return names


async def _with_clip(desk: Any, path: Path, **content: Any) -> UUID:
    """In the second review, as if intake had looked at the clip."""
    newsroom = desk.newsroom
    item: UUID = (await newsroom.draft(**content)).id
    asset = await desk.add_file(item, path)
    found = await inspect(path, path.name)
    probe = found.probe.to_json()
    await desk.change(Asset, asset.id, intake="passed", kind="video", media_type="video/mp4", probe=probe)
    await newsroom.send(item, Event.SUBMIT, "writer")
    await newsroom.send(item, Event.INTAKE_PASSED, SYSTEM)
    await newsroom.send(item, Event.CLAIM, "duty")
    await newsroom.send(item, Event.APPROVE, "duty")
    return item


async def _run(desk: Any, item: UUID, fence: Fence | None = None) -> None:
    fence = fence or await desk.take(Effect.RENDER, item)
    await render.render.fn(item, await desk.newsroom.revision(item), fence.outbox_id, fence.attempt)


async def _made(desk: Any, item: UUID) -> dict[str, Any]:
    sha256 = await desk.newsroom.revision(item)
    async with desk.newsroom.db.transaction() as session:
        return {each.profile: each for each in await renditions.of_revision(session, item, sha256)}


async def _in_the_making(desk: Any) -> list[str]:
    async with desk.newsroom.db.transaction() as session:
        return list((await session.exec(select(Making.rendition_key))).all())


async def test_same_clip_in_two_submissions_at_once_is_encoded_once(
    desk: Any, clip: Any, encoded: list[str]
) -> None:
    first = await _with_clip(desk, clip(1))
    second = await _with_clip(desk, clip(1), title="另一篇")
    await asyncio.gather(_run(desk, first), _run(desk, second))
    assert sorted(encoded) == ["app_audio", "app_hls", "app_mp4"]
    told = [(await desk.item(each)).media_manifest_sha256 for each in (first, second)]
    assert told[0] == told[1] is not None
    assert {each.state for each in (await _made(desk, second)).values()} == {"ready"}
    assert await _in_the_making(desk) == []
    encoded.clear()
    third = await _with_clip(desk, clip(1), title="第三篇")
    await _run(desk, third)
    assert encoded == []
    assert (await desk.item(third)).media_manifest_sha256 == told[0]


async def test_overlapping_wants_at_once_are_each_made_once(desk: Any, clip: Any, encoded: list[str]) -> None:
    """One wants what the other wants and more; neither waits for the other for ever."""
    app = await _with_clip(desk, clip(2))
    both = await _with_clip(desk, clip(2), destinations=("short", "app"))
    short = await _with_clip(desk, clip(2), destinations=("short",))
    async with asyncio.timeout(300):
        await asyncio.gather(_run(desk, both), _run(desk, app), _run(desk, short))
    assert len(encoded) == len(set(encoded))
    wanted = set(await _made(desk, both))
    assert wanted == set(await _made(desk, app)) | set(await _made(desk, short))
    assert set(encoded) <= wanted
    assert {(await desk.item(each)).media_revision_sha256 is None for each in (app, both, short)} == {False}


async def test_run_that_died_between_two_outputs_makes_only_what_is_missing(
    desk: Any, clip: Any, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await _with_clip(desk, clip(3))
    real, kept = rendering.keep, []

    async def dies_at_the_second(work: Any, wanted: Any, rendered: Any) -> None:
        if kept:
            raise KeyboardInterrupt
        kept.append(wanted.profile)
        await real(work, wanted, rendered)

    with monkeypatch.context() as patch:
        patch.setattr(rendering, "keep", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            await _run(desk, item)
    states = {name: each.state for name, each in (await _made(desk, item)).items()}
    assert [name for name, state in states.items() if state == "ready"] == kept
    encoded.clear()
    await _run(desk, item)
    assert kept[0] not in encoded
    assert set(encoded) <= set(states) - set(kept)
    assert {each.state for each in (await _made(desk, item)).values()} == {"ready"}


async def test_rendition_over_a_limit_fails_with_its_reason_and_the_others_are_made(
    desk: Any, clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(PROFILES["app_mp4"], bounds=Bounds(duration_s=1))
    monkeypatch.setattr(render, "PROFILES", {**PROFILES, "app_mp4": short})
    item = await _with_clip(desk, clip(4, seconds=2))
    await _run(desk, item)
    found = await _made(desk, item)
    assert {name for name, each in found.items() if each.state != "ready"} == {"app_mp4"}
    assert found["app_mp4"].refusal["code"] == "media.over_limit"
    assert "剪短" in found["app_mp4"].refusal["zh"]
    assert (await desk.events(item))[-1].event == "media_failed"


async def test_source_that_cannot_be_measured_fails_all_that_is_wanted_of_it(
    desk: Any, clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from states.text import Text

    async def unreadable(*_: Any) -> Any:
        raise EncodeFailed(Text("读不出", "not readable"))

    item = await _with_clip(desk, clip(5))
    monkeypatch.setattr(rendering, "plan_for", unreadable)
    await _run(desk, item)
    assert {each.state for each in (await _made(desk, item)).values()} == {"failed"}
    assert await _in_the_making(desk) == []


async def test_finished_renditions_carry_their_figures(desk: Any, clip: Any) -> None:
    item = await _with_clip(desk, clip(1))
    await _run(desk, item)
    found = await _made(desk, item)
    for name in ("app_hls", "app_mp4"):
        measured = found[name].measured
        assert abs(measured["duration_difference_s"]) < 0.1
        assert measured["frame_count"] == 25
        assert measured["bitrate_bps"] > 0
        assert measured["size_bytes"] == sum(file["size_bytes"] for file in found[name].files)
        assert 0.5 < measured["ssim"] <= 1


# What is no longer wanted.


async def _stored(desk: Any, prefix: str) -> list[str]:
    client = Objects(desk.settings)._client
    found = await asyncio.to_thread(lambda: list(client.list_objects(RENDITIONS, prefix, recursive=True)))
    return [each.object_name for each in found]


@pytest.fixture
async def frozen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Awaitable[psutil.Process]]]:
    """Gives the ffmpeg that encodes, held in the middle of its work: it ends when it is killed, and not before."""
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    found: list[psutil.Process] = []

    async def encoder() -> psutil.Process:
        async with asyncio.timeout(60):
            while True:
                for each in psutil.Process().children(recursive=True):
                    if each.pid not in before and _is_encoding(each):
                        each.suspend()
                        found.append(each)
                        return each
                await asyncio.sleep(0.005)

    yield encoder
    for each in found:
        if each.is_running():
            each.kill()


def _is_encoding(process: psutil.Process) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    return bool(command) and "ffmpeg" in Path(command[0]).name and any("out/app_" in part for part in command)


async def _withdrawn(desk: Any, item: UUID, fence: Fence) -> None:
    await desk.newsroom.send(item, Event.WITHDRAW, "writer")


async def _given_up(desk: Any, item: UUID, fence: Fence) -> None:
    """As the dispatcher does for a run that is cancelled in Prefect."""
    async with desk.newsroom.db.transaction() as session:
        await outbox.give_up(session, fence, "cancelled in Prefect")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every temporary file of the run lies where the test can see it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize(
    "ended",
    [(_withdrawn, None, False), (_given_up, LeaseLost, True)],
    ids=["withdrawn", "cancelled"],
)
async def test_encoder_of_what_is_no_longer_wanted_is_killed_and_leaves_nothing(
    desk: Any, clip: Any, frozen: Any, tmp_path: Path, temporary: None, ended: Any
) -> None:
    end, raised, has_failed = ended
    item = await _with_clip(desk, clip(6 if raised else 7, seconds=8))
    fence = await desk.take(Effect.RENDER, item)
    sha256 = await desk.newsroom.revision(item)
    running = asyncio.create_task(render.render.fn(item, sha256, fence.outbox_id, fence.attempt))
    ffmpeg = await frozen()
    await end(desk, item, fence)
    async with asyncio.timeout(60):
        if raised:
            with pytest.raises(raised):
                await running
        else:
            await running
    assert not ffmpeg.is_running() or ffmpeg.status() == psutil.STATUS_ZOMBIE
    assert list(tmp_path.iterdir()) == []
    async with desk.newsroom.db.transaction() as session:
        made = await renditions.of_revision(session, item, sha256)
    for each in made:
        if each.state != "ready":
            assert await _stored(desk, rendition_key(each.key, "")) == []
    assert "ready" not in {each.state for each in made if each.profile in ("app_hls", "app_mp4")}
    row = await desk.row(fence.outbox_id)
    assert (row.finished_at is not None, row.has_failed) == (True, has_failed)


async def test_returned_piece_stops_its_render_and_its_key_is_made_by_the_next(
    desk: Any, clip: Any, frozen: Any, encoded: list[str]
) -> None:
    """Another submission waits for the same rendition; it makes it when the first one lets go."""
    first, second = (
        await _with_clip(desk, clip(8, seconds=8)),
        await _with_clip(desk, clip(8), title="另一篇"),
    )
    running = asyncio.create_task(_run(desk, first))
    await frozen()
    waiting = asyncio.create_task(_run(desk, second))
    await desk.newsroom.send(first, Event.CLAIM, "head")
    await desk.newsroom.send(first, Event.RETURN_FOR_REVISION, "head", reason="换一段")
    async with asyncio.timeout(300):
        await running
        await waiting
    assert (await desk.item(first)).state == State.RETURNED
    assert {each.state for each in (await _made(desk, second)).values()} == {"ready"}
    assert (await desk.item(second)).media_revision_sha256 is not None


async def test_silent_holder_is_taken_over_and_writes_nothing_afterwards(
    desk: Any, clip: Any, encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was paused wakes up when another has made the rendition."""
    first, second = await _with_clip(desk, clip(9)), await _with_clip(desk, clip(9), title="另一篇")
    monkeypatch.setattr(context, "_LOOK_S", 3600)  # the first one's lease is not renewed
    fence = await desk.take(Effect.RENDER, first)
    stored, go_on = asyncio.Event(), asyncio.Event()
    real = making._store

    async def paused(work: Any, wanted: Any, rendered: Any) -> None:
        await real(work, wanted, rendered)
        if work.fence == fence:
            stored.set()
            await go_on.wait()

    monkeypatch.setattr(making, "_store", paused)
    old = asyncio.create_task(_run(desk, first, fence))
    await stored.wait()
    from datetime import UTC, datetime

    from storage.tables import OutboxRow

    await desk.change(OutboxRow, fence.outbox_id, leased_until=datetime(2020, 1, 1, tzinfo=UTC))
    await _run(desk, second)
    told = {name: each.files for name, each in (await _made(desk, second)).items()}
    go_on.set()
    await old  # its own attempt is still the current one, so it goes on with what there is
    assert {name: each.files for name, each in (await _made(desk, second)).items()} == told
    async with desk.newsroom.db.transaction() as session:
        manifests = await session.exec(
            select(Submission.media_manifest_sha256).where(Submission.id.in_([first, second]))  # type: ignore[attr-defined]
        )
    assert len(set(manifests.all())) == 1
