"""Deliveries: a person confirms one with its link, sends it again, or cancels it."""

from uuid import UUID

import httpx
from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Asker, Held, Unit, require
from api.delivery_view import delivery_shown
from api.openapi import API, problems
from api.problems import invalid_field
from api.schemas.records import Confirmation, DeliveryShown
from states.delivery import DeliveryMoveRefused, DeliveryState
from states.events import Event
from states.item import Request
from states.roles import EDITORS, Actor, Role
from states.text import Text
from storage.advance import Change, advance
from storage.deliveries import delivery_by_id, move_delivery
from storage.errors import NotFound
from storage.resending import send_again
from storage.seeing import visible_submission
from storage.tables import Delivery, Revision

router = APIRouter(prefix=f"{API}/deliveries/{{delivery_id}}", tags=["deliveries"])
_TO_CONFIRM = frozenset({DeliveryState.HANDED_OFF, DeliveryState.UNKNOWN})
_TO_RETRY = frozenset({DeliveryState.REFUSED, DeliveryState.UNKNOWN})
_RETRIERS = EDITORS | {Role.OPERATOR}
_REFUSALS = ("role-missing", "not-found", "delivery-move-refused", "invalid-request")


async def _visible(session: AsyncSession, delivery_id: UUID, actor: Actor) -> Delivery:
    delivery, _ = await delivery_by_id(session, delivery_id)
    try:
        await visible_submission(session, delivery.submission_id, actor)
    except NotFound as error:
        raise NotFound("delivery", delivery_id) from error
    return delivery


async def _shown(session: AsyncSession, held: Held, delivery_id: UUID) -> DeliveryShown:
    return delivery_shown(held.objects, *await delivery_by_id(session, delivery_id))


@router.get("", summary="分发详情 · Read a delivery", responses=problems("not-found", "invalid-request"))
async def read(delivery_id: UUID, asker: Asker, unit: Unit, held: Held) -> DeliveryShown:
    """One delivery, with its hand-off package where it has one."""
    await _visible(unit, delivery_id, asker)
    return await _shown(unit, held, delivery_id)


@router.post(
    "/confirm",
    summary="确认已发布 · Confirm with the link",
    responses=problems(*_REFUSALS, "illegal-event", "conflict"),
)
async def confirm(
    delivery_id: UUID, confirmation: Confirmation, asker: Asker, unit: Unit, held: Held
) -> DeliveryShown:
    """An editor has seen the story on the platform: a handed-off or unknown delivery is confirmed."""
    delivery = await _visible(unit, delivery_id, asker)
    require(asker, EDITORS, "confirm_delivery")
    _check_link(confirmation.url)
    current = _standing_in(delivery, _TO_CONFIRM, DeliveryState.CONFIRMED)
    values = {"external_url": confirmation.url, "message": None}
    await move_delivery(unit, delivery_id, DeliveryState.CONFIRMED, seen=current, **values)
    facts = {
        "delivery_id": str(delivery_id),
        "destination": delivery.destination_id,
        "revision_number": delivery.revision_number,
        "url": confirmation.url,
        "message": None,
    }
    revision = await unit.get(Revision, (delivery.submission_id, delivery.revision_number))
    event, request = Event.DELIVERY_CONFIRMED, Request(asker, revision.sha256 if revision else None)
    await advance(unit, delivery.submission_id, event, request, Change(facts=facts))
    return await _shown(unit, held, delivery_id)


def _standing_in(
    delivery: Delivery, states: frozenset[DeliveryState], target: DeliveryState
) -> DeliveryState:
    current = DeliveryState(delivery.state)
    if current not in states:
        raise DeliveryMoveRefused(current, target)
    return current


def _check_link(url: str) -> None:
    """Readers and colleagues will follow it: a plain web address, which we never call ourselves."""
    try:
        parsed = httpx.URL(url)
        is_plain = parsed.scheme in ("http", "https") and bool(parsed.host) and not parsed.userinfo
    except httpx.InvalidURL:
        is_plain = False
    if not is_plain:
        raise invalid_field(
            "url",
            "应为 http:// 或 https:// 开头的网址。",
            "This must be an address with http:// or https://.",
        )


@router.post("/retry", summary="重新分发 · Send again", responses=problems(*_REFUSALS))
async def retry(delivery_id: UUID, asker: Asker, unit: Unit, held: Held) -> DeliveryShown:
    """Send a refused or unknown delivery again, under the same id, which the platform may know."""
    delivery = await _visible(unit, delivery_id, asker)
    require(asker, _RETRIERS, "retry_delivery")
    await send_again(unit, delivery, _standing_in(delivery, _TO_RETRY, DeliveryState.PENDING))
    return await _shown(unit, held, delivery_id)


@router.post("/cancel", summary="取消分发 · Cancel", responses=problems(*_REFUSALS))
async def cancel(delivery_id: UUID, asker: Asker, unit: Unit, held: Held) -> DeliveryShown:
    """Give up a delivery that is not out: pending, refused, or a package that nobody uploaded."""
    delivery = await _visible(unit, delivery_id, asker)
    require(asker, EDITORS, "cancel_delivery")
    message = Text("已由编辑取消。", "Cancelled by an editor.").to_json()
    seen = DeliveryState(delivery.state)
    await move_delivery(unit, delivery_id, DeliveryState.CANCELLED, seen=seen, message=message)
    return await _shown(unit, held, delivery_id)
