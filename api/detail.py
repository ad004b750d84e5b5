"""Putting together what a list and a page of submissions show."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import STAFF, Resources
from api.moves import sendable_events
from api.prefect_links import item_runs_url
from api.schemas.base import PersonRef, TextShown
from api.schemas.submissions import (
    AssetLinks,
    AssetShown,
    DestinationProblem,
    Finding,
    OverrideShown,
    ReleaseShown,
    SubmissionLine,
    SubmissionShown,
)
from platforms.records import story_from
from platforms.registry import PLATFORMS
from states.content import AssetRef, Content
from states.roles import Actor
from storage.assets import assets_of
from storage.destinations import list_destinations
from storage.items import LoadedItem
from storage.keys import ASSETS, RENDITIONS
from storage.objects import Objects
from storage.people import display_names
from storage.renditions import of_sources
from storage.seeing import visible_item
from storage.stories import story_record
from storage.tables import Asset, Rendition, Submission

# What intake makes for reviewers.
_REVIEW_PROFILES = ("preview", "poster", "thumbnail")

Names = Mapping[UUID, str]


def person(person_id: UUID, names: Names) -> PersonRef:
    """A person for showing."""
    return PersonRef(id=person_id, display_name=names.get(person_id, ""))


async def lines(session: AsyncSession, rows: Sequence[Submission]) -> list[SubmissionLine]:
    """The lines of a list, with the names of the people in them."""
    ids = {each for row in rows for each in (row.author_id, row.claimed_by) if each is not None}
    names = await display_names(session, ids) if ids else {}
    return [SubmissionLine(**_line(row, names)) for row in rows]


def _line(row: Submission, names: Names) -> dict[str, Any]:
    return {
        "id": row.id,
        "version": row.version,
        "state": row.state,
        "revision_number": row.revision_number,
        "revision_sha256": row.revision_sha256,
        "title": row.title,
        "column": row.column_name,
        "is_fast_track": row.is_fast_track,
        "author": person(row.author_id, names),
        "claimed_by": person(row.claimed_by, names) if row.claimed_by else None,
        "claimed_until": row.claimed_until,
        "stage": row.stage,
        "due_at": row.due_at,
        "live_revision_number": row.live_revision_number,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "published_at": row.published_at,
    }


async def submission_detail(
    session: AsyncSession, held: Resources, actor: Actor, submission_id: UUID
) -> SubmissionShown:
    """Everything that the page of a submission shows. Raises NotFound for what the actor may not see."""
    loaded = await visible_item(session, submission_id, actor)
    row = loaded.row
    override = row.override or {}
    asker = UUID(override["asker_id"]) if override else None
    ids = {each for each in (row.author_id, row.last_editor_id, row.claimed_by, asker) if each is not None}
    names = await display_names(session, ids)
    return SubmissionShown(
        **_line(row, names),
        content=loaded.content.to_json(),
        is_intake_done=row.is_intake_done,
        last_editor=person(row.last_editor_id, names),
        workflow_id=row.workflow_id,
        release=_release(loaded),
        override=OverrideShown(asked_by=person(asker, names), **override) if asker else None,
        allowed_events=list(sendable_events(loaded.item, actor)),
        assets=await _assets(session, held.objects, row.id, loaded.content),
        problems=await _problems(session, row, loaded.content),
        links=_links(held, actor, row),
    )


def _release(loaded: LoadedItem) -> ReleaseShown | None:
    at = loaded.item.release_at
    row = loaded.row
    return ReleaseShown(local=row.release_local, zone=row.release_zone, at=at) if at else None


def _links(held: Resources, actor: Actor, row: Submission) -> dict[str, str]:
    links = {}
    if actor.rights & STAFF:
        links["prefect_runs"] = item_runs_url(held.settings, row.id)
    if row.published_at is not None:
        links["story"] = f"{held.settings.reader_url}/stories/{row.id}"
    return links


async def _assets(
    session: AsyncSession, objects: Objects, submission_id: UUID, content: Content
) -> list[AssetShown]:
    if not content.assets:
        return []
    known = {asset.sha256: asset for asset in await assets_of(session, submission_id)}
    made = await of_sources(session, (asset.sha256 for asset in content.assets), _REVIEW_PROFILES)
    return [_asset(objects, ref, known[ref.sha256], made) for ref in content.assets]


def _asset(objects: Objects, ref: AssetRef, asset: Asset, made: Iterable[Rendition]) -> AssetShown:
    reviewed = {each.profile: each for each in made if each.source_sha256 == ref.sha256 and each.files}
    links = {
        profile: objects.presign_get(RENDITIONS, each.files[0]["object_key"], each.files[0]["name"])
        for profile, each in reviewed.items()
    }
    return AssetShown(
        sha256=ref.sha256,
        filename=ref.filename,
        caption=ref.caption,
        size_bytes=asset.size_bytes,
        intake=asset.intake,
        kind=asset.kind,
        media_type=asset.media_type,
        refusal=Finding(**asset.refusal) if asset.refusal else None,
        findings=[Finding(**each) for each in asset.findings],
        links=AssetLinks(original=objects.presign_get(ASSETS, asset.object_key, ref.filename), **links),
    )


async def _problems(session: AsyncSession, row: Submission, content: Content) -> list[DestinationProblem]:
    """What each chosen, open destination would say to the revision as it is now."""
    if not content.destinations:
        return []
    story = story_from(await story_record(session, row.id, row.revision_number))
    return [
        DestinationProblem(
            destination=destination.id,
            code=problem.code,
            text=TextShown.of(problem.text),
            limit=problem.limit,
            source=problem.source,
        )
        for destination in await list_destinations(session, content.destinations, open_only=True)
        for problem in PLATFORMS[destination.platform].check(story)
    ]
