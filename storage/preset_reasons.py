"""The reasons that a newsroom keeps ready, by event."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import tuple_
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import AlreadyExists, NotFound
from storage.tables import PresetReason

_ORDER = (col(PresetReason.event), col(PresetReason.position), col(PresetReason.id))


async def list_preset_reasons(
    session: AsyncSession, event: str | None, after: str | None, limit: int, *, active_only: bool = True
) -> list[PresetReason]:
    """Those behind the one named `after`, by event and position; all events when it is None."""
    statement = select(PresetReason)
    if event is not None:
        statement = statement.where(col(PresetReason.event) == event)
    if active_only:
        statement = statement.where(col(PresetReason.is_active).is_(True))
    if after is not None:
        last = select(*_ORDER).where(col(PresetReason.id) == after).scalar_subquery()
        statement = statement.where(tuple_(*_ORDER) > last)
    return list(await session.exec(statement.order_by(*_ORDER).limit(limit)))


async def preset_reason(session: AsyncSession, reason_id: str, *, is_held: bool = False) -> PresetReason:
    """The reason, in use or not; held against other writers to the end of the transaction if wanted.

    Raises NotFound.
    """
    statement = select(PresetReason).where(col(PresetReason.id) == reason_id)
    found = (await session.exec(statement.with_for_update() if is_held else statement)).first()
    if found is None:
        raise NotFound("preset reason", reason_id)
    return found


async def add_preset_reason(session: AsyncSession, new: PresetReason) -> PresetReason:
    """Store a new one. Raises AlreadyExists."""
    session.add(new)
    try:
        await session.flush()
    except IntegrityError as error:
        text = Text(f"编号 {new.id} 已被使用，请换一个。", f"The id {new.id} is taken; choose another.")
        raise AlreadyExists(text) from error
    return new


async def change_preset_reason(
    session: AsyncSession, reason_id: str, changes: Mapping[str, Any]
) -> PresetReason:
    """Change its words, its position, whether it is in use. Records keep the words they were made with.

    Raises NotFound.
    """
    found = await preset_reason(session, reason_id)
    for name, value in changes.items():
        setattr(found, name, value)
    session.add(found)
    await session.flush()
    return found
