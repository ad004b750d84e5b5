"""How long things are kept, and which files are gone by such a rule."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import maybe_moment, moment


class RetentionRule(SQLModel, table=True):
    """What an administrator chose for one kind of thing; storage/retention_rules.py says what it means."""

    __tablename__ = "retention_rule"
    __table_args__ = (
        CheckConstraint("keep_days >= 1", name="retention_rule_days"),
        CheckConstraint("name <> 'logs' OR keep_days >= 184", name="retention_rule_logs"),
    )
    name: str = Field(primary_key=True)
    keep_days: int
    is_on: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    swept_at: datetime | None = maybe_moment()  # the last daily sweep


class AssetRemoved(SQLModel, table=True):
    """A file whose bytes a rule took away; name and hash stay. A trigger ends it when the file is sent again."""

    __tablename__ = "asset_removed"
    asset_id: UUID = Field(sa_column=Column(ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True))
    rule: str
    removed_at: datetime = moment()
