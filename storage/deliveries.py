"""Deliveries: who has what, and the write before and after each call to a platform."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.delivery import DeliveryMoveRefused, DeliveryState, check_delivery_move
from storage.errors import NotFound
from storage.tables import Delivery, Destination


async def deliveries_of(session: AsyncSession, submission_id: UUID) -> list[tuple[Delivery, Destination]]:
    """Every delivery of the item that was ever planned, newest revision first."""
    statement = (
        select(Delivery, Destination)
        .join(Destination, col(Destination.id) == col(Delivery.destination_id))
        .where(col(Delivery.submission_id) == submission_id)
        .order_by(col(Delivery.revision_number).desc(), col(Delivery.destination_id))
        .execution_options(populate_existing=True)
    )
    return list(await session.exec(statement))


async def delivery_by_id(session: AsyncSession, delivery_id: UUID) -> tuple[Delivery, Destination]:
    """One delivery with its destination. Raises NotFound."""
    statement = (
        select(Delivery, Destination)
        .join(Destination, col(Destination.id) == col(Delivery.destination_id))
        .where(col(Delivery.id) == delivery_id)
        .execution_options(populate_existing=True)
    )
    found = (await session.exec(statement)).first()
    if found is None:
        raise NotFound("delivery", delivery_id)
    return found


async def move_delivery(
    session: AsyncSession,
    delivery_id: UUID,
    target: DeliveryState,
    *,
    seen: DeliveryState | None = None,
    **values: Any,
) -> DeliveryState:
    """Move a delivery by compare-and-set on its state; returns where it stood.

    `seen` is the state that the caller acts upon; without it the stored one counts. Raises NotFound, and
    DeliveryMoveRefused when it stands elsewhere by now or cannot go there from where it stands.
    """
    delivery, _ = await delivery_by_id(session, delivery_id)
    current = DeliveryState(delivery.state)
    check_delivery_move(seen or current, target)
    at = datetime.now(UTC)
    if target is DeliveryState.CONFIRMED:
        values["confirmed_at"] = at
    if target is DeliveryState.SENDING:
        values["attempt"] = delivery.attempt + 1
    statement = (
        update(Delivery)
        .where(col(Delivery.id) == delivery_id, col(Delivery.state) == (seen or current).value)
        .values(state=target.value, updated_at=at, **values)
        .execution_options(synchronize_session=False)
    )
    if (await session.exec(statement)).rowcount != 1:
        raise DeliveryMoveRefused(current, target)
    return current
