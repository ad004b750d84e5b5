"""The files of a submission, and what intake found in them."""

from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.tables import Asset


async def add_asset(session: AsyncSession, asset: Asset) -> Asset:
    """Store a file that was read back; the same content sent twice to one submission is one asset."""
    values = asset.model_dump(exclude={"refusal"})
    await session.exec(insert(Asset).values(**values).on_conflict_do_nothing())
    statement = select(Asset).where(
        col(Asset.submission_id) == asset.submission_id, col(Asset.sha256) == asset.sha256
    )
    return (await session.exec(statement)).one()


async def assets_of(session: AsyncSession, submission_id: UUID) -> list[Asset]:
    """All files ever sent in for this submission, in the order of their arrival."""
    statement = select(Asset).where(col(Asset.submission_id) == submission_id).order_by(col(Asset.created_at))
    return list(await session.exec(statement))


async def put_intake_passed(session: AsyncSession, asset_id: UUID, found: dict[str, Any]) -> None:
    """The file is sound; `found` holds kind, media_type, probe and findings."""
    statement = update(Asset).where(col(Asset.id) == asset_id)
    await session.exec(statement.values(intake="passed", refusal=None, **found))


async def put_intake_refused(session: AsyncSession, asset_id: UUID, refusal: dict[str, Any]) -> None:
    """The file cannot be used; `refusal` says why, in both languages."""
    statement = update(Asset).where(col(Asset.id) == asset_id)
    await session.exec(statement.values(intake="refused", refusal=refusal))
