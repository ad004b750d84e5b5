"""The log over all events and journal entries, and what the sequencer signs. Rows are added, never changed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, LargeBinary, SmallInteger, UniqueConstraint
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import moment


class LogPending(SQLModel, table=True):
    """An event or journal entry that is not in the log yet. Triggers add it, the sequencer takes it away."""

    __tablename__ = "log_pending"
    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    kind: str
    row_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = moment()


class LogLeaf(SQLModel, table=True):
    """One entry of the log: the hash of an event or a journal entry, from index 0 without a gap."""

    __tablename__ = "log_leaf"
    __table_args__ = (
        UniqueConstraint("kind", "row_id", name="log_leaf_once"),
        CheckConstraint("kind IN ('event', 'journal')", name="log_leaf_kind"),
        CheckConstraint("octet_length(hash) = 32", name="log_leaf_hash"),
    )
    index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    kind: str
    row_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class LogNode(SQLModel, table=True):
    """A perfect subtree of 2^level entries, so that a proof reads some twenty rows and not the log."""

    __tablename__ = "log_node"
    level: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class CheckpointRow(SQLModel, table=True):
    """One signed statement about the whole log; `verifier_key` says with which key."""

    __tablename__ = "checkpoint"
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    note: str
    verifier_key: str
    at: datetime = moment()


class CheckpointCopy(SQLModel, table=True):
    """A checkpoint that lies outside the database too: where, since when. Copies are made in order."""

    __tablename__ = "checkpoint_copy"
    place: str = Field(primary_key=True)
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: datetime = moment()


class ItemHeadRow(SQLModel, table=True):
    """The signed statement how many events an item has; a new one with each of its events."""

    __tablename__ = "item_head"
    submission_id: UUID = Field(foreign_key="submission.id", primary_key=True)
    item_seq: int
    hash: str
    log_size: int = Field(sa_column=Column(BigInteger, nullable=False))
    note: str
