"""Reading a submission for somebody: what may not be seen is not there."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.access import can_see
from states.item import State
from states.roles import Actor
from states.submission import Event
from storage.errors import NotFound
from storage.items import LoadedItem, load_item
from storage.tables import Submission


async def visible_submission(session: AsyncSession, submission_id: UUID, actor: Actor) -> Submission:
    """The submission's row. Raises NotFound, alike for what is not there and what this person may not see."""
    statement = select(Submission).where(col(Submission.id) == submission_id)
    row = (await session.exec(statement.execution_options(populate_existing=True))).first()
    if row is None or not can_see(State(row.state), str(row.author_id), actor):
        raise NotFound("submission", submission_id)
    return row


async def visible_item(
    session: AsyncSession, submission_id: UUID, actor: Actor, event: Event | None = None
) -> LoadedItem:
    """As `storage.items.load_item`, for somebody. Raises NotFound as `visible_submission` does."""
    loaded = await load_item(session, submission_id, event)
    if not can_see(loaded.item.state, loaded.item.author_id, actor):
        raise NotFound("submission", submission_id)
    return loaded
