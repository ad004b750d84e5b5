"""Destinations: everybody may choose among them, administrators add them."""

from fastapi import APIRouter

from api.asking import ADMINISTRATORS, Asker, AskerApart, Held, Unit, require
from api.openapi import API, problems
from api.problems import FieldError, InvalidFields, invalid_field
from api.schemas.base import TextShown
from api.schemas.destinations import DestinationShown, NewDestination
from platforms.net import AddressError, resolve_public
from platforms.registry import PLATFORMS
from storage.destinations import add_destination, list_destinations
from storage.settings import Settings
from storage.tables import Destination

router = APIRouter(prefix=f"{API}/destinations", tags=["destinations"])


@router.get("", summary="渠道列表 · All destinations", responses=problems())
async def everything(asker: Asker, unit: Unit) -> list[DestinationShown]:
    """The destinations that a submission can name; their settings are for administrators."""
    may_see_settings = bool(asker.roles & ADMINISTRATORS)
    return [_shown(each, may_see_settings) for each in await list_destinations(unit)]


@router.post(
    "",
    status_code=201,
    summary="新增渠道 · Add a destination",
    responses=problems("role-missing", "already-exists", "invalid-request"),
)
async def add(new: NewDestination, asker: AskerApart, held: Held) -> DestinationShown:
    """Add an account on a platform. A webhook's address must be a public one, or on the allow list."""
    require(asker, ADMINISTRATORS, "add_destination")
    if new.platform not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        raise invalid_field("platform", f"只能是：{known}。", f"It must be one of {known}.")
    if new.platform == "webhook":
        await _check_webhook(new, held.settings)
    async with held.db.transaction() as session:
        return _shown(await add_destination(session, Destination(**new.model_dump())), True)


async def _check_webhook(new: NewDestination, settings: Settings) -> None:
    if "url" not in new.settings:
        raise invalid_field("settings.url", "请填写接收地址。", "Give the receiver's address.")
    if new.secret is None:
        raise invalid_field("secret", "请填写签名密钥。", "Give the secret that signs what is sent.")
    try:
        await resolve_public(new.settings["url"], settings.allowed_private_hosts)
    except AddressError as error:
        raise InvalidFields(FieldError("settings.url", error.text)) from error


def _shown(destination: Destination, may_see_settings: bool) -> DestinationShown:
    return DestinationShown(
        id=destination.id,
        platform=destination.platform,
        platform_label=TextShown.of(PLATFORMS[destination.platform].label),
        name=destination.name,
        is_enabled=destination.is_enabled,
        has_secret=destination.secret is not None,
        settings={name: str(value) for name, value in destination.settings.items()}
        if may_see_settings
        else None,
    )
