"""People, their sign-ins, and whom they let act for them."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlmodel import Field, SQLModel

from storage.tables._columns import maybe_moment, moment, strings


class Person(SQLModel, table=True):
    """A person who can sign in."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    username: str = Field(unique=True)
    display_name: str
    password_hash: str
    roles: list[str] = strings()
    columns: list[str] = strings()
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: datetime = moment()


class SignIn(SQLModel, table=True):
    """One sign-in. Only the SHA-256 of its token is kept."""

    __tablename__ = "sign_in"
    token_sha256: str = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    created_at: datetime = moment()
    expires_at: datetime = moment()


class Delegation(SQLModel, table=True):
    """A role lent by the person who holds it, until a day. Never changed but to be revoked."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    principal_id: UUID = Field(foreign_key="person.id", index=True)
    deputy_id: UUID = Field(foreign_key="person.id", index=True)
    role: str
    starts_at: datetime = moment()
    ends_at: datetime = moment()
    note: str = ""
    granted_by: UUID = Field(foreign_key="person.id")
    created_at: datetime = moment()
    revoked_at: datetime | None = maybe_moment()
    revoked_by: UUID | None = Field(default=None, foreign_key="person.id")
