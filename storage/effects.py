"""What follows from a move, written with it: outbox rows, and the deliveries of a sign-off or a retraction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.delivery import DeliveryState
from states.events import Effect, Event
from states.item import State
from storage.items import LoadedItem
from storage.move_values import Moving
from storage.tables import Delivery, Destination, OutboxRow, core

_OUTBOX = core(OutboxRow)
_ENQUEUE = insert(_OUTBOX).returning(_OUTBOX.c.id)


def outbox_values(moving: Moving) -> list[dict[str, Any]]:
    """The row of the work that follows from a move: at most one. A release waits until its time."""
    if len(moving.decision.move.effects) > 1:
        raise ValueError("a move has at most one effect: it is written by one statement")
    row = moving.row
    payload = {
        "revision_number": row.revision_number + (moving.new_content is not None),
        "revision_sha256": moving.revision_sha256,
    }
    return [
        {
            "effect": effect.value,
            "submission_id": row.id,
            "payload": payload,
            "urgency": 0 if row.is_fast_track else 1,
            "attempt": 0,
            "available_at": _release_at(moving) if effect is Effect.RELEASE else moving.at,
        }
        for effect in moving.decision.move.effects
    ]


def _release_at(moving: Moving) -> datetime:
    embargo, release = moving.loaded.item.embargo_until, moving.request.release
    if moving.event is Event.SCHEDULE and release is not None:
        return max(release.instant(), embargo or moving.at)
    if moving.event is Event.UNSCHEDULE:
        return embargo or moving.at
    return moving.loaded.item.release_at or moving.at


async def settle_deliveries(session: AsyncSession, moving: Moving) -> None:
    """Plan what goes out, cancel what must not, and drop releases that another time has taken the place of."""
    effects, at = moving.decision.move.effects, moving.at
    if Effect.DISTRIBUTE in effects:
        await _plan_deliveries(session, moving.loaded, at)
    if Effect.RETRACT in effects:
        await cancel_pending(session, moving.row.id, at)
    if (
        moving.event in (Event.SCHEDULE, Event.UNSCHEDULE, Event.RECALL)
        and moving.row.state == State.APPROVED
    ):
        await _drop_earlier_releases(session, moving.row.id, moving.decision.move.effects)


async def _drop_earlier_releases(
    session: AsyncSession, submission_id: UUID, effects: tuple[Effect, ...]
) -> None:
    """Settle the waiting release rows but the one that was just written. One that runs already is refused."""
    waiting = (
        col(OutboxRow.submission_id) == submission_id,
        col(OutboxRow.effect) == Effect.RELEASE.value,
        col(OutboxRow.finished_at).is_(None),
        col(OutboxRow.leased_until).is_(None),
    )
    newest = select(func.max(col(OutboxRow.id))).where(*waiting).scalar_subquery()
    keep = (col(OutboxRow.id) != newest,) if effects else ()
    statement = (
        update(OutboxRow)
        .where(*waiting, *keep)
        .values(finished_at=func.clock_timestamp(), last_error="rescheduled or recalled")
        .execution_options(synchronize_session=False)
    )
    await session.exec(statement)


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
