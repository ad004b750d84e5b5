"""What follows from a move, written with it: outbox rows, and the deliveries of a sign-off or a retraction."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.delivery import DeliveryState
from states.submission import Effect
from storage.items import LoadedItem
from storage.tables import Delivery, Destination, OutboxRow, core

_OUTBOX = core(OutboxRow)
_ENQUEUE = insert(_OUTBOX).returning(_OUTBOX.c.id)


async def write_effects(
    session: AsyncSession, loaded: LoadedItem, effects: tuple[Effect, ...], at: datetime
) -> tuple[int, ...]:
    """Write one outbox row for each effect; returns their ids. The dispatcher wakes when the caller commits."""
    if Effect.DISTRIBUTE in effects:
        await _plan_deliveries(session, loaded, at)
    if Effect.RETRACT in effects:
        await cancel_pending(session, loaded.row.id, at)
    row = loaded.row
    payload = {"revision_number": row.revision_number, "revision_sha256": row.revision_sha256}
    urgency = 0 if row.is_fast_track else 1
    return tuple(
        [await enqueue(session, effect, row.id, payload=payload, urgency=urgency) for effect in effects]
    )


async def enqueue(
    session: AsyncSession,
    effect: Effect,
    submission_id: UUID,
    *,
    payload: Mapping[str, object] | None = None,
    urgency: int = 1,
) -> int:
    """Write one outbox row; returns its id. A trigger wakes the dispatcher at commit."""
    values = {
        "effect": effect.value,
        "submission_id": submission_id,
        "payload": dict(payload or {}),
        "urgency": urgency,
        "attempt": 0,
    }
    connection = await session.connection()
    return int((await connection.execute(_ENQUEUE, values)).scalar_one())


async def _plan_deliveries(session: AsyncSession, loaded: LoadedItem, at: datetime) -> None:
    """One pending delivery for each chosen, open destination; an earlier revision's waiting ones are dropped."""
    await cancel_pending(session, loaded.row.id, at)
    chosen = select(col(Destination.id)).where(
        col(Destination.id).in_(loaded.content.destinations), col(Destination.is_enabled).is_(True)
    )
    for destination_id in (await session.exec(chosen)).all():
        session.add(
            Delivery(
                id=uuid4(),
                submission_id=loaded.row.id,
                revision_number=loaded.row.revision_number,
                destination_id=destination_id,
                created_at=at,
                updated_at=at,
            )
        )
    await session.flush()


async def cancel_pending(session: AsyncSession, submission_id: UUID, at: datetime) -> None:
    """Cancel every delivery of the item that has not been sent."""
    statement = (
        update(Delivery)
        .where(
            col(Delivery.submission_id) == submission_id,
            col(Delivery.state) == DeliveryState.PENDING.value,
        )
        .values(state=DeliveryState.CANCELLED.value, updated_at=at)
        .execution_options(synchronize_session=False)
    )
    await session.exec(statement)
