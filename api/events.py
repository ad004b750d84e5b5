"""Events: a person's decision on one submission, or on several at once."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.answers import describe, log_failure, problem_document
from api.asking import Asker, AskerApart, Held, Resources, Unit
from api.language import reader_language
from api.moves import order_event, standing
from api.openapi import API, OF_A_MOVE, problems
from api.preconditions import IfMatch, etag, seen_version
from api.schemas.events import Batch, BatchItem, BatchResult, BatchResults, EventOrder
from api.schemas.submissions import Standing
from states.roles import Actor

router = APIRouter(prefix=API, tags=["submissions"])


@router.post(
    "/submissions/{submission_id}/events",
    summary="送审、审核等操作 · Send an event",
    responses=problems(*OF_A_MOVE),
)
async def send_event(
    submission_id: UUID,
    order: EventOrder,
    asker: Asker,
    unit: Unit,
    response: Response,
    if_match: IfMatch = None,
) -> Standing:
    """Make one move of the table. Decisions name the revision that was read; If-Match is optional here."""
    moved = await order_event(unit, asker, submission_id, order, seen_version(if_match))
    response.headers["ETag"] = etag(moved.version)
    return standing(moved)


@router.post(
    "/events:batch",
    summary="批量操作 · Send several events",
    responses=problems("invalid-request"),
)
async def send_batch(batch: Batch, request: Request, asker: AskerApart, held: Held) -> BatchResults:
    """Each item is done or refused on its own, in order; the answer has a result for each."""
    return BatchResults(results=[await _one(held, asker, item, request) for item in batch.items])


async def _one(held: Resources, actor: Actor, item: BatchItem, request: Request) -> BatchResult:
    try:
        async with held.db.transaction() as session:
            moved = await order_event(session, actor, item.submission_id, item, item.version)
    except Exception as error:
        return _not_done(item, error, request)
    return BatchResult(submission_id=item.submission_id, status=200, standing=standing(moved))


def _not_done(item: BatchItem, error: Exception, request: Request) -> BatchResult:
    problem = describe(error)
    log_failure(problem, error, request.scope)
    instance = f"{API}/submissions/{item.submission_id}/events"
    language = reader_language(request.headers.get("accept-language"))
    document = problem_document(problem, language, instance, request.scope["state"]["request_id"])
    return BatchResult(submission_id=item.submission_id, status=problem.kind.status, problem=document)
