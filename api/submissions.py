"""Submissions: begin one, list them, read one, change its content."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Asker, Held, Unit
from api.contents import check_covers, merged, new_content
from api.cursors import read_cursor, write_cursor
from api.detail import lines, submission_detail
from api.finishing import check_finishing
from api.idempotency import IdempotencyKey
from api.moves import move, standing
from api.openapi import API, OF_A_MOVE, problems
from api.preconditions import IfMatch, IfNoneMatch, etag, has_current, required_version
from api.problems import invalid_field
from api.schemas.base import Words
from api.schemas.submissions import (
    NewSubmission,
    Standing,
    SubmissionPage,
    SubmissionPatch,
    SubmissionShown,
)
from states.content import Content
from states.events import Event
from states.item import Request, State
from states.ledger import canonical_sha256
from states.roles import Actor
from storage.advance import Advanced, Change
from storage.assets import assets_of
from storage.board import BoardFilter, list_submissions
from storage.destinations import list_destinations
from storage.drafts import create_submission
from storage.errors import StaleVersion
from storage.idempotency import KeyReused, earlier_reply, keep_reply
from storage.seeing import visible_item, visible_submission
from storage.stories import APP

router = APIRouter(prefix=f"{API}/submissions", tags=["submissions"])


@router.post(
    "",
    status_code=201,
    summary="新建稿件 · Begin a submission",
    responses=problems("role-missing", "idempotency-key-reused", "invalid-request"),
)
async def create(
    draft: NewSubmission,
    asker: Asker,
    unit: Unit,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Standing:
    """Begin a draft, which only its author sees. A key is remembered for a day."""
    digest = canonical_sha256(draft.model_dump(mode="json"))
    if idempotency_key is not None:
        earlier = await _earlier(unit, asker, idempotency_key, digest)
        if earlier is not None:
            response.headers["Idempotent-Replayed"] = "true"
            return _located(earlier, response)
    content = new_content(draft)
    check_covers(content)
    await _check_destinations(unit, content)
    row = await create_submission(unit, asker, content, is_fast_track=draft.is_fast_track)
    created = Standing.model_validate(row)
    if idempotency_key is not None:
        body = created.model_dump(mode="json")
        await keep_reply(unit, row.author_id, idempotency_key, digest, 201, body)
    return _located(created, response)


def _located(created: Standing, response: Response) -> Standing:
    response.headers["Location"] = f"{API}/submissions/{created.id}"
    response.headers["ETag"] = etag(created.version)
    return created


async def _earlier(session: AsyncSession, actor: Actor, key: str, digest: str) -> Standing | None:
    earlier = await earlier_reply(session, UUID(actor.person_id), key)
    if earlier is None:
        return None
    if earlier.request_sha256 != digest:
        raise KeyReused
    return Standing.model_validate(earlier.body)


async def _check_destinations(session: AsyncSession, content: Content) -> None:
    named = (*content.destinations, *(each.destination for each in content.adaptations))
    if not named:
        return
    platforms = {each.id: each.platform for each in await list_destinations(session, named)}
    unknown = [each for each in named if each not in platforms]
    if unknown:
        names = ", ".join(unknown)
        field = "destinations" if unknown[0] in content.destinations else "adaptations"
        raise invalid_field(field, f"没有这些渠道：{names}。", f"There is no destination {names}.")
    own = [each.destination for each in content.adaptations if platforms[each.destination] == APP]
    if own:
        raise invalid_field(
            "adaptations",
            f"{own[0]} 是本单位的客户端，用的就是主稿：请直接改主稿。",
            f"{own[0]} is the newsroom's own app, which shows the piece itself: change that.",
        )


async def _wanted(
    state: Annotated[list[State] | None, Query(description="Only these states.")] = None,
    mine: Annotated[bool, Query(description="Only your own.")] = False,
    column: Annotated[Words | None, Query(max_length=100)] = None,
    text: Annotated[Words | None, Query(max_length=100, description="Part of the title.")] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
) -> BoardFilter:
    after = None if cursor is None else read_cursor(cursor)
    return BoardFilter(tuple(state or ()), mine, column, text, after)


@router.get("", summary="稿件列表 · List submissions", responses=problems("invalid-request"))
async def board(
    wanted: Annotated[BoardFilter, Depends(_wanted)],
    asker: Asker,
    unit: Unit,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> SubmissionPage:
    """What you may see, last changed first, by page."""
    rows = await list_submissions(unit, asker, wanted, limit + 1)
    page, has_more = rows[:limit], len(rows) > limit
    last = write_cursor(page[-1].updated_at, page[-1].id) if has_more else None
    return SubmissionPage(items=await lines(unit, page), next=last)


@router.get(
    "/{submission_id}",
    summary="稿件详情 · Read a submission",
    responses={
        304: {"description": "You have the current version."},
        **problems("not-found", "invalid-request"),
    },
)
async def read(
    submission_id: UUID,
    asker: Asker,
    unit: Unit,
    held: Held,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> SubmissionShown:
    """The submission, whole. The ETag is its version; addresses of files last an hour, so ask anew for fresh ones."""
    row = await visible_submission(unit, submission_id, asker)
    headers = {"ETag": etag(row.version), "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if has_current(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)  # type: ignore[return-value]  # FastAPI sends it as it is
    shown = await submission_detail(unit, held, asker, submission_id)
    response.headers.update(headers | {"ETag": etag(shown.version)})
    return shown


@router.patch(
    "/{submission_id}",
    summary="修改稿件 · Change the content",
    responses=problems(*OF_A_MOVE),
)
async def change(
    submission_id: UUID,
    patch: SubmissionPatch,
    asker: Asker,
    unit: Unit,
    response: Response,
    if_match: IfMatch = None,
) -> Standing:
    """Change the given fields, as a new revision. If-Match is required, and `*` is not accepted."""
    moved = await _edit(unit, asker, submission_id, patch, required_version(if_match))
    response.headers["ETag"] = etag(moved.version)
    return standing(moved)


async def _edit(
    session: AsyncSession,
    actor: Actor,
    submission_id: UUID,
    patch: SubmissionPatch,
    seen: int,
) -> Advanced:
    before = await visible_item(session, submission_id, actor, Event.EDIT)
    if before.row.version != seen:
        raise StaleVersion(submission_id, seen, before.row.version)
    content = merged(before.content, patch)
    if {"destinations", "adaptations"} & patch.model_fields_set:
        await _check_destinations(session, content)
    check_covers(content)
    if "assets" in patch.model_fields_set:
        check_finishing(content, await assets_of(session, submission_id))
    change = Change(content, seen_version=seen)
    return await move(session, submission_id, Event.EDIT, Request(actor), change)
