"""Sending an event through the one write path, for a person: what they may not see stays unseen."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from api.commenting import notes_of
from api.problems import invalid_field
from api.schemas.events import EventOrder
from api.schemas.submissions import Standing
from states.decide import allowed_events
from states.events import Event
from states.item import Item, Request
from states.refusals import IllegalMove, MoveRefused, RoleMissing
from states.roles import EDITORS, Actor, Role
from states.submission import MOVES
from storage.advance import Advanced, Change, advance
from storage.comments import add_comments
from storage.errors import Conflict
from storage.people import actor_by_id
from storage.seeing import visible_item, visible_submission

_ROLES_OF: dict[Event, frozenset[Role]] = {
    event: frozenset(role for move in MOVES if move.event is event for role in move.roles) for event in Event
}


async def order_event(
    session: AsyncSession,
    actor: Actor,
    submission_id: UUID,
    order: EventOrder,
    seen: int | None,
) -> Advanced:
    """Send the event that a person ordered.

    Raises what `move` raises, and InvalidFields for events that come with something else: an edit is a
    PATCH, a confirmed delivery is confirmed at the delivery.
    """
    if order.event is Event.EDIT:
        raise invalid_field("event", "请用 PATCH 修改稿件内容。", "Change the content with PATCH.")
    if order.event is Event.DELIVERY_CONFIRMED and actor.rights & EDITORS:
        raise invalid_field(
            "event",
            "请在该分发上确认：POST /api/v1/deliveries/{id}/confirm。",
            "Confirm the delivery itself: POST /api/v1/deliveries/{id}/confirm.",
        )
    notes = await notes_of(session, actor, submission_id, order)
    request = Request(
        actor,
        order.revision_sha256,
        notes.reason,
        successor=await _successor(session, order),
        release=order.release.wall_time() if order.release else None,
    )
    change = Change(facts=notes.facts, comment=order.comment, seen_version=seen)
    moved = await move(session, submission_id, order.event, request, change)
    await add_comments(session, notes.remarks, moved.version)
    return moved


async def _successor(session: AsyncSession, order: EventOrder) -> Actor | None:
    if order.event is not Event.HAND_OVER:
        return None
    found = await actor_by_id(session, order.to) if order.to else None
    if found is None:
        raise invalid_field(
            "to", "请指定接手的人（在职人员的编号）。", "Name the active person who takes it over."
        )
    return found


async def move(
    session: AsyncSession, submission_id: UUID, event: Event, request: Request, change: Change
) -> Advanced:
    """As `advance`. A refusal first makes sure that the actor may see the item: else NotFound.

    A move that is made needs no such look: every row of the table asks for the author, or for a role that
    sees whatever has been sent in.
    """
    try:
        return await advance(session, submission_id, event, request, change)
    except (MoveRefused, Conflict) as refusal:
        await visible_submission(session, submission_id, request.actor)
        if not isinstance(refusal, IllegalMove):
            raise
        raise await _illegal(session, submission_id, event, request.actor) from refusal


async def _illegal(session: AsyncSession, submission_id: UUID, event: Event, actor: Actor) -> MoveRefused:
    """The refusal with everything that is allowed instead; or the role, where none of theirs ever helps."""
    if not _ROLES_OF[event] & actor.rights:
        return RoleMissing(event, _ROLES_OF[event])
    item = (await visible_item(session, submission_id, actor)).item
    return IllegalMove(event, item.state, sendable_events(item, actor))


def sendable_events(item: Item, actor: Actor) -> tuple[str, ...]:
    """What the actor could send now; a delivery is confirmed at the delivery, so that is not among them."""
    return tuple(
        event.value for event in allowed_events(item, actor) if event is not Event.DELIVERY_CONFIRMED
    )


def standing(moved: Advanced) -> Standing:
    """The wire form of where a submission stands after a move."""
    return Standing(
        id=moved.submission_id,
        version=moved.version,
        state=moved.state.value,
        revision_number=moved.revision_number,
        revision_sha256=moved.revision_sha256,
    )
