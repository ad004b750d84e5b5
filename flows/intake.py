"""Intake: every file of a revision is scanned, read, recognised, looked through, compared, and given a preview."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlmodel.ext.asyncio.session import AsyncSession

from flows.catalogue import run_name
from flows.context import Work, working
from flows.examining import examine_file
from flows.making import keep, make_once
from flows.passing import blame_full_disk, check_room
from media.errors import MediaError, RetryableMediaError
from media.job import Source
from media.keys import rendition_key
from media.probe import Probe
from media.profiles import PROFILES, profiles_for
from media.render import make_renditions
from platforms.registry import PLATFORMS
from platforms.taking import not_taken
from states.content import Content
from states.events import Event
from storage import assets
from storage.destinations import list_destinations
from storage.items import load_item
from storage.keys import ASSETS
from storage.renditions import Wanted
from storage.tables import Asset, Destination

# What reviewers look at; made at once, so that nobody waits for the full renditions.
REVIEW_PROFILES = ("preview", "poster", "thumbnail")


@flow(name="intake", description="入库检查 · scan, recognise, look through and preview what was sent in")
async def intake(submission_id: UUID, revision_sha256: str, outbox_id: int, attempt: int) -> None:
    """Check every file of the revision, then tell the item whether it can be reviewed."""
    async with working(outbox_id, attempt) as work:
        waiting = await _waiting_assets(work, submission_id)
        for asset in waiting:
            await check_asset.with_options(task_run_name=run_name(f"check {asset.filename}"))(work, asset)
        await _report(work, submission_id, revision_sha256)


async def _waiting_assets(work: Work, submission_id: UUID) -> list[Asset]:
    async with work.transaction() as session:
        return [each for each in await assets.assets_of(session, submission_id) if each.intake == "waiting"]


@task(cache_policy=NO_CACHE)
async def check_asset(work: Work, asset: Asset) -> None:
    """One file: read it back, examine it, make what reviewers look at. A refusal is kept with its reason."""
    with tempfile.TemporaryDirectory(prefix="sanshen-intake-") as folder:
        path = Path(folder) / "source"
        check_room(path.parent, asset.size_bytes)
        await work.objects.download(ASSETS, asset.object_key, path)
        try:
            source = await examine_file(work, asset, path)
            await _make_review_copies(work, asset, source)
        except MediaError as error:
            blame_full_disk(error, path.parent)
            if isinstance(error, RetryableMediaError) and not work.is_last_attempt:
                raise
            async with work.transaction() as session:
                await assets.put_intake_refused(
                    session, asset.id, {"code": error.code, **error.text.to_json()}
                )
            return
    async with work.transaction() as session:
        await assets.put_intake_passed(session, asset.id)


async def _make_review_copies(work: Work, asset: Asset, source: Source) -> None:
    profiles = [PROFILES[each.name] for each in profiles_for(source.facts.kind, REVIEW_PROFILES)]
    wanted = [Wanted(rendition_key(asset.sha256, each), asset.sha256, each.name) for each in profiles]

    async def make(ours: Sequence[Wanted]) -> None:
        by_name = {each.profile: each for each in ours}
        with tempfile.TemporaryDirectory(prefix="sanshen-preview-") as folder:
            asked = [each for each in profiles if each.name in by_name]
            for outcome in await make_renditions(source, asked, Path(folder)):
                if outcome.error is not None:
                    blame_full_disk(outcome.error, Path(folder))
                    raise outcome.error
                if outcome.rendered is not None:
                    await keep(work, by_name[outcome.profile], outcome.rendered)

    await make_once(work, wanted, make)


async def _report(work: Work, submission_id: UUID, revision_sha256: str) -> None:
    async with work.transaction() as session:
        content = (await load_item(session, submission_id)).content
        known = await _listed(session, submission_id, content)
        chosen = await list_destinations(session, content.destinations, open_only=True)
    refused = [
        {"filename": each.filename, "sha256": each.sha256, **(each.refusal or {})}
        for each in known
        if each.intake == "refused"
    ]
    if refused:
        await work.report(submission_id, Event.INTAKE_REFUSED, {"refused": refused}, revision_sha256)
        return
    facts: dict[str, Any] = {"assets": [each.sha256 for each in known]}
    if problems := [found for each in known for found in _not_taken(each, chosen)]:
        facts["not_taken"] = problems
    await work.report(submission_id, Event.INTAKE_PASSED, facts, revision_sha256)


async def _listed(session: AsyncSession, submission_id: UUID, content: Content) -> list[Asset]:
    listed = {asset.sha256 for asset in content.assets}
    return [each for each in await assets.assets_of(session, submission_id) if each.sha256 in listed]


def _not_taken(asset: Asset, chosen: list[Destination]) -> list[dict[str, Any]]:
    """What the chosen platforms will not take of a file, on record before the first review."""
    source = Source(Path(), Probe.from_json(asset.probe))
    return [
        {"destination": each.id, "sha256": asset.sha256, "code": problem.code, **problem.text.to_json()}
        for each in chosen
        for problem in not_taken(PLATFORMS[each.platform], source)
    ]
