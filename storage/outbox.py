"""Work that waits: claimed with a lease, run as an attempt, finished once. An old attempt can write nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.errors import LeaseLost, NotFound
from storage.tables import OutboxRow

OUTBOX_CHANNEL = "sanshen_outbox"


@dataclass(frozen=True, slots=True)
class Fence:
    """One attempt at one piece of work. It goes with every write that the attempt makes."""

    outbox_id: int
    attempt: int


async def claim_due(session: AsyncSession, limit: int, lease_s: float) -> list[OutboxRow]:
    """Up to `limit` due rows, urgent ones first, each leased as a new attempt; nobody else gets them."""
    due = (
        select(col(OutboxRow.id))
        .where(
            col(OutboxRow.finished_at).is_(None),
            col(OutboxRow.leased_until).is_(None),
            col(OutboxRow.available_at) <= func.now(),
        )
        .order_by(col(OutboxRow.urgency), col(OutboxRow.available_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(OutboxRow)
        .where(col(OutboxRow.id).in_(due))
        .values(
            attempt=col(OutboxRow.attempt) + 1,
            leased_until=_after(lease_s),
            flow_run_id=None,
            started_at=None,
        )
        .returning(OutboxRow)
        .execution_options(synchronize_session=False)
    )
    rows = list((await session.exec(statement)).scalars())
    return sorted(rows, key=lambda row: (row.urgency, row.available_at))


async def expired(session: AsyncSession, limit: int = 100) -> list[OutboxRow]:
    """Leased rows whose lease has run out: the worker died, or the run has not begun."""
    statement = (
        select(OutboxRow)
        .where(col(OutboxRow.finished_at).is_(None), col(OutboxRow.leased_until) < func.now())
        .order_by(col(OutboxRow.leased_until))
        .limit(limit)
    )
    return list(await session.exec(statement))


async def attach_run(session: AsyncSession, fence: Fence, flow_run_id: UUID) -> None:
    """Note which Prefect flow run executes this attempt. Raises LeaseLost."""
    await _write(session, fence, flow_run_id=flow_run_id)


async def extend(session: AsyncSession, fence: Fence, lease_s: float, *, is_running: bool) -> None:
    """Keep the lease for `lease_s` seconds more. Raises LeaseLost."""
    values: dict[str, Any] = {"leased_until": _after(lease_s)}
    if is_running:
        values["started_at"] = func.coalesce(col(OutboxRow.started_at), func.now())
    await _write(session, fence, **values)


async def hold(session: AsyncSession, fence: Fence) -> None:
    """Lock the row for this transaction, so that what follows is written by the current attempt only.

    Raises LeaseLost when another attempt has taken over or the work is finished.
    """
    if (await session.exec(_held_by(fence).with_for_update())).first() is None:
        raise LeaseLost(fence.outbox_id, fence.attempt)


async def check(session: AsyncSession, fence: Fence) -> None:
    """Nothing, or LeaseLost when this attempt is no longer the current one. Locks nothing and extends nothing."""
    if (await session.exec(_held_by(fence))).first() is None:
        raise LeaseLost(fence.outbox_id, fence.attempt)


async def finish(session: AsyncSession, fence: Fence) -> None:
    """The work is done. Raises LeaseLost."""
    await _write(session, fence, finished_at=func.now(), leased_until=None, last_error=None)


async def retry_later(session: AsyncSession, fence: Fence, error: str, delay_s: float) -> None:
    """Give the work back, to be tried again after `delay_s` seconds. Raises LeaseLost."""
    await _write(session, fence, leased_until=None, available_at=_after(delay_s), last_error=error[:2000])


async def give_up(session: AsyncSession, fence: Fence, error: str) -> None:
    """No further attempt: the row says why, and a person has to look. Raises LeaseLost."""
    await _write(
        session,
        fence,
        leased_until=None,
        finished_at=func.now(),
        has_failed=True,
        last_error=error[:2000],
    )


async def restart(session: AsyncSession, submission_id: UUID, outbox_id: int) -> None:
    """Give work that was given up one attempt more. Raises NotFound when there is no such failed work."""
    statement = (
        update(OutboxRow)
        .where(
            col(OutboxRow.id) == outbox_id,
            col(OutboxRow.submission_id) == submission_id,
            col(OutboxRow.has_failed).is_(True),
        )
        .values(has_failed=False, finished_at=None, leased_until=None, available_at=func.now())
        .execution_options(synchronize_session=False)
    )
    if (await session.exec(statement)).rowcount != 1:
        raise NotFound("failed run", outbox_id)


async def has_leased(session: AsyncSession) -> bool:
    """Whether any work is in somebody's hands."""
    held = select(col(OutboxRow.id)).where(
        col(OutboxRow.finished_at).is_(None), col(OutboxRow.leased_until).is_not(None)
    )
    return (await session.exec(held.limit(1))).first() is not None


async def next_due_in_s(session: AsyncSession) -> float | None:
    """Seconds until the next waiting row is due, None when none waits."""
    earliest = select(func.min(col(OutboxRow.available_at))).where(
        col(OutboxRow.finished_at).is_(None), col(OutboxRow.leased_until).is_(None)
    )
    at = (await session.exec(earliest)).one()
    return None if at is None else max(0.0, (at - datetime.now(UTC)).total_seconds())


async def work_of(session: AsyncSession, submission_id: UUID) -> list[OutboxRow]:
    """All work that ever followed from this item's moves, in order."""
    statement = (
        select(OutboxRow).where(col(OutboxRow.submission_id) == submission_id).order_by(col(OutboxRow.id))
    )
    return list(await session.exec(statement))


def _after(seconds: float) -> Any:
    # The database's clock alone, so that hosts whose clocks differ agree on a lease.
    return func.now() + timedelta(seconds=seconds)


def _held_by(fence: Fence) -> Any:
    return select(col(OutboxRow.id)).where(
        col(OutboxRow.id) == fence.outbox_id,
        col(OutboxRow.attempt) == fence.attempt,
        col(OutboxRow.finished_at).is_(None),
        col(OutboxRow.leased_until).is_not(None),
    )


async def _write(session: AsyncSession, fence: Fence, **values: Any) -> None:
    statement = (
        update(OutboxRow)
        .where(
            col(OutboxRow.id) == fence.outbox_id,
            col(OutboxRow.attempt) == fence.attempt,
            col(OutboxRow.finished_at).is_(None),
            col(OutboxRow.leased_until).is_not(None),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if (await session.exec(statement)).rowcount != 1:
        raise LeaseLost(fence.outbox_id, fence.attempt)
