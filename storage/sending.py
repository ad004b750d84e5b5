"""Whether a signed revision may still go out, decided under a lock, right before it is sent."""

from enum import StrEnum
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.item import State
from storage.errors import NotFound
from storage.tables import Submission


class Standing(StrEnum):
    """How a signed revision stands."""

    LIVE = "live"
    OVERTAKEN = "overtaken"  # a newer revision was signed
    RETRACTED = "retracted"


async def standing_of(session: AsyncSession, submission_id: UUID, revision_number: int) -> Standing:
    """How this revision stands, until the caller's transaction ends. Raises NotFound.

    A retraction or a newer sign-off waits for our lock, so it comes wholly before or wholly after what is
    written with it.
    """
    statement = (
        select(Submission)
        .where(col(Submission.id) == submission_id)
        .execution_options(populate_existing=True)
        .with_for_update(read=True)
    )
    row = (await session.exec(statement)).first()
    if row is None:
        raise NotFound("submission", submission_id)
    if row.state == State.RETRACTED.value:
        return Standing.RETRACTED
    return Standing.LIVE if row.live_revision_number == revision_number else Standing.OVERTAKEN
