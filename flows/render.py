"""Render: what a revision needs for its destinations is planned, made, checked, and told to the item."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.catalogue import run_name
from flows.context import Work, working
from flows.making import make_rendition
from media.errors import MediaError, RetryableMediaError
from media.keys import rendition_key as key_of
from media.probe import Probe
from media.profiles import PROFILES, profiles_for
from media.sniff import Kind
from platforms.records import story_from
from platforms.registry import PLATFORMS
from states.events import Event
from states.submission import MOVES_FROM
from storage import assets, renditions
from storage.destinations import list_destinations
from storage.items import LoadedItem, load_item
from storage.keys import ASSETS
from storage.renditions import Wanted
from storage.stories import story_record
from storage.tables import Asset, Destination


@dataclass(frozen=True, slots=True)
class Plan:
    """What one revision needs: its media, its destinations, and a rendition for each pair that fits."""

    submission_id: UUID
    revision_number: int
    revision_sha256: str
    media: dict[str, Asset]  # by sha256
    destinations: tuple[Destination, ...]
    wanted: tuple[Wanted, ...]


@flow(name="render", description="制作成品 · one rendition for every chosen platform")
async def render(submission_id: UUID, revision_sha256: str, outbox_id: int, attempt: int) -> None:
    """Make what the revision goes out with, then tell the item that it is ready, or what failed."""
    async with working(outbox_id, attempt) as work:
        plan = await plan_renditions(work, submission_id, revision_sha256)
        if plan is None:
            return
        await _make_all(work, plan)
        await _report(work, plan)


async def plan_renditions(work: Work, submission_id: UUID, revision_sha256: str) -> Plan | None:
    """Note every rendition that the revision needs; what is made already is found again by its key.

    None when the revision is no longer under review: a newer one has its own run, and what was signed with a
    signed one stays as it is.
    """
    async with work.transaction() as session:
        loaded = await load_item(session, submission_id)
        if not _is_under_review(loaded, revision_sha256):
            return None
        listed = {asset.sha256 for asset in loaded.content.assets}
        known = await assets.assets_of(session, submission_id)
        media = {each.sha256: each for each in known if each.sha256 in listed and each.kind in list(Kind)}
        chosen = await list_destinations(session, loaded.content.destinations, open_only=True)
        wanted = tuple(_wanted(media, chosen))
        await renditions.want(session, submission_id, loaded.row.revision_sha256, wanted)
    row = loaded.row
    return Plan(submission_id, row.revision_number, row.revision_sha256, media, tuple(chosen), wanted)


def _is_under_review(loaded: LoadedItem, revision_sha256: str) -> bool:
    row = loaded.row
    is_signed = row.signed_revision_number == row.revision_number
    takes_media = (Event.MEDIA_READY, loaded.item.state) in MOVES_FROM
    return row.revision_sha256 == revision_sha256 and takes_media and not is_signed


def _wanted(media: dict[str, Asset], chosen: list[Destination]) -> list[Wanted]:
    found: dict[str, Wanted] = {}
    for asset in media.values():
        kind = Kind(asset.kind or "")
        for destination in chosen:
            names = PLATFORMS[destination.platform].renditions.get(kind.value, ())
            for profile in profiles_for(kind, names):
                key = key_of(asset.sha256, profile)
                found[key] = Wanted(key, asset.sha256, profile.name)
    return list(found.values())


async def _make_all(work: Work, plan: Plan) -> None:
    """One source after the other, so that each is fetched once; one that fails blocks no other."""
    for sha256, asset in plan.media.items():
        todo = [each for each in plan.wanted if each.source_sha256 == sha256]
        async with _fetched(work, asset) as source:
            for wanted in todo:
                name = f"{PROFILES[wanted.profile].label.zh} {wanted.profile} · {asset.filename}"
                await render_one.with_options(task_run_name=run_name(name))(work, wanted, source, asset)


@asynccontextmanager
async def _fetched(work: Work, asset: Asset) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sanshen-source-") as folder:
        path = Path(folder) / "source"
        await work.objects.download(ASSETS, asset.object_key, path)
        yield path


@task(cache_policy=NO_CACHE)
async def render_one(work: Work, wanted: Wanted, source: Path, asset: Asset) -> None:
    """One rendition; a final failure is kept with its reason, so that the others go on."""
    try:
        probe = Probe.from_json(asset.probe)
        await make_rendition(work, wanted, PROFILES[wanted.profile], source, probe)
    except MediaError as error:
        if isinstance(error, RetryableMediaError) and not work.is_last_attempt:
            raise
        async with work.transaction() as session:
            await renditions.put_failed(session, wanted.key, {"code": error.code, **error.text.to_json()})


async def _report(work: Work, plan: Plan) -> None:
    async with work.transaction() as session:
        made = await renditions.of_revision(session, plan.submission_id, plan.revision_sha256)
        record = await story_record(session, plan.submission_id, plan.revision_number)
    failed = [
        {"profile": each.profile, "source_sha256": each.source_sha256, **(each.refusal or {})}
        for each in made
        if each.state != "ready"
    ]
    facts: dict[str, Any] = {"revision_sha256": plan.revision_sha256}
    if failed:
        facts |= {"failed": failed}
        await work.report(plan.submission_id, Event.MEDIA_FAILED, facts, plan.revision_sha256)
        return
    story = story_from(record)
    problems = [
        {"destination": destination.name, "code": problem.code, **problem.text.to_json()}
        for destination in plan.destinations
        for problem in PLATFORMS[destination.platform].check(story)
    ]
    facts |= {"manifest_sha256": renditions.manifest_sha256(made), "problems": problems}
    await work.report(plan.submission_id, Event.MEDIA_READY, facts, plan.revision_sha256)
