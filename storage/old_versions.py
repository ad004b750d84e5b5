"""Versions of stories whose public files have outlived them: a newer one is with all our readers."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.delivery import DeliveryState
from storage.stories import APP
from storage.tables import Delivery, Destination

# A reader in the middle of a film is not cut off, a feed reader that comes by every hour finds the new addresses
# first, and a partner's delivery has had all its attempts.
GRACE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class OldVersions:
    """A story, and the revision before which nothing has to be public any more."""

    submission_id: UUID
    live: int

    @property
    def folder(self) -> str:
        """What the names of all its public files begin with (`platforms.story.public_name`)."""
        return f"stories/{self.submission_id}/"

    def is_old(self, key: str) -> bool:
        """Whether a public file is one of an earlier version."""
        version = key.removeprefix(self.folder).partition("/")[0].removeprefix("v")
        return key.startswith(f"{self.folder}v") and version.isdecimal() and int(version) < self.live


async def outlived(session: AsyncSession, since: timedelta | None) -> list[OldVersions]:
    """Stories with an earlier version, whose newest was confirmed longer ago than the grace; by PostgreSQL's clock.

    With `since` only those confirmed in that time before it: what came earlier was tidied up then.
    """
    latest = func.max(col(Delivery.confirmed_at))
    statement = (
        select(col(Delivery.submission_id), func.max(col(Delivery.revision_number)))
        .join(Destination, col(Destination.id) == col(Delivery.destination_id))
        .where(
            col(Destination.platform) == APP,
            col(Delivery.state) == DeliveryState.CONFIRMED.value,
            col(Delivery.confirmed_at).is_not(None),
        )
        .group_by(col(Delivery.submission_id))
        .having(func.count(func.distinct(col(Delivery.revision_number))) > 1, latest < func.now() - GRACE)
    )
    if since is not None:
        statement = statement.having(latest >= func.now() - GRACE - since)
    return [OldVersions(*found) for found in (await session.exec(statement)).all()]
