"""My queue: what only I can act on, by time left."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.asking import Asker, Unit
from api.cursors import read_cursor, write_cursor
from api.detail import lines
from api.openapi import API, problems
from api.schemas.queue import Queue, QueueLine
from api.schemas.submissions import SubmissionLine
from storage.queue import Waiting, queue_of

router = APIRouter(prefix=API, tags=["submissions"])


@router.get("/queue", summary="我的待办 · My queue", responses=problems("invalid-request"))
async def queue(
    asker: Asker,
    unit: Unit,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Queue:
    """What waits for you: reviews that you could take on, by your roles and those lent to you, what you hold,
    overrides to confirm, your pieces that were returned. What is due first comes first.
    """
    after = None if cursor is None else read_cursor(cursor)
    waiting = await queue_of(unit, asker, limit + 1, after)
    page, has_more = waiting[:limit], len(waiting) > limit
    shown = zip(page, await lines(unit, [each.row for each in page]), strict=True)
    last = write_cursor(*page[-1].place) if has_more else None
    return Queue(items=[_line(each, line) for each, line in shown], next=last)


def _line(waiting: Waiting, line: SubmissionLine) -> QueueLine:
    left_s = waiting.time_left_s
    is_overdue = left_s is not None and left_s < 0
    return QueueLine(**dict(line), why=waiting.why.value, time_left_s=left_s, is_overdue=is_overdue)
