"""The first answer to a request with an `Idempotency-Key`, kept for its repeats."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import StorageError
from storage.tables import IdempotentReply

LIFETIME = timedelta(days=1)


class KeyReused(StorageError):
    """The Idempotency-Key came with another request before."""

    def __init__(self) -> None:
        super().__init__(
            Text(
                "这个 Idempotency-Key 已用于内容不同的请求，请换一个。",
                "This Idempotency-Key came with another request; use a new one.",
            )
        )


async def earlier_reply(session: AsyncSession, person_id: UUID, key: str) -> IdempotentReply | None:
    """The answer that this person's request with this key got within a day.

    Holds a lock on person and key until the transaction ends, so that two repeats at once are answered
    one after the other.
    """
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{person_id}:{key}", 0))))
    statement = select(IdempotentReply).where(
        col(IdempotentReply.person_id) == person_id,
        col(IdempotentReply.key) == key,
        col(IdempotentReply.created_at) > datetime.now(UTC) - LIFETIME,
    )
    return (await session.exec(statement)).first()


async def keep_reply(
    session: AsyncSession, person_id: UUID, key: str, request_sha256: str, status: int, body: dict[str, Any]
) -> None:
    """Keep an answer, in the transaction that did the work; an expired one with this key gives way."""
    await session.merge(
        IdempotentReply(
            person_id=person_id,
            key=key,
            request_sha256=request_sha256,
            status=status,
            body=body,
            created_at=datetime.now(UTC),
        )
    )
