"""Single revisions of a submission, by number or by hash."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from storage.errors import NotFound
from storage.tables import Revision


async def revision_by_number(session: AsyncSession, submission_id: UUID, number: int) -> Revision:
    """The revision. Raises NotFound."""
    statement = select(Revision).where(
        col(Revision.submission_id) == submission_id, col(Revision.number) == number
    )
    row = (await session.exec(statement)).first()
    if row is None:
        raise NotFound("revision", number)
    return row


async def content_by_hash(session: AsyncSession, submission_id: UUID, sha256: str) -> Content | None:
    """The content with this hash, if the submission ever had it."""
    statement = select(Revision.content).where(
        col(Revision.submission_id) == submission_id, col(Revision.sha256) == sha256
    )
    found = (await session.exec(statement.limit(1))).first()
    return None if found is None else Content.from_json(found)
