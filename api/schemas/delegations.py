"""Delegations: who lends which role to whom, until when."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, PersonRef, Shown, Words
from api.schemas.moments import ZonedTime
from states.roles import Role


class NewDelegation(Body):
    """A role to be lent. Without a start it begins now; it lasts 90 days at the most."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "deputy_id": "0191d3a0-0000-7000-8000-000000000001",
                    "role": "editor_in_chief",
                    "ends_at": "2026-10-08T08:00:00+08:00",
                    "note": "国庆假期值班",
                }
            ]
        }
    )
    principal_id: UUID | None = Field(None, description="Whose role; your own, unless you are administrator.")
    deputy_id: UUID
    role: Role
    starts_at: ZonedTime | None = None
    ends_at: ZonedTime
    note: Words = Field("", max_length=200)


class DelegationShown(Shown):
    """A role that is, will be or was lent."""

    id: UUID
    principal: PersonRef
    deputy: PersonRef
    role: str
    starts_at: datetime
    ends_at: datetime
    note: str
    state: str = Field(description="planned, active, ended or revoked")
    granted_by: PersonRef
    created_at: datetime
    revoked_at: datetime | None
    revoked_by: PersonRef | None


class DelegationPage(Shown):
    """One page, newest first; `next` is the cursor of the page behind it."""

    items: list[DelegationShown]
    next: str | None
