"""The tables, as SQLModel classes. They hold; they do not decide, and nothing is validated on assignment."""

from sqlalchemy import Table
from sqlmodel import SQLModel

from storage.tables.calendar import WorkingDay, WorkingHoursRow
from storage.tables.comments import Autosave, Comment, PresetReason
from storage.tables.examined import AssetMatch, FingerprintRow
from storage.tables.log import CheckpointCopy, CheckpointRow, ItemHeadRow, LogLeaf, LogNode, LogPending
from storage.tables.making import Making
from storage.tables.people import Delegation, Person, SignIn
from storage.tables.record import Approval, Disclosure, EventRow, JournalRow, Workflow
from storage.tables.retention import AssetRemoved, RetentionRule
from storage.tables.search import SearchEntry
from storage.tables.station import StationFile
from storage.tables.submissions import Asset, Revision, Submission
from storage.tables.uploads import Upload
from storage.tables.work import Delivery, Destination, IdempotentReply, OutboxRow, Rendition, RenditionUse

__all__ = [
    "Approval",
    "Asset",
    "AssetMatch",
    "AssetRemoved",
    "Autosave",
    "CheckpointCopy",
    "CheckpointRow",
    "Comment",
    "Delegation",
    "Delivery",
    "Destination",
    "Disclosure",
    "EventRow",
    "FingerprintRow",
    "IdempotentReply",
    "ItemHeadRow",
    "JournalRow",
    "LogLeaf",
    "LogNode",
    "LogPending",
    "Making",
    "OutboxRow",
    "Person",
    "PresetReason",
    "Rendition",
    "RenditionUse",
    "RetentionRule",
    "Revision",
    "SearchEntry",
    "SignIn",
    "StationFile",
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
