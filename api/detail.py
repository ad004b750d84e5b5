"""Putting together what a list and a page of submissions show."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import STAFF, Resources
from api.asset_view import assets_shown
from api.moves import sendable_events
from api.prefect_links import item_runs_url
from api.problem_view import problems_shown
from api.schemas.base import PersonRef
from api.schemas.submissions import (
    OverrideShown,
    ReleaseShown,
    SubmissionLine,
    SubmissionShown,
)
from states.roles import Actor
from storage.assets import assets_of
from storage.items import LoadedItem
from storage.people import display_names
from storage.seeing import visible_item
from storage.tables import Submission

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
    known = await assets_of(session, row.id) if loaded.content.assets else []
    return SubmissionShown(
        **_line(row, names),
        content=loaded.content.to_json(),
        is_intake_done=row.is_intake_done,
        last_editor=person(row.last_editor_id, names),
        workflow_id=row.workflow_id,
        release=_release(loaded),
        override=OverrideShown(asked_by=person(asker, names), **override) if asker else None,
        allowed_events=list(sendable_events(loaded.item, actor)),
        assets=await assets_shown(session, held, actor, loaded, known),
        problems=await problems_shown(session, loaded, known),
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
