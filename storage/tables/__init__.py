"""The tables, as SQLModel classes. They hold; they do not decide, and nothing is validated on assignment."""

from sqlalchemy import Table
from sqlmodel import SQLModel

from storage.tables.calendar import WorkingDay, WorkingHoursRow
from storage.tables.comments import Autosave, Comment, PresetReason
from storage.tables.log import CheckpointCopy, CheckpointRow, ItemHeadRow, LogLeaf, LogNode, LogPending
from storage.tables.people import Delegation, Person, SignIn
from storage.tables.record import Approval, Disclosure, EventRow, JournalRow, Workflow
from storage.tables.submissions import Asset, Revision, Submission, Upload
from storage.tables.work import Delivery, Destination, IdempotentReply, OutboxRow, Rendition, RenditionUse

__all__ = [
    "Approval",
    "Asset",
    "Autosave",
    "CheckpointCopy",
    "CheckpointRow",
    "Comment",
    "Delegation",
    "Delivery",
    "Destination",
    "Disclosure",
    "EventRow",
    "IdempotentReply",
    "ItemHeadRow",
    "JournalRow",
    "LogLeaf",
    "LogNode",
    "LogPending",
    "OutboxRow",
    "Person",
    "PresetReason",
    "Rendition",
    "RenditionUse",
    "Revision",
    "SignIn",
    "Submission",
    "Upload",
    "Workflow",
    "WorkingDay",
    "WorkingHoursRow",
    "core",
]


def core(model: type[SQLModel]) -> Table:
    """The plain table under a model, for statements on the hot path: no instrumented objects, built once."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
