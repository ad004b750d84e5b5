"""The station's logo and clips: chosen by an administrator from files that went through intake like any other."""

from collections.abc import Mapping
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import delete, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import NotFound, StorageError, StoreUnavailable
from storage.journal import write_journal
from storage.keys import ASSETS, station_key
from storage.objects import Objects
from storage.tables import Asset, StationFile

StationRole = Literal["logo", "opening", "closing"]
STATION_ROLES: tuple[StationRole, ...] = get_args(StationRole)
# House values: they go before and behind every piece that wants them.
LONGEST_CLIP_S = 30.0
LARGEST_LOGO_BYTES = 4 * 2**20
_LOCK = text("LOCK TABLE station_file IN SHARE ROW EXCLUSIVE MODE")


class StationFileRefused(StorageError):
    """The file cannot stand in this role; `text` says why."""


async def station_files(session: AsyncSession, *, is_held: bool = False) -> dict[StationRole, StationFile]:
    """What is set, by role; held against other writers to the end of the transaction if wanted."""
    if is_held:
        connection = await session.connection()
        await connection.execute(_LOCK)  # rows that are not there yet cannot be held
    found = {row.role: row for row in await session.exec(select(StationFile))}
    return {role: found[role] for role in STATION_ROLES if role in found}


async def asset_for(session: AsyncSession, role: StationRole, submission_id: UUID, sha256: str) -> Asset:
    """The file of a submission that shall stand in the role. Raises NotFound and StationFileRefused."""
    statement = select(Asset).where(col(Asset.submission_id) == submission_id, col(Asset.sha256) == sha256)
    asset = (await session.exec(statement)).first()
    if asset is None:
        raise NotFound("file", sha256)
    if asset.intake != "passed":
        raise StationFileRefused(
            Text(
                "该文件还没有通过入库检查，请先提交稿件，待检查完成。",
                "The file has not passed intake: send the submission in first, and wait for its checks.",
            )
        )
    if problem := _problem(role, asset):
        raise StationFileRefused(problem)
    return asset


def _problem(role: StationRole, asset: Asset) -> Text | None:
    if role == "logo":
        if asset.media_type != "image/png" or asset.size_bytes > LARGEST_LOGO_BYTES:
            return Text(
                "台标须为不超过 4 MB 的 PNG（可带透明）。",
                "A logo is a PNG, with alpha or not, of at most 4 MB.",
            )
        return None
    duration_s = asset.probe.get("duration_s") or 0.0
    if asset.kind != "video" or duration_s > LONGEST_CLIP_S:
        return Text(
            "片头、片尾须为不超过 30 秒的视频。", "An opening or closing clip is a video of at most 30 s."
        )
    return None


async def keep_station_bytes(objects: Objects, asset: Asset) -> str:
    """Copy the file inside the store to where no piece's end takes it away, and read it back; returns that key.

    Raises StoreUnavailable for a copy with other bytes.
    """
    key = station_key(asset.sha256)
    await objects.copy((ASSETS, asset.object_key), (ASSETS, key), "application/octet-stream")
    if (await objects.hash_object(ASSETS, key)).sha256 != asset.sha256:
        raise StoreUnavailable(f"the copy {key} has other bytes than the file")
    return key


async def set_station_file(
    session: AsyncSession, role: StationRole, asset: Asset, object_key: str, by: UUID
) -> None:
    """Put the file in the role, with a line in the journal. Pieces that are rendered from now on wear it."""
    await session.exec(delete(StationFile).where(col(StationFile.role) == role))
    row = StationFile(
        role=role,
        sha256=asset.sha256,
        size_bytes=asset.size_bytes,
        filename=asset.filename,
        object_key=object_key,
        set_by=by,
    )
    session.add(row)
    await session.flush()
    await _note(session, "station_file_set", role, by, {"sha256": asset.sha256})


async def unset_station_file(session: AsyncSession, role: StationRole, by: UUID) -> None:
    """Take the file from the role. Raises NotFound where there is none."""
    gone = await session.exec(delete(StationFile).where(col(StationFile.role) == role))
    if not gone.rowcount:
        raise NotFound("station file", role)
    await _note(session, "station_file_unset", role, by, {})


async def _note(
    session: AsyncSession, action: str, role: StationRole, by: UUID, facts: Mapping[str, str]
) -> None:
    await write_journal(session, action, by, f"station/{role}", facts)
