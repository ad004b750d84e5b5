"""Keeping a claim while one works on a piece."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.asking import Asker, Unit
from api.openapi import API, problems
from storage.claims import renew_claim
from storage.seeing import visible_submission

router = APIRouter(prefix=f"{API}/submissions/{{submission_id}}/claim", tags=["submissions"])


@router.post(
    "/renew",
    status_code=204,
    summary="保持认领 · Keep the claim",
    responses=problems("not-found", "guard-refused", "invalid-request"),
)
async def renew(submission_id: UUID, asker: Asker, unit: Unit) -> Response:
    """Hold the piece for another half hour. Refused when somebody else has it by now. Makes no event."""
    await visible_submission(unit, submission_id, asker)
    await renew_claim(unit, submission_id, UUID(asker.person_id))
    return Response(status_code=204)
