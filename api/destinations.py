"""Destinations: everybody may choose among them, administrators add them."""

from dataclasses import dataclass

from anyio import to_thread
from fastapi import APIRouter

from api.asking import ADMINISTRATORS, Asker, AskerApart, Held, Unit, require
from api.openapi import API, problems
from api.problems import FieldError, InvalidFields, invalid_field
from api.schemas.base import TextShown
from api.schemas.destinations import DestinationShown, NewDestination
from platforms.frame import DestinationConfig, SettingsRefused
from platforms.net import Target, resolve_host, resolve_public
from platforms.registry import PLATFORMS
from storage.credentials import seal_credential
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
    """Add an account on a platform. Its server's address must be a public one, or on the allow list. The secret is
    stored encrypted and never shown again.
    """
    require(asker, ADMINISTRATORS, "add_destination")
    if new.platform not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        raise invalid_field("platform", f"只能是：{known}。", f"It must be one of {known}.")
    asked = DestinationConfig(new.id, new.name, new.settings, new.secret)
    try:
        await PLATFORMS[new.platform].check_settings(asked, _Addresses(held.settings))
    except SettingsRefused as error:
        raise InvalidFields(FieldError(error.field, error.text)) from error
    sealed = None
    if new.secret is not None:
        sealed = await to_thread.run_sync(seal_credential, held.settings, new.secret)
    given = new.model_dump() | {"secret": sealed}
    async with held.db.transaction() as session:
        return _shown(await add_destination(session, Destination(**given)), True)


@dataclass(frozen=True, slots=True)
class _Addresses:
    """`platforms.frame.Addresses` by this installation's list of allowed hosts."""

    settings: Settings

    async def check_url(self, url: str) -> None:
        await resolve_public(url, self.settings.allowed_private_hosts)

    async def resolve(self, host: str, port: int) -> Target:
        return await resolve_host(host, port, self.settings.allowed_private_hosts)


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
