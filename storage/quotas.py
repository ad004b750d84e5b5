"""How much one person may have under way: uploads, their bytes, bytes in a day, uploads in a minute."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import QuotaExceeded
from storage.settings import Settings
from storage.tables import Upload, core

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_ASK_AGAIN_S = 60  # what is open ends when its owner ends it: no clock knows when
_UPLOADS = core(Upload).c


@dataclass(frozen=True, slots=True)
class Quotas:
    """What one person may have under way."""

    most_open: int
    most_open_bytes: int
    most_day_bytes: int
    most_a_minute: int


def quotas_of(settings: Settings) -> Quotas:
    """The quotas of this installation."""
    return Quotas(
        settings.upload_most_open,
        settings.upload_most_open_bytes,
        settings.upload_most_day_bytes,
        settings.upload_most_a_minute,
    )


async def check_quotas(session: AsyncSession, person_id: UUID, size_bytes: int, quotas: Quotas) -> None:
    """Nothing, or QuotaExceeded with the limit that `size_bytes` more would break.

    Holds a lock on the person's uploads until the transaction ends, so that creations at once are counted one
    after the other. Dropped uploads count in the day, or dropping would be a way round it.
    """
    await lock_person(session, person_id)
    counted = await _counted(session, person_id)
    _check_open(counted, size_bytes, quotas)
    if counted.in_minute >= quotas.most_a_minute:
        wait_s = _seconds_until((counted.oldest_in_minute or counted.now) + _MINUTE, counted.now)
        raise _exceeded(
            f"每分钟最多新建 {quotas.most_a_minute} 个上传", f"{quotas.most_a_minute} a minute", wait_s
        )
    if counted.day_bytes + size_bytes > quotas.most_day_bytes:
        excess = counted.day_bytes + size_bytes - quotas.most_day_bytes
        wait_s = _seconds_until(await _free_at(session, person_id, excess, counted.now), counted.now)
        most = _shown(quotas.most_day_bytes)
        raise _exceeded(f"24 小时内最多上传 {most}", f"{most} within 24 hours", wait_s)


async def lock_person(session: AsyncSession, person_id: UUID) -> None:
    """One creation of this person's at a time, until the transaction ends."""
    await (await session.connection()).execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"uploads:{person_id}", 0)))
    )


async def _counted(session: AsyncSession, person_id: UUID) -> Any:
    now, is_open = func.now(), _UPLOADS.state == "open"
    # The bytes of a joined upload are those of its parts, which are counted.
    has_bytes = _UPLOADS.concat.is_distinct_from("final")
    in_minute = _UPLOADS.created_at > now - _MINUTE
    of_day = and_(_UPLOADS.created_at > now - _DAY, has_bytes)
    counts = select(
        now.label("now"),
        func.count().filter(is_open).label("open"),
        func.coalesce(func.sum(_UPLOADS.size_bytes).filter(is_open, has_bytes), 0).label("open_bytes"),
        func.count().filter(in_minute).label("in_minute"),
        func.min(_UPLOADS.created_at).filter(in_minute).label("oldest_in_minute"),
        func.coalesce(func.sum(_UPLOADS.size_bytes).filter(of_day), 0).label("day_bytes"),
    ).where(_UPLOADS.person_id == person_id, is_open | (_UPLOADS.created_at > now - _DAY))
    return (await (await session.connection()).execute(counts)).one()


def _check_open(counted: Any, size_bytes: int, quotas: Quotas) -> None:
    if counted.open >= quotas.most_open:
        raise _exceeded(
            f"同时未完成的上传最多 {quotas.most_open} 个", f"{quotas.most_open} unfinished ones", _ASK_AGAIN_S
        )
    if counted.open_bytes + size_bytes > quotas.most_open_bytes:
        most = _shown(quotas.most_open_bytes)
        raise _exceeded(f"未完成的上传合计最多 {most}", f"{most} unfinished in all", _ASK_AGAIN_S)


async def _free_at(session: AsyncSession, person_id: UUID, excess_bytes: int, now: datetime) -> datetime:
    """When so many bytes of the last 24 hours are older than that; a day from now where they never will be."""
    gone = func.sum(_UPLOADS.size_bytes).over(order_by=(_UPLOADS.created_at, _UPLOADS.id)).label("gone")
    of_day = (
        select(_UPLOADS.created_at, gone)
        .where(
            _UPLOADS.person_id == person_id,
            _UPLOADS.created_at > func.now() - _DAY,
            _UPLOADS.concat.is_distinct_from("final"),
        )
        .subquery()
    )
    found = await (await session.connection()).execute(
        select(func.min(of_day.c.created_at)).where(of_day.c.gone >= excess_bytes)
    )
    begun: datetime | None = found.scalar_one()
    return (begun or now) + _DAY


def _seconds_until(at: datetime, now: datetime) -> int:
    return max(1, math.ceil((at - now).total_seconds()))


def _shown(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:g} GB"


def _exceeded(zh: str, en: str, retry_after_s: int) -> QuotaExceeded:
    text = Text(
        f"{zh}，已达上限。请先完成或取消未完成的上传，或在 {retry_after_s} 秒后重试。",
        f"One person may have {en}. Finish or drop open uploads, or try again in {retry_after_s} seconds.",
    )
    return QuotaExceeded(text, retry_after_s)
