"""Delegations: people lend a role of the reviews to a deputy; administrators can do it for them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Asker, Unit
from api.cursors import read_cursor, write_cursor
from api.detail import Names, person
from api.openapi import API, problems
from api.schemas.delegations import DelegationPage, DelegationShown, NewDelegation
from storage.delegations import (
    LentRole,
    clock,
    grant_delegation,
    list_delegations,
    revoke_delegation,
)
from storage.people import display_names
from storage.tables import Delegation

router = APIRouter(prefix=f"{API}/delegations", tags=["delegations"])


@router.post(
    "",
    status_code=201,
    summary="委托审核 · Lend a role",
    responses=problems("not-found", "delegation-refused", "invalid-request"),
)
async def grant(new: NewDelegation, asker: Asker, unit: Unit) -> DelegationShown:
    """Lend a role that you hold. What the deputy decides with it is recorded as done on your behalf."""
    lent = LentRole(
        principal_id=new.principal_id or UUID(asker.person_id),
        deputy_id=new.deputy_id,
        role=new.role,
        starts_at=new.starts_at,
        ends_at=new.ends_at,
        note=new.note,
    )
    return (await _shown(unit, [await grant_delegation(unit, lent, asker)]))[0]


@router.get("", summary="委托列表 · Delegations", responses=problems("invalid-request"))
async def page(
    asker: Asker,
    unit: Unit,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> DelegationPage:
    """What you lend and what was lent to you, past ones too; for administrators everybody's. Newest first."""
    after = None if cursor is None else read_cursor(cursor)
    rows = await list_delegations(unit, asker, after, limit + 1)
    last = write_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
    return DelegationPage(items=await _shown(unit, rows[:limit]), next=last)


@router.post(
    "/{delegation_id}/revoke",
    summary="收回委托 · End a delegation",
    responses=problems("not-found", "invalid-request"),
)
async def revoke(delegation_id: UUID, asker: Asker, unit: Unit) -> DelegationShown:
    """End it at once: whoever lent it, the deputy, or an administrator. One that has ended stays as it is."""
    return (await _shown(unit, [await revoke_delegation(unit, delegation_id, asker)]))[0]


async def _shown(session: AsyncSession, rows: Iterable[Delegation]) -> list[DelegationShown]:
    rows = list(rows)
    ids = {each for row in rows for each in (row.principal_id, row.deputy_id, row.granted_by, row.revoked_by)}
    names = await display_names(session, {each for each in ids if each is not None})
    now = await clock(session)
    return [_one(row, names, now) for row in rows]


def _one(row: Delegation, names: Names, now: datetime) -> DelegationShown:
    return DelegationShown(
        id=row.id,
        principal=person(row.principal_id, names),
        deputy=person(row.deputy_id, names),
        role=row.role,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        note=row.note,
        state=_state(row, now),
        granted_by=person(row.granted_by, names),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        revoked_by=person(row.revoked_by, names) if row.revoked_by else None,
    )


def _state(row: Delegation, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.ends_at <= now:
        return "ended"
    return "active" if row.starts_at <= now else "planned"
