"""Differences between any two revisions of a submission."""

from typing import Annotated
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Path

from api.asking import AskerApart, Held
from api.openapi import API, problems
from api.schemas.differences import DifferenceShown
from states.content import Content
from storage.differences import Difference, content_difference
from storage.revisions import revision_by_number
from storage.seeing import visible_submission
from storage.tables import Revision

router = APIRouter(prefix=f"{API}/submissions/{{submission_id}}", tags=["record"])
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get(
    "/revisions/{before}/diff/{after}",
    summary="版本差异 · Differences between two revisions",
    responses=problems("not-found", "invalid-request"),
)
async def difference(
    submission_id: UUID, before: Number, after: Number, asker: AskerApart, held: Held
) -> DifferenceShown:
    """What leads from one revision to the other: texts by word, fields, and files; either may be the older."""
    async with held.db.transaction() as session:
        await visible_submission(session, submission_id, asker)
        old = await revision_by_number(session, submission_id, before)
        new = await revision_by_number(session, submission_id, after)
    # Long texts take a moment: in a thread, with no transaction open.
    found = await to_thread.run_sync(
        content_difference, Content.from_json(old.content), Content.from_json(new.content)
    )
    return _shown(old, new, found)


def _shown(before: Revision, after: Revision, found: Difference) -> DifferenceShown:
    parts = {"fields": found.fields, "assets": found.assets, **found.texts}
    return DifferenceShown.model_validate({"before": before, "after": after, **parts})
