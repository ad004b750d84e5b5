"""Intake on real servers: what is refused and why, what passes, and what a crash does not do twice."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows import examining, intake
from media.errors import EncoderKilled, TimedOut
from media.probe import Probe
from states.events import Effect, Event
from states.item import State
from states.text import Text
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.outbox import Fence
from storage.renditions import of_sources
from storage.tables import OutboxRow

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks", "small_profiles")]


async def _sent_in(desk: Any, *files: Path) -> UUID:
    item: UUID = (await desk.newsroom.draft()).id
    for file in files:
        await desk.add_file(item, file)
    await desk.newsroom.send(item, Event.SUBMIT, "writer")
    return item


async def _run(desk: Any, item: UUID, fence: Fence | None = None) -> None:
    fence = fence or await desk.take(Effect.INTAKE, item)
    sha256 = (await desk.item(item)).revision_sha256
    await intake.intake.fn(item, sha256, fence.outbox_id, fence.attempt)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "假的.jpg"
    path.write_bytes(b"<html>not a picture</html>")
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The profiles that were really made, in order."""
    made: list[str] = []
    real = intake.make_renditions

    async def counting(source: Any, profiles: Any, folder: Any) -> Any:
        made.extend(each.name for each in profiles)
        return await real(source, profiles, folder)

    monkeypatch.setattr(intake, "make_renditions", counting)
    return made


async def test_sound_file_passes_with_what_reviewers_look_at(desk: Any, still: Any) -> None:
    item = await _sent_in(desk, still(1))
    await _run(desk, item)
    (asset,) = (await desk.assets(item)).values()
    assert (asset.intake, asset.kind, asset.media_type, asset.refusal) == (
        "passed",
        "still",
        "image/jpeg",
        None,
    )
    assert Probe.from_json(asset.probe).width == 320
    row = await desk.item(item)
    assert (row.state, row.is_intake_done) == (State.RECEIVED, True)
    async with desk.newsroom.db.transaction() as session:
        (thumbnail,) = await of_sources(session, [asset.sha256], ["thumbnail"])
    assert await Objects(desk.settings).exists(RENDITIONS, thumbnail.files[0]["object_key"])


async def test_file_that_is_no_media_returns_the_item_with_a_reason_in_both_languages(
    desk: Any, still: Any, bad: Path
) -> None:
    item = await _sent_in(desk, bad, still(1))
    await _run(desk, item)
    found = await desk.assets(item)
    assert (found["假的.jpg"].intake, found["town-1.jpg"].intake) == ("refused", "passed")
    refusal = found["假的.jpg"].refusal
    assert set(refusal) == {"code", "zh", "en"}
    assert all(refusal.values())
    assert (await desk.item(item)).state == State.RETURNED
    told = (await desk.events(item))[-1]
    assert told.event == "intake_refused"
    assert [each["filename"] for each in told.facts["refused"]] == ["假的.jpg"]


async def test_refused_file_taken_out_of_the_piece_no_longer_stands_in_its_way(
    desk: Any, still: Any, bad: Path
) -> None:
    item = await _sent_in(desk, bad, still(1))
    await _run(desk, item)
    good = (await desk.assets(item))["town-1.jpg"]
    from states.content import AssetRef

    await desk.newsroom.edit(item, assets=(AssetRef(good.sha256, good.filename),))
    await desk.newsroom.send(item, Event.SUBMIT, "writer")
    await _run(desk, item)
    assert (await desk.item(item)).is_intake_done


async def test_piece_without_files_passes(desk: Any) -> None:
    item = await _sent_in(desk)
    await _run(desk, item)
    assert (await desk.item(item)).is_intake_done


async def test_run_after_a_crash_does_not_repeat_what_is_done(
    desk: Any, still: Any, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await _sent_in(desk, still(2), still(3))
    real = examining.inspect

    async def dies_at_the_second(path: Path, name: str) -> Any:
        if name == "town-3.jpg":
            raise KeyboardInterrupt  # as a kill: nothing is settled
        return await real(path, name)

    with monkeypatch.context() as patch:
        patch.setattr(examining, "inspect", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            await _run(desk, item)
    assert counted == ["thumbnail"]
    assert not (await desk.item(item)).is_intake_done
    await _run(desk, item)
    assert counted == ["thumbnail", "thumbnail"]  # the second file's, and not the first one's again
    assert (await desk.item(item)).is_intake_done


async def test_same_content_in_another_piece_is_not_made_again(
    desk: Any, still: Any, counted: list[str]
) -> None:
    for _ in range(2):
        await _run(desk, await _sent_in(desk, still(4)))
    assert counted == ["thumbnail"]


async def test_run_after_the_item_was_withdrawn_tells_nothing(desk: Any, still: Any) -> None:
    item = await _sent_in(desk, still(1))
    await desk.newsroom.send(item, Event.WITHDRAW, "writer")
    fence = await desk.take(Effect.INTAKE, item)
    await _run(desk, item, fence)
    row = await desk.item(item)
    assert (row.state, row.is_intake_done) == (State.WITHDRAWN, False)
    assert (await desk.row(fence.outbox_id)).finished_at is not None


TOO_SLOW = TimedOut(Text("太慢", "too slow"))


@pytest.mark.parametrize("error", [TOO_SLOW, EncoderKilled(Text("被终止", "killed"))], ids=["slow", "killed"])
async def test_trouble_that_may_pass_is_tried_again_and_refused_by_the_last_attempt(
    desk: Any, still: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    item = await _sent_in(desk, still(1))

    async def fails(path: Path, name: str) -> Any:
        raise error

    monkeypatch.setattr(examining, "inspect", fails)
    fence = await desk.take(Effect.INTAKE, item)
    with pytest.raises(type(error)):
        await _run(desk, item, fence)
    assert (await desk.item(item)).state == State.RECEIVED
    fence = await desk.take(Effect.INTAKE, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    await _run(desk, item, Fence(fence.outbox_id, 6))
    assert (await desk.item(item)).state == State.RETURNED  # not received for ever
