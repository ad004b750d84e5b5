"""Renditions on real servers: planned for the destinations, made once, told to the item, or why not."""

import json
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image, ImageChops

from flows import intake, render, rendering
from media.aigc import in_xmp
from media.dressing import NOTHING
from media.errors import EncodeFailed, TimedOut
from media.made import Outcome
from platforms.records import story_from
from states.content import AssetRef
from states.events import Effect, Event
from states.item import State
from states.text import Text
from storage import renditions
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.outbox import Fence
from storage.stories import story_record
from storage.tables import OutboxRow

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("plain_tasks", "small_profiles")]
BARE: Any = defaultdict(lambda: NOTHING)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The profiles that were really made, in order, by intake and by render."""
    made: list[str] = []
    real, real_plan = intake.make_renditions, rendering.render_plan

    async def counting(source: Any, profiles: Any, folder: Any) -> Any:
        made.extend(each.name for each in profiles)
        return await real(source, profiles, folder)

    async def counting_plan(plan: Any, out_dir: Any, on_progress: Any = None) -> Any:
        made.extend(job.profile.name for run in plan.runs for job in run.jobs)
        async for outcome in real_plan(plan, out_dir, on_progress):
            yield outcome

    monkeypatch.setattr(intake, "make_renditions", counting)
    monkeypatch.setattr(rendering, "render_plan", counting_plan)
    return made


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """Profiles for which the encoder fails, and how."""
    errors: dict[str, Exception] = {}
    real = rendering.render_plan

    async def spoiling(plan: Any, out_dir: Any, on_progress: Any = None) -> Any:
        async for outcome in real(plan, out_dir, on_progress):
            error = errors.get(outcome.profile)
            yield Outcome(outcome.profile, error=error) if error else outcome

    monkeypatch.setattr(rendering, "render_plan", spoiling)
    return errors


async def _in_second_review(desk: Any, *files: Path, **content: Any) -> UUID:
    """Past intake and the first review, so that its renditions are wanted."""
    newsroom = desk.newsroom
    item: UUID = (await newsroom.draft(**content)).id
    for file in files:
        await desk.add_file(item, file)
    await newsroom.send(item, Event.SUBMIT, "writer")
    fence = await desk.take(Effect.INTAKE, item)
    sha256 = await newsroom.revision(item)
    await intake.intake.fn(item, sha256, fence.outbox_id, fence.attempt)
    await _first_review(desk, item)
    return item


async def _first_review(desk: Any, item: UUID) -> None:
    await desk.newsroom.send(item, Event.CLAIM, "duty")
    await desk.newsroom.send(item, Event.APPROVE, "duty")


async def _run(desk: Any, item: UUID, fence: Fence | None = None, sha256: str | None = None) -> None:
    fence = fence or await desk.take(Effect.RENDER, item)
    sha256 = sha256 or await desk.newsroom.revision(item)
    await render.render.fn(item, sha256, fence.outbox_id, fence.attempt)


async def _made(desk: Any, item: UUID) -> dict[str, Any]:
    sha256 = await desk.newsroom.revision(item)
    async with desk.newsroom.db.transaction() as session:
        return {each.profile: each for each in await renditions.of_revision(session, item, sha256)}


async def test_renditions_of_the_chosen_destinations_are_made_and_told(desk: Any, still: Any) -> None:
    item = await _in_second_review(desk, still(11))
    await _run(desk, item)
    found = await _made(desk, item)
    assert {name: each.state for name, each in found.items()} == {"app_still": "ready", "thumbnail": "ready"}
    store = Objects(desk.settings)
    for each in found.values():
        for file in each.files:
            stored = await store.hash_object(RENDITIONS, file["object_key"])
            assert (stored.sha256, stored.size_bytes) == (file["sha256"], file["size_bytes"])
    row = await desk.item(item)
    assert row.media_revision_sha256 == row.revision_sha256
    assert row.media_manifest_sha256 == renditions.manifest_sha256(found.values())
    async with desk.newsroom.db.transaction() as session:
        story = story_from(await story_record(session, item, row.revision_number))
    assert set(story.media[0].renditions) == {"app_still", "thumbnail"}


async def test_piece_declared_generated_goes_out_labelled_and_others_do_not(desk: Any, still: Any) -> None:
    file, made = still(47), {}
    for label in ("none", "assisted", "generated"):
        item = await _in_second_review(desk, file, ai_label=label, title=label)
        await _run(desk, item)
        made[label] = ((await _made(desk, item))["app_still"], item)
    plain, assisted, labelled = (made[label][0] for label in made)
    assert plain.key == assisted.key != labelled.key
    files = [file["object_key"] for each in (plain, labelled) for file in each.files]
    bare, marked = [Image.open(BytesIO(await Objects(desk.settings).read(RENDITIONS, key))) for key in files]
    assert in_xmp(bare.info.get("xmp", b"")) is None
    fields = json.loads(in_xmp(marked.info["xmp"]) or "{}")
    assert (fields["Label"], fields["PropagateID"]) == ("1", str(made["generated"][1]))
    assert ImageChops.difference(bare.convert("L"), marked.convert("L")).getbbox()


async def test_plan_takes_what_each_destination_needs_of_each_kind(desk: Any, still: Any) -> None:
    item = await _in_second_review(desk, still(11), destinations=("short", "app"))
    work = await desk.work(Effect.RENDER, item)
    plan = await render.plan_renditions(work, item, await desk.newsroom.revision(item), BARE)
    assert plan is not None
    assert sorted(each.profile for each in plan.wanted) == ["app_still", "thumbnail"]  # no video, no vertical
    assert {each.id for each in plan.destinations} == {"app", "short"}


async def test_problem_of_a_platform_is_told_with_its_destination(desk: Any, still: Any) -> None:
    item = await _in_second_review(desk, still(11), destinations=("short",))
    await _run(desk, item)
    problems = (await desk.item(item)).media_problems
    assert [(each["destination"], each["code"]) for each in problems] == [
        ("短视频", "vertical.video_missing")
    ]


async def test_run_of_an_old_revision_does_nothing(desk: Any, still: Any, counted: list[str]) -> None:
    item = await _in_second_review(desk, still(11))
    old = await desk.newsroom.revision(item)
    fence = await desk.take(Effect.RENDER, item)
    await desk.newsroom.send(item, Event.CLAIM, "head")
    await desk.newsroom.send(item, Event.RETURN_FOR_REVISION, "head", reason="补一句")
    await desk.newsroom.edit(item, title="新桥今日通车")
    counted.clear()
    await _run(desk, item, fence, sha256=old)
    assert counted == []
    assert await _made(desk, item) == {}  # nor is anything noted for the new one
    assert (await desk.item(item)).media_revision_sha256 is None
    assert (await desk.row(fence.outbox_id)).finished_at is not None


async def test_profile_that_fails_is_told_with_its_reason_and_the_others_are_made(
    desk: Any, still: Any, spoilt: dict[str, Exception]
) -> None:
    item = await _in_second_review(desk, still(12))
    spoilt["app_still"] = EncodeFailed(Text("编码失败", "the encoder failed"))
    await _run(desk, item)
    found = await _made(desk, item)
    assert {name: each.state for name, each in found.items()} == {"app_still": "failed", "thumbnail": "ready"}
    told = (await desk.events(item))[-1]
    assert told.event == "media_failed"
    (failed,) = told.facts["failed"]
    assert (failed["profile"], failed["zh"], failed["en"]) == ("app_still", "编码失败", "the encoder failed")
    assert (await desk.item(item)).media_revision_sha256 is None


async def test_trouble_that_may_pass_is_told_by_the_last_attempt(
    desk: Any, still: Any, spoilt: dict[str, Exception]
) -> None:
    item = await _in_second_review(desk, still(13))
    spoilt["app_still"] = TimedOut(Text("太慢", "too slow"))
    fence = await desk.take(Effect.RENDER, item)
    with pytest.raises(TimedOut):
        await _run(desk, item, fence)
    assert (await desk.events(item))[-1].event == "approve"
    assert (await _made(desk, item))["app_still"].state == "wanted"
    fence = await desk.take(Effect.RENDER, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    await _run(desk, item, Fence(fence.outbox_id, 6))
    assert (await desk.events(item))[-1].event == "media_failed"


async def test_second_revision_with_the_same_file_is_not_encoded_again(
    desk: Any, still: Any, counted: list[str]
) -> None:
    item = await _in_second_review(desk, still(14))
    await _run(desk, item)
    assert sorted(counted) == ["app_still", "thumbnail"]
    counted.clear()
    await desk.newsroom.send(item, Event.CLAIM, "head")
    await desk.newsroom.send(item, Event.RETURN_FOR_REVISION, "head", reason="补一句")
    await desk.newsroom.edit(item, title="新桥今日通车")
    await desk.newsroom.send(item, Event.SUBMIT, "writer")
    fence = await desk.take(Effect.INTAKE, item)
    await intake.intake.fn(item, await desk.newsroom.revision(item), fence.outbox_id, fence.attempt)
    await _first_review(desk, item)
    await _run(desk, item)
    assert counted == []
    assert (await desk.item(item)).media_revision_sha256 == await desk.newsroom.revision(item)


async def test_run_after_a_crash_makes_only_what_is_missing(
    desk: Any, still: Any, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await _in_second_review(desk, still(15))
    counted.clear()
    real = renditions.put_ready

    async def dies_before_noting(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(renditions, "put_ready", dies_before_noting)
        with pytest.raises(KeyboardInterrupt):
            await _run(desk, item)
    assert renditions.put_ready is real
    assert counted == ["app_still"]  # its files are in the store, and no row says so
    await _run(desk, item)
    assert counted == ["app_still", "app_still"]
    assert (await desk.item(item)).media_revision_sha256 is not None


async def test_run_again_after_sign_off_changes_nothing_that_was_signed(
    desk: Any, newsroom: Any, still: Any, monkeypatch: pytest.MonkeyPatch, small_profiles: Any
) -> None:
    """The run died between its word and its end; meanwhile the piece was signed, and the software renewed."""
    item = await _in_second_review(desk, still(17))
    fence = await desk.take(Effect.RENDER, item)
    await _run(desk, item, fence)
    for reviewer in ("head", "chief"):
        await newsroom.send(item, Event.CLAIM, reviewer)
        await newsroom.send(item, Event.APPROVE, reviewer)
    signed = (await desk.item(item)).media_manifest_sha256
    _renew_the_software(monkeypatch)
    await desk.change(OutboxRow, fence.outbox_id, finished_at=None)
    again = await desk.claim(fence.outbox_id)
    await _run(desk, item, again)
    assert renditions.manifest_sha256((await _made(desk, item)).values()) == signed
    row = await desk.item(item)
    assert (row.state, row.media_manifest_sha256) == (State.APPROVED, signed)


def _renew_the_software(monkeypatch: pytest.MonkeyPatch) -> None:
    real = render.key_of
    monkeypatch.setattr(render, "key_of", lambda *given: real(*given)[::-1])


async def test_run_again_with_renewed_software_forgets_what_the_old_one_planned(
    desk: Any, still: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await _in_second_review(desk, still(18))
    work = await desk.work(Effect.RENDER, item)
    await render.plan_renditions(work, item, await desk.newsroom.revision(item), BARE)  # and then it dies
    _renew_the_software(monkeypatch)
    await _run(desk, item)
    assert {each.state for each in (await _made(desk, item)).values()} == {"ready"}
    row = await desk.item(item)
    assert row.media_revision_sha256 == row.revision_sha256


async def test_file_name_with_braces_is_shown_as_it_is(
    desk: Any, still: Any, tmp_path: Path, plain_tasks: Any
) -> None:
    path = tmp_path / "{work}.jpg"
    path.write_bytes(still(11).read_bytes())
    item = await _in_second_review(desk, path)
    await _run(desk, item)
    assert plain_tasks["check_asset"].names[-1].format() == "check {work}.jpg"
    assert plain_tasks["render_source"].names[-1].format() == "{work}.jpg · 2 个成品"


async def test_closed_destination_wants_nothing(desk: Any, newsroom: Any, still: Any) -> None:
    from storage.destinations import add_destination
    from storage.tables import Destination

    async with newsroom.db.transaction() as session:
        await add_destination(
            session, Destination(id="closed", platform="app", name="停用", is_enabled=False)
        )
    item = await _in_second_review(desk, still(11), destinations=("closed", "short"))
    await _run(desk, item)
    assert await _made(desk, item) == {}


async def test_asset_that_is_no_longer_listed_is_not_rendered(desk: Any, still: Any) -> None:
    newsroom = desk.newsroom
    item = (await newsroom.draft()).id
    kept, dropped = await desk.add_file(item, still(11)), await desk.add_file(item, still(19))
    await newsroom.edit(item, assets=(AssetRef(kept.sha256, kept.filename),))
    await newsroom.send(item, Event.SUBMIT, "writer")
    fence = await desk.take(Effect.INTAKE, item)
    await intake.intake.fn(item, await newsroom.revision(item), fence.outbox_id, fence.attempt)
    await _first_review(desk, item)
    await _run(desk, item)
    sources = {each.source_sha256 for each in (await _made(desk, item)).values()}
    assert sources == {kept.sha256}
    assert dropped.sha256 not in sources
