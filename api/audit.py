"""Reads for an audit, for administrators and the editor-in-chief. Whoever takes a file away is on record."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Asker, Held, Resources, Unit, require
from api.audit_files import Pages, as_csv, as_json
from api.cursors import read_place, write_place
from api.detail import Names, person
from api.openapi import API, problems
from api.schemas.audit import (
    ApprovalPage,
    ApprovalShown,
    JournalPage,
    JournalShown,
    RenditionSeen,
    Seen,
)
from api.schemas.base import Words
from api.schemas.moments import ZonedTime
from states.roles import Actor, Role
from storage.audit import (
    ApprovalFilter,
    ApprovalRecord,
    JournalFilter,
    approvals_page,
    count_approvals,
    every_approval,
    journal_page,
    until_now,
)
from storage.delegations import clock
from storage.journal import write_journal
from storage.people import display_names
from storage.tables import JournalRow, Rendition

router = APIRouter(prefix=f"{API}/audit", tags=["audit"])
_AUDITORS = frozenset({Role.ADMINISTRATOR, Role.EDITOR_IN_CHIEF})
_PROBLEMS = problems("role-missing", "invalid-request")

Since = Annotated[ZonedTime | None, Query(alias="from", description="Not before this time, with its zone.")]
Before = Annotated[ZonedTime | None, Query(alias="to", description="Before this time, with its zone.")]
Limit = Annotated[int, Query(ge=1, le=100)]


async def _wanted(
    person: Annotated[UUID | None, Query(description="Reviewed, lent the role, or confirmed.")] = None,
    since: Since = None,
    before: Before = None,
    column: Annotated[Words | None, Query(max_length=100)] = None,
    stage: Annotated[Words | None, Query(max_length=100)] = None,
    submission: UUID | None = None,
) -> ApprovalFilter:
    return ApprovalFilter(person, since, before, column, stage, submission)


Wanted = Annotated[ApprovalFilter, Depends(_wanted)]


@router.get("/approvals", summary="审核记录 · Who approved what", responses=_PROBLEMS)
async def approvals(
    wanted: Wanted,
    asker: Asker,
    unit: Unit,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    limit: Limit = 50,
) -> ApprovalPage:
    """Every approval: who, when, from where, at which stage, on whose behalf, and what they saw. Newest first."""
    require(asker, _AUDITORS, "read_approvals")
    after = None if cursor is None else read_place(cursor)
    found = await approvals_page(unit, wanted, after, limit + 1)
    last = write_place(*found[limit - 1].place) if len(found) > limit else None
    return ApprovalPage(items=await _approvals(unit, found[:limit]), next=last)


@router.get(
    "/approvals.csv",
    summary="导出 CSV · Approvals as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "RFC 4180"}, **_PROBLEMS},
)
async def approvals_csv(wanted: Wanted, asker: Asker, unit: Unit, held: Held) -> StreamingResponse:
    """All that the filter names, for a table program. The export itself goes on record."""
    head, wanted = await _begin_export(unit, asker, wanted, "csv")
    return _file(as_csv(_pages(held, wanted)), "text/csv", head)


@router.get(
    "/approvals.json",
    summary="导出 JSON · Approvals as JSON",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}, "description": "One object"}, **_PROBLEMS},
)
async def approvals_json(wanted: Wanted, asker: Asker, unit: Unit, held: Held) -> StreamingResponse:
    """All that the filter names, for a machine. The export itself goes on record."""
    head, wanted = await _begin_export(unit, asker, wanted, "json")
    return _file(as_json(_pages(held, wanted), head), "application/json", head)


async def _begin_export(
    session: AsyncSession, asker: Actor, wanted: ApprovalFilter, form: str
) -> tuple[dict[str, Any], ApprovalFilter]:
    """On record before the first byte leaves: the request's transaction is committed before its answer."""
    require(asker, _AUDITORS, "export_approvals")
    now = await clock(session)
    wanted = until_now(wanted, now)
    head = {
        "as_of": now.isoformat(),
        "filter": wanted.facts(),
        "count": await count_approvals(session, wanted),
    }
    by = UUID(asker.person_id) if asker.person_id else None
    await write_journal(session, "exported", by, f"approvals.{form}", head)
    return head, wanted


def _file(content: AsyncIterator[str], media_type: str, head: dict[str, Any]) -> StreamingResponse:
    at = datetime.fromisoformat(head["as_of"]).strftime("%Y%m%dT%H%M%SZ")
    name = f"approvals-{at}.{media_type.rsplit('/', 1)[-1]}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(content, media_type=media_type, headers=headers)


async def _pages(held: Resources, wanted: ApprovalFilter) -> Pages:
    async for records in every_approval(held.db, wanted):
        async with held.db.transaction() as session:
            shown = await _approvals(session, records)
        yield shown


async def _approvals(session: AsyncSession, records: Sequence[ApprovalRecord]) -> list[ApprovalShown]:
    ids = {
        each
        for record in records
        for each in (record.approval.person_id, record.approval.on_behalf_of, record.approval.confirmed_by)
    }
    names = await display_names(session, {each for each in ids if each is not None})
    return [_approval(record, names) for record in records]


def _approval(record: ApprovalRecord, names: Names) -> ApprovalShown:
    approval = record.approval
    return ApprovalShown(
        at=approval.at,
        submission_id=approval.submission_id,
        stage=approval.stage,
        review_round=approval.review_round,
        person=person(approval.person_id, names),
        on_behalf_of=person(approval.on_behalf_of, names) if approval.on_behalf_of else None,
        delegation_id=approval.delegation_id,
        confirmed_by=person(approval.confirmed_by, names) if approval.confirmed_by else None,
        address=record.address,
        seen=_seen(record),
        item_seq=approval.item_seq,
        event_hash=record.event_hash,
    )


def _seen(record: ApprovalRecord) -> Seen:
    approval = record.approval
    return Seen(
        revision_number=record.revision_number,
        revision_sha256=approval.revision_sha256,
        url=f"{API}/submissions/{approval.submission_id}/revisions/{record.revision_number}",
        title=record.title,
        column=record.column,
        asset_sha256s=list(record.asset_sha256s),
        manifest_sha256=approval.manifest_sha256,
        renditions=[_rendition(each) for each in record.renditions],
    )


def _rendition(rendition: Rendition) -> RenditionSeen:
    files = {file["name"]: file["sha256"] for file in rendition.files if file["role"] != "segment"}
    return RenditionSeen(
        key=rendition.key, profile=rendition.profile, source_sha256=rendition.source_sha256, files=files
    )


async def _journal_wanted(
    action: Annotated[Words | None, Query(max_length=100, examples=["draft_read"])] = None,
    actor: UUID | None = None,
    subject: Annotated[Words | None, Query(max_length=200, description="Exactly this subject.")] = None,
    since: Since = None,
    before: Before = None,
) -> JournalFilter:
    return JournalFilter(action, actor, subject, since, before)


@router.get("/journal", summary="操作日志 · The journal", responses=_PROBLEMS)
async def journal(
    wanted: Annotated[JournalFilter, Depends(_journal_wanted)],
    asker: Asker,
    unit: Unit,
    cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")] = None,
    limit: Limit = 50,
) -> JournalPage:
    """What people did that moves no item: drafts read by administrators, delegations, exports. Newest first."""
    require(asker, _AUDITORS, "read_journal")
    rows = await journal_page(unit, wanted, cursor, limit + 1)
    names = await display_names(unit, {row.actor_id for row in rows if row.actor_id is not None})
    last = rows[limit - 1].id if len(rows) > limit else None
    return JournalPage(items=[_entry(row, names) for row in rows[:limit]], next=last)


def _entry(row: JournalRow, names: Names) -> JournalShown:
    actor = person(row.actor_id, names) if row.actor_id else None
    return JournalShown(**row.model_dump(exclude={"actor_id"}), actor=actor)
