"""Reading a submission for somebody: what may not be seen is not there, and who inspects a draft is on record."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.access import can_inspect, can_see
from states.events import Event
from states.item import State
from states.roles import Actor
from storage.errors import NotFound
from storage.items import LoadedItem, load_item
from storage.journal import write_journal
from storage.tables import Submission

_INSPECTED = "sanshen_inspected"


async def visible_submission(
    session: AsyncSession, submission_id: UUID, actor: Actor, *, to_write: bool = False
) -> Submission:
    """The submission's row. Raises NotFound, alike for what is not there and what this person may not see.

    An administrator who reads a draft so leaves a `draft_read` in the journal, in this transaction; `to_write`:
    inspecting is not enough.
    """
    statement = select(Submission).where(col(Submission.id) == submission_id)
    row = (await session.exec(statement.execution_options(populate_existing=True))).first()
    if row is None:
        raise NotFound("submission", submission_id)
    if to_write and not can_see(State(row.state), str(row.author_id), actor):
        raise NotFound("submission", submission_id)
    await _look(session, row, actor)
    return row


async def visible_item(
    session: AsyncSession, submission_id: UUID, actor: Actor, event: Event | None = None
) -> LoadedItem:
    """As `storage.items.load_item`, for somebody; otherwise as `visible_submission`."""
    loaded = await load_item(session, submission_id, event)
    await _look(session, loaded.row, actor)
    return loaded


async def _look(session: AsyncSession, row: Submission, actor: Actor) -> None:
    """Nothing for who may see it, a line in the journal for who may inspect it, NotFound for all others."""
    state, author_id = State(row.state), str(row.author_id)
    if can_see(state, author_id, actor):
        return
    if not can_inspect(state, author_id, actor) or actor.person_id is None:
        raise NotFound("submission", row.id)
    inspected = session.info.setdefault(_INSPECTED, set())
    if row.id not in inspected:  # one request may look twice
        inspected.add(row.id)
        facts = {"version": row.version, "revision_sha256": row.revision_sha256}
        await write_journal(session, "draft_read", UUID(actor.person_id), str(row.id), facts)
