"""Reads for an audit: every approval with who, when, from where, and what they saw; and the journal."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row, lateral, or_, true, tuple_
from sqlalchemy import func as sql
from sqlalchemy import select as sa_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database
from storage.tables import Approval, Disclosure, EventRow, JournalRow, Rendition, RenditionUse, Revision, core

Place = tuple[datetime, UUID, int]
"""Where a page of approvals ends: time, submission, number of the event."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """Which approvals: by whom (also on whose behalf, or who confirmed), when, of what."""

    person_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None
    column: str | None = None
    stage: str | None = None
    submission_id: UUID | None = None

    def facts(self) -> dict[str, str]:
        """What was asked for, as the journal keeps it."""
        named = {
            "person_id": self.person_id,
            "since": self.since and self.since.isoformat(),
            "before": self.before and self.before.isoformat(),
            "column": self.column,
            "stage": self.stage,
            "submission_id": self.submission_id,
        }
        return {name: str(value) for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """One approval with the revision that was seen. `address` is None once it was erased.

    `approval` has an approval's columns by name; it is read only and knows nothing of the session.
    """

    approval: Approval
    event_hash: str
    address: str | None
    revision_number: int
    title: str
    column: str | None
    asset_sha256s: tuple[str, ...]
    renditions: tuple[Rendition, ...] = ()  # of a sign-off: what the manifest names

    @property
    def place(self) -> Place:
        """Where a page that ends here ends."""
        return self.approval.at, self.approval.submission_id, self.approval.item_seq


async def approvals_page(
    session: AsyncSession, wanted: ApprovalFilter, after: Place | None, limit: int
) -> list[ApprovalRecord]:
    """At most `limit` approvals, newest first, behind `after`."""
    statement = (
        sa_select(*core(Approval).c, *_SEEN)
        .select_from(Approval)
        .join(_REVISION, true())
        .join(EventRow, _same_event(EventRow))
        .join(Disclosure, _same_event(Disclosure), isouter=True)
        .where(*_conditions(wanted))
    )
    place = tuple_(col(Approval.at), col(Approval.submission_id), col(Approval.item_seq))
    if after is not None:
        statement = statement.where(place < tuple_(*after))
    order = (each.desc() for each in (col(Approval.at), col(Approval.submission_id), col(Approval.item_seq)))
    found = await (await session.connection()).execute(statement.order_by(*order).limit(limit))
    return await _with_renditions(session, [_record(row) for row in found])


async def count_approvals(session: AsyncSession, wanted: ApprovalFilter) -> int:
    """How many there are."""
    statement = sa_select(sql.count()).select_from(Approval).where(*_conditions(wanted))
    if wanted.column is not None:
        statement = statement.join(_REVISION, true())
    return int((await (await session.connection()).execute(statement)).scalar_one())


async def every_approval(db: Database, wanted: ApprovalFilter) -> AsyncIterator[list[ApprovalRecord]]:
    """All pages, each in a transaction of its own: a slow reader keeps none open."""
    after: Place | None = None
    while True:
        async with db.transaction() as session:
            page = await approvals_page(session, wanted, after, _PAGE)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1].place


def until_now(wanted: ApprovalFilter, now: datetime) -> ApprovalFilter:
    """The same without what comes later: an export ends where it was asked for."""
    return replace(wanted, before=min(wanted.before or now, now))


# The same content may have been there twice; what was seen is its latest revision before the approval.
_REVISION = lateral(
    sa_select(col(Revision.number), col(Revision.content))
    .where(
        col(Revision.submission_id) == col(Approval.submission_id),
        col(Revision.sha256) == col(Approval.revision_sha256),
    )
    .order_by((col(Revision.created_at) <= col(Approval.at)).desc(), col(Revision.number).desc())
    .limit(1)
).alias("seen")
_CONTENT = _REVISION.c.content
_SEEN: tuple[Any, ...] = (
    col(EventRow.hash).label("event_hash"),
    core(Disclosure).c.opened["address"][1].astext.label("address"),
    _REVISION.c.number,
    _CONTENT["title"].astext.label("title"),
    _CONTENT["column"].astext.label("column_name"),
    _CONTENT["assets"].label("assets"),
)


def _same_event(model: type[EventRow] | type[Disclosure]) -> Any:
    return (col(model.submission_id) == col(Approval.submission_id)) & (
        col(model.item_seq) == col(Approval.item_seq)
    )


def _conditions(wanted: ApprovalFilter) -> Iterable[Any]:
    if (person := wanted.person_id) is not None:
        people = (col(Approval.person_id), col(Approval.on_behalf_of), col(Approval.confirmed_by))
        yield or_(*(each == person for each in people))
    if wanted.since is not None:
        yield col(Approval.at) >= wanted.since
    if wanted.before is not None:
        yield col(Approval.at) < wanted.before
    if wanted.column is not None:
        yield _CONTENT["column"].astext == wanted.column
    if wanted.stage is not None:
        yield col(Approval.stage) == wanted.stage
    if wanted.submission_id is not None:
        yield col(Approval.submission_id) == wanted.submission_id


def _record(row: Row[Any]) -> ApprovalRecord:
    return ApprovalRecord(
        approval=cast(Approval, row),
        event_hash=row.event_hash,
        address=row.address,
        revision_number=row.number,
        title=row.title or "",  # what says nothing is not stored
        column=row.column_name,
        asset_sha256s=tuple(each["sha256"] for each in row.assets or ()),
    )


async def _with_renditions(session: AsyncSession, records: Sequence[ApprovalRecord]) -> list[ApprovalRecord]:
    signed = {_signed(each) for each in records if each.approval.manifest_sha256 is not None}
    if not signed:
        return list(records)
    use = (col(RenditionUse.submission_id), col(RenditionUse.revision_sha256))
    statement = (
        select(*use, Rendition)
        .join(Rendition, col(Rendition.key) == col(RenditionUse.rendition_key))
        .where(tuple_(*use).in_(signed))
        .order_by(col(Rendition.source_sha256), col(Rendition.profile))
    )
    made: dict[tuple[UUID, str], list[Rendition]] = {}
    for submission_id, revision_sha256, rendition in await session.exec(statement):
        made.setdefault((submission_id, revision_sha256), []).append(rendition)
    return [
        replace(each, renditions=tuple(made.get(_signed(each), ())))
        if each.approval.manifest_sha256 is not None
        else each
        for each in records
    ]


def _signed(record: ApprovalRecord) -> tuple[UUID, str]:
    return record.approval.submission_id, record.approval.revision_sha256


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which entries of the journal."""

    action: str | None = None
    actor_id: UUID | None = None
    subject: str | None = None
    since: datetime | None = None
    before: datetime | None = None


async def journal_page(
    session: AsyncSession, wanted: JournalFilter, after: int | None, limit: int
) -> list[JournalRow]:
    """At most `limit` entries, newest first, behind the entry `after`."""
    row_id = col(JournalRow.id)
    statement = select(JournalRow).where(*_journal_conditions(wanted))
    if after is not None:
        statement = statement.where(row_id < after)
    return list(await session.exec(statement.order_by(row_id.desc()).limit(limit)))


def _journal_conditions(wanted: JournalFilter) -> Iterable[Any]:
    if wanted.action is not None:
        yield col(JournalRow.action) == wanted.action
    if wanted.actor_id is not None:
        yield col(JournalRow.actor_id) == wanted.actor_id
    if wanted.subject is not None:
        yield col(JournalRow.subject) == wanted.subject
    if wanted.since is not None:
        yield col(JournalRow.at) >= wanted.since
    if wanted.before is not None:
        yield col(JournalRow.at) < wanted.before
