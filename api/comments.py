"""Comments on a submission, for everybody who may see it; its author sees them at once."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Asker, Unit
from api.commenting import prepared
from api.detail import Names, person
from api.openapi import API, problems
from api.schemas.comments import CommentPage, CommentShown, NewComment
from storage.comments import comment_by_id, list_comments, make_comment, resolve_comment
from storage.errors import NotFound
from storage.people import display_names
from storage.seeing import visible_submission
from storage.tables import Comment, Submission

router = APIRouter(prefix=API, tags=["comments"])
Cursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="`next` of the page before.")]


@router.post(
    "/submissions/{submission_id}/comments",
    status_code=201,
    summary="批注 · Comment on a submission",
    responses=problems("not-found", "invalid-request"),
)
async def comment(submission_id: UUID, new: NewComment, asker: Asker, unit: Unit) -> CommentShown:
    """On the whole piece, a range of its text, a region of a picture, or a time of a recording; it stays."""
    piece = await visible_submission(unit, submission_id, asker, to_write=True)
    (remark,) = await prepared(unit, asker, submission_id, (new,))
    row = await make_comment(unit, remark)
    return (await _shown(unit, piece, [row]))[0]


@router.get(
    "/submissions/{submission_id}/comments",
    summary="批注列表 · Comments on a submission",
    responses=problems("not-found", "invalid-request"),
)
async def comments(
    submission_id: UUID,
    asker: Asker,
    unit: Unit,
    is_open: Annotated[bool, Query(alias="open", description="Only those that are not resolved.")] = False,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> CommentPage:
    """In the order in which they were made, those with reviews and those apart, by page."""
    piece = await visible_submission(unit, submission_id, asker)
    rows = await list_comments(unit, submission_id, int(cursor or 0), limit + 1, open_only=is_open)
    page = rows[:limit]
    following = str(page[-1].number) if len(rows) > limit else None
    return CommentPage(items=await _shown(unit, piece, page), next=following)


@router.post(
    "/comments/{comment_id}/resolve",
    summary="批注已处理 · Resolve a comment",
    responses=problems("not-found", "invalid-request"),
)
async def resolve(comment_id: UUID, asker: Asker, unit: Unit) -> CommentShown:
    """Mark it as dealt with. Whoever did so first stays named; nobody undoes it."""
    found = await comment_by_id(unit, comment_id)
    try:
        piece = await visible_submission(unit, found.submission_id, asker, to_write=True)
    except NotFound as error:  # in the words of what was asked for
        raise NotFound("comment", comment_id) from error
    row = await resolve_comment(unit, comment_id, UUID(asker.person_id))
    return (await _shown(unit, piece, [row]))[0]


async def _shown(session: AsyncSession, piece: Submission, rows: list[Comment]) -> list[CommentShown]:
    people = {each for row in rows for each in (row.author_id, row.resolved_by) if each is not None}
    names = await display_names(session, people) if people else {}
    return [_comment(row, names, piece.revision_sha256) for row in rows]


def _comment(row: Comment, names: Names, current: str) -> CommentShown:
    kept = row.model_dump(include=set(CommentShown.model_fields) - {"author", "resolved_by"})
    return CommentShown(
        **kept,
        author=person(row.author_id, names),
        resolved_by=person(row.resolved_by, names) if row.resolved_by else None,
        is_current=row.revision_sha256 == current,
    )
