"""The proof of a submission, for whoever may see it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.asking import STAFF, Asker, Unit
from api.openapi import API, problems
from api.schemas.proofs import Proof
from storage.proofs import proof_of
from storage.seeing import visible_submission

router = APIRouter(prefix=f"{API}/submissions/{{submission_id}}", tags=["record"])
Since = Annotated[
    int | None,
    Query(ge=1, le=2**53 - 1, description="Size of a checkpoint that you keep: the log is compared with it."),
]


@router.get(
    "/proof",
    summary="证明文件 · A proof that anyone can check",
    responses=problems("not-found", "not-in-log-yet", "no-such-checkpoint", "invalid-request"),
)
async def proof(
    submission_id: UUID, asker: Asker, unit: Unit, response: Response, since: Since = None
) -> Proof:
    """All events, each with its proof that it is in the signed log, and what was signed.

    Check it with `verify_proof.py`. An author who is not on the staff is not told from which addresses others worked.
    """
    await visible_submission(unit, submission_id, asker)
    withhold = () if asker.rights & STAFF else ("address",)
    response.headers["Content-Disposition"] = f'attachment; filename="proof-{submission_id}.json"'
    return Proof.model_validate(await proof_of(unit, submission_id, since, withhold))
