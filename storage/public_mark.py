"""Whether anything that readers see has changed, in one query."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.stories import APP
from storage.tables import Delivery, Destination, Submission


@dataclass(frozen=True, slots=True)
class PublicMark:
    """Equal marks: the same stories as before. Counts catch what two changes in one microsecond would hide."""

    changed_at: datetime | None
    deliveries: int
    versions: int


async def public_mark(session: AsyncSession) -> PublicMark:
    """The mark of everything that our own app ever confirmed."""
    latest = func.greatest(func.max(col(Submission.updated_at)), func.max(col(Delivery.updated_at)))
    statement = (
        select(latest, func.count(), func.coalesce(func.sum(col(Submission.version)), 0))
        .select_from(Delivery)
        .join(Submission, col(Submission.id) == col(Delivery.submission_id))
        .join(Destination, col(Destination.id) == col(Delivery.destination_id))
        .where(col(Destination.platform) == APP, col(Delivery.confirmed_at).is_not(None))
    )
    changed_at, deliveries, versions = (await session.exec(statement)).one()
    return PublicMark(changed_at, deliveries, int(versions))
