"""Who has a piece in hand, and for how long: a claim is a lease, renewed while its holder works."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, func
from sqlmodel.ext.asyncio.session import AsyncSession

from states.guards import GUARDS
from states.refusals import GuardRefused
from storage.tables import Submission

# As long as a long telephone call: whoever works renews it, whoever left for lunch blocks nobody.
CLAIM_LEASE = timedelta(minutes=30)


async def renew_claim(session: AsyncSession, submission_id: UUID, person_id: UUID) -> None:
    """Hold the piece for another half hour; no event. Raises GuardRefused when somebody else has it by now."""
    statement = (
        update(Submission)
        .where(col(Submission.id) == submission_id, col(Submission.claimed_by) == person_id)
        .values(claimed_until=func.clock_timestamp() + CLAIM_LEASE)
        .execution_options(synchronize_session=False)
    )
    if (await session.exec(statement)).rowcount != 1:
        raise GuardRefused("holds_claim", GUARDS["holds_claim"].refusal)
