"""The files of a submission, and what intake found in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.tables import Asset, FingerprintRow


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture looks, as a signed number of 64 bits; `at_s` seconds into a film, None for a still."""

    at_s: float | None
    bits: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What intake keeps of a sound file, as plain values; `by` is the version of the examination."""

    kind: str
    media_type: str
    probe: dict[str, Any]
    findings: list[dict[str, Any]]
    by: str
    essence_sha256: str | None = None
    contents: dict[str, Any] | None = None
    capture: dict[str, Any] | None = None
    looks: tuple[Look, ...] = ()


async def add_asset(session: AsyncSession, asset: Asset) -> Asset:
    """Store a file that was read back; the same content sent twice to one submission is one asset."""
    values = asset.model_dump(exclude={"refusal", "capture"})
    await session.exec(insert(Asset).values(**values).on_conflict_do_nothing())
    statement = select(Asset).where(
        col(Asset.submission_id) == asset.submission_id, col(Asset.sha256) == asset.sha256
    )
    return (await session.exec(statement)).one()


async def assets_of(session: AsyncSession, submission_id: UUID) -> list[Asset]:
    """All files ever sent in for this submission, in the order of their arrival."""
    statement = select(Asset).where(col(Asset.submission_id) == submission_id).order_by(col(Asset.created_at))
    return list(await session.exec(statement))


async def put_examined(session: AsyncSession, asset_id: UUID, examined: Examined) -> None:
    """Keep what was found; whatever an earlier run had found is replaced."""
    values = {
        "kind": examined.kind,
        "media_type": examined.media_type,
        "probe": examined.probe,
        "findings": examined.findings,
        "essence_sha256": examined.essence_sha256,
        "contents": examined.contents or {},
        "capture": examined.capture,
        "examined_by": examined.by,
    }
    await session.exec(update(Asset).where(col(Asset.id) == asset_id).values(**values))
    await session.exec(delete(FingerprintRow).where(col(FingerprintRow.asset_id) == asset_id))
    rows = [
        {"asset_id": asset_id, "number": number, "at_s": look.at_s, "bits": look.bits}
        for number, look in enumerate(examined.looks)
    ]
    if rows:
        await session.exec(insert(FingerprintRow).values(rows))


async def put_intake_passed(session: AsyncSession, asset_id: UUID) -> None:
    """The file is sound, and all that intake makes of it is there."""
    statement = update(Asset).where(col(Asset.id) == asset_id)
    await session.exec(statement.values(intake="passed", refusal=None))


async def put_intake_refused(session: AsyncSession, asset_id: UUID, refusal: dict[str, Any]) -> None:
    """The file cannot be used; `refusal` says why, in both languages."""
    statement = update(Asset).where(col(Asset.id) == asset_id)
    await session.exec(statement.values(intake="refused", refusal=refusal))


async def looks_of(session: AsyncSession, asset_ids: Iterable[UUID]) -> dict[UUID, list[Look]]:
    """The fingerprints of these files, in order."""
    statement = (
        select(FingerprintRow)
        .where(col(FingerprintRow.asset_id).in_(list(asset_ids)))
        .order_by(col(FingerprintRow.asset_id), col(FingerprintRow.number))
    )
    found: dict[UUID, list[Look]] = {}
    for row in await session.exec(statement):
        found.setdefault(row.asset_id, []).append(Look(row.at_s, row.bits))
    return found
