"""The configured accounts on platforms."""

from collections.abc import Iterable

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import AlreadyExists
from storage.tables import Destination


async def add_destination(session: AsyncSession, destination: Destination) -> Destination:
    """Store a new destination. Raises AlreadyExists when its id is taken."""
    session.add(destination)
    try:
        await session.flush()
    except IntegrityError as error:
        name = destination.id
        raise AlreadyExists(
            Text(
                f"渠道编号 {name} 已被使用，请换一个。",
                f"The destination id {name} is taken; choose another.",
            )
        ) from error
    return destination


async def list_destinations(
    session: AsyncSession, among: Iterable[str] | None = None, *, open_only: bool = False
) -> list[Destination]:
    """All destinations, or those among some ids, by id."""
    statement = select(Destination).order_by(col(Destination.id))
    if among is not None:
        statement = statement.where(col(Destination.id).in_(list(among)))
    if open_only:
        statement = statement.where(col(Destination.is_enabled).is_(True))
    return list(await session.exec(statement))
