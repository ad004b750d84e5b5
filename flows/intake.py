"""Intake: every file of a revision is read, recognised, and given a preview; what is no media is sent back."""

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.catalogue import run_name
from flows.context import Work, working
from flows.making import make_rendition
from media.errors import MediaError, RetryableMediaError
from media.inspect import Inspection, inspect
from media.keys import rendition_key
from media.profiles import PROFILES, profiles_for
from states.events import Event
from storage import assets
from storage.items import load_item
from storage.keys import ASSETS
from storage.renditions import Wanted
from storage.tables import Asset

# What reviewers look at; made at once, so that nobody waits for the full renditions.
REVIEW_PROFILES = ("preview", "poster", "thumbnail")


@flow(name="intake", description="入库检查 · hash, recognise and preview what was sent in")
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
    """One file: read it back, recognise it, make what reviewers look at. A refusal is kept with its reason."""
    with tempfile.TemporaryDirectory(prefix="sanshen-intake-") as folder:
        path = Path(folder) / "source"
        await work.objects.download(ASSETS, asset.object_key, path)
        try:
            inspection = await inspect(path, asset.filename)
            await _make_review_copies(work, asset, path, inspection)
        except MediaError as error:
            if isinstance(error, RetryableMediaError) and not work.is_last_attempt:
                raise
            async with work.transaction() as session:
                await assets.put_intake_refused(
                    session, asset.id, {"code": error.code, **error.text.to_json()}
                )
            return
    async with work.transaction() as session:
        await assets.put_intake_passed(session, asset.id, _found(inspection))


async def _make_review_copies(work: Work, asset: Asset, path: Path, inspection: Inspection) -> None:
    for profile in profiles_for(inspection.sniffed.kind, REVIEW_PROFILES):
        wanted = Wanted(rendition_key(asset.sha256, profile), asset.sha256, profile.name)
        await make_rendition(work, wanted, PROFILES[profile.name], path, inspection.probe)


def _found(inspection: Inspection) -> dict[str, Any]:
    return {
        "kind": inspection.sniffed.kind.value,
        "media_type": inspection.sniffed.media_type,
        "probe": inspection.probe.to_json(),
        "findings": [
            {"code": each.code, "at_s": each.at_s, **each.text.to_json()} for each in inspection.findings
        ],
    }


async def _report(work: Work, submission_id: UUID, revision_sha256: str) -> None:
    async with work.transaction() as session:
        content = (await load_item(session, submission_id)).content
        listed = {asset.sha256 for asset in content.assets}
        known = [each for each in await assets.assets_of(session, submission_id) if each.sha256 in listed]
    refused = [
        {"filename": each.filename, "sha256": each.sha256, **(each.refusal or {})}
        for each in known
        if each.intake == "refused"
    ]
    event = Event.INTAKE_REFUSED if refused else Event.INTAKE_PASSED
    facts = {"refused": refused} if refused else {"assets": [each.sha256 for each in known]}
    await work.report(submission_id, event, facts, revision_sha256)
