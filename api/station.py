"""The station's logo and clips: what pieces wear whose editor wants it. Seen by staff, set by administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import ADMINISTRATORS, STAFF, Asker, AskerApart, Held, Unit, require
from api.openapi import API, problems
from api.preconditions import IfMatch, content_tag, require_current
from api.problems import invalid_field
from api.schemas.station import StationFileOrder, StationFiles, StationFileShown
from states.roles import Actor
from storage.seeing import visible_submission
from storage.station import (
    StationFileRefused,
    StationRole,
    asset_for,
    keep_station_bytes,
    set_station_file,
    station_files,
    unset_station_file,
)
from storage.tables import Asset

router = APIRouter(prefix=f"{API}/station", tags=["station"])
RolePath = Annotated[StationRole, Path(description="台标 logo, 片头 opening, 片尾 closing.")]
_CHANGES = ("role-missing", "not-found", "stale-version", "precondition-required", "invalid-request")


@router.get("", summary="台标与片头片尾 · The station's logo and clips", responses=problems("role-missing"))
async def station(asker: Asker, unit: Unit, response: Response) -> StationFiles:
    """What is set; the ETag is for changing it."""
    require(asker, STAFF, "read_station")
    return _tagged(await _shown(unit), response)


@router.put(
    "/{role}",
    summary="设定台标或片头片尾 · Set the logo or a clip",
    responses=problems(*_CHANGES, "store-unavailable", "store-full"),
)
async def set_one(
    role: RolePath,
    order: StationFileOrder,
    asker: AskerApart,
    held: Held,
    response: Response,
    if_match: IfMatch = None,
) -> StationFiles:
    """Take a file of a submission for this role. Pieces that are rendered from now on wear it."""
    require(asker, ADMINISTRATORS, "set_station")
    async with held.db.transaction() as session:
        require_current(if_match, await _shown(session))
        asset = await _asset(session, role, order, asker)
    key = await keep_station_bytes(held.objects, asset)
    async with held.db.transaction() as session:
        require_current(if_match, await _shown(session, is_held=True))
        await set_station_file(session, role, asset, key, UUID(asker.person_id))
        return _tagged(await _shown(session), response)


@router.delete(
    "/{role}", summary="取消台标或片头片尾 · Unset the logo or a clip", responses=problems(*_CHANGES)
)
async def unset_one(
    role: RolePath, asker: Asker, unit: Unit, response: Response, if_match: IfMatch = None
) -> StationFiles:
    """Leave the role empty. What is out keeps what it wears."""
    require(asker, ADMINISTRATORS, "set_station")
    require_current(if_match, await _shown(unit, is_held=True))
    await unset_station_file(unit, role, UUID(asker.person_id))
    return _tagged(await _shown(unit), response)


async def _asset(session: AsyncSession, role: StationRole, order: StationFileOrder, asker: Actor) -> Asset:
    await visible_submission(session, order.submission_id, asker)
    try:
        return await asset_for(session, role, order.submission_id, order.sha256)
    except StationFileRefused as error:
        raise invalid_field("sha256", error.text.zh, error.text.en) from error


async def _shown(session: AsyncSession, *, is_held: bool = False) -> StationFiles:
    rows = (await station_files(session, is_held=is_held)).values()
    return StationFiles(items=[StationFileShown.model_validate(row) for row in rows])


def _tagged(shown: StationFiles, response: Response) -> StationFiles:
    response.headers["ETag"] = content_tag(shown)
    return shown
