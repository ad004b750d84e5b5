"""Roles that people lend to a deputy. Each is on record; it ends by its day, by hand, or with an account."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, tuple_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.roles import EDITORS, ROLE_NAMES, Actor, Role
from states.text import Text
from storage.errors import DelegationRefused, NotFound
from storage.journal import write_journal
from storage.tables import Delegation, Person

LONGEST = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class LentRole:
    """Whose role is lent to whom, and for how long; without `starts_at` from now on."""

    principal_id: UUID
    deputy_id: UUID
    role: Role
    ends_at: datetime
    starts_at: datetime | None = None
    note: str = ""


async def grant_delegation(session: AsyncSession, new: LentRole, actor: Actor) -> Delegation:
    """Lend the role. Raises DelegationRefused with what is wrong, NotFound for people who are not there."""
    by = _person(actor)
    if by != new.principal_id and Role.ADMINISTRATOR not in actor.roles:
        raise DelegationRefused(_NOT_YOURS)
    people = await _hold(session, new.principal_id, new.deputy_id)
    now = await clock(session)
    if (refusal := _refusal(new, people, now)) is not None:
        raise DelegationRefused(refusal)
    row = Delegation(
        principal_id=new.principal_id,
        deputy_id=new.deputy_id,
        role=new.role.value,
        starts_at=new.starts_at or now,
        ends_at=new.ends_at,
        note=new.note,
        granted_by=by,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await write_journal(session, "delegation_granted", by, _subject(row), _facts(row))
    return row


async def _hold(session: AsyncSession, *person_ids: UUID) -> dict[UUID, Person]:
    """The people, who stay as they are until this transaction ends: an account closes before or after it."""
    statement = select(Person).where(col(Person.id).in_(person_ids)).order_by(col(Person.id))
    people = {person.id: person for person in await session.exec(statement.with_for_update(read=True))}
    for person_id in person_ids:
        if person_id not in people:
            raise NotFound("person", person_id)
    return people


def _refusal(new: LentRole, people: dict[UUID, Person], now: datetime) -> Text | None:
    principal, deputy = people[new.principal_id], people[new.deputy_id]
    starts_at = new.starts_at or now
    name = ROLE_NAMES[new.role]
    refusals = (
        (
            new.role not in EDITORS,
            Text(
                f"{name.zh}不能委托，只能委托审核角色。",
                f"The role {name.en} cannot be lent; only the roles of the reviews can.",
            ),
        ),
        (principal.id == deputy.id, _TO_ONESELF),
        (not principal.is_active or not deputy.is_active, _CLOSED),
        (
            new.role.value not in principal.roles,
            Text(
                f"委托人本人没有{name.zh}角色；受托得来的角色不能再转委托。",
                f"They do not hold the role {name.en} themselves; a lent role cannot be lent on.",
            ),
        ),
        (starts_at < now, _STARTED),
        (new.ends_at <= starts_at, _ENDED),
        (new.ends_at - starts_at > LONGEST, _TOO_LONG),
    )
    return next((text for stands, text in refusals if stands), None)


async def revoke_delegation(session: AsyncSession, delegation_id: UUID, actor: Actor) -> Delegation:
    """End it now; one that has ended stays as it is.

    Raises NotFound, alike for what is not there and what neither is the actor's nor theirs to administer.
    """
    statement = select(Delegation).where(col(Delegation.id) == delegation_id).with_for_update()
    row = (await session.exec(statement)).first()
    by = _person(actor)
    if row is None or not (by in (row.principal_id, row.deputy_id) or Role.ADMINISTRATOR in actor.roles):
        raise NotFound("delegation", delegation_id)
    await _end(session, row, by, {})
    return row


async def end_delegations_of(session: AsyncSession, person_id: UUID, by: UUID | None) -> None:
    """End what a person lends and what was lent to them: their account is closed."""
    concerned = or_(col(Delegation.principal_id) == person_id, col(Delegation.deputy_id) == person_id)
    statement = select(Delegation).where(concerned, col(Delegation.revoked_at).is_(None))
    for row in await session.exec(statement.order_by(col(Delegation.id)).with_for_update()):
        await _end(session, row, by, {"because": "account_closed"})


async def _end(session: AsyncSession, row: Delegation, by: UUID | None, why: dict[str, Any]) -> None:
    now = await clock(session)
    if row.revoked_at is not None or row.ends_at <= now:
        return
    row.revoked_at, row.revoked_by = now, by
    session.add(row)
    await session.flush()
    await write_journal(session, "delegation_revoked", by, _subject(row), {**_facts(row), **why})


async def list_delegations(
    session: AsyncSession, actor: Actor, after: tuple[datetime, UUID] | None, limit: int
) -> list[Delegation]:
    """What the actor lends and was lent, past ones too; for administrators everybody's. Newest first."""
    statement = select(Delegation)
    if Role.ADMINISTRATOR not in actor.roles:
        mine = _person(actor)
        statement = statement.where(
            or_(col(Delegation.principal_id) == mine, col(Delegation.deputy_id) == mine)
        )
    position = tuple_(col(Delegation.created_at), col(Delegation.id))
    if after is not None:
        statement = statement.where(position < tuple_(*after))
    order = (col(Delegation.created_at).desc(), col(Delegation.id).desc())
    return list(await session.exec(statement.order_by(*order).limit(limit)))


async def clock(session: AsyncSession) -> datetime:
    """The database's time at the beginning of this transaction."""
    return (await session.exec(select(func.now()))).one()


def _person(actor: Actor) -> UUID:
    if actor.person_id is None:
        raise ValueError("the machine neither lends nor borrows a role")
    return UUID(actor.person_id)


def _subject(row: Delegation) -> str:
    return f"delegation/{row.id}"


def _facts(row: Delegation) -> dict[str, str]:
    return {
        "principal_id": str(row.principal_id),
        "deputy_id": str(row.deputy_id),
        "role": row.role,
        "starts_at": row.starts_at.astimezone(UTC).isoformat(),
        "ends_at": row.ends_at.astimezone(UTC).isoformat(),
    }


_NOT_YOURS = Text(
    "只能委托自己的角色；代他人设置请联系管理员。",
    "You can lend your own role only; ask an administrator to do it for somebody else.",
)
_TO_ONESELF = Text("不能委托给自己，请另选一位。", "Nobody is their own deputy; choose somebody else.")
_CLOSED = Text(
    "委托人和受托人的账号都须在用，请另选一位。",
    "Both accounts must be open; choose somebody whose account is.",
)
_STARTED = Text("开始时间已过；不填即从现在开始。", "The start is over already; leave it out to start now.")
_ENDED = Text("结束时间须晚于开始时间和现在。", "The end must come after the start, and after now.")
_TOO_LONG = Text(
    f"委托最长 {LONGEST.days} 天，请缩短；到期后可再次委托。",
    f"A delegation lasts {LONGEST.days} days at the most; shorten it, and lend the role again afterwards.",
)
