"""Release: a signed piece goes out at its time. What was rescheduled, recalled or let out otherwise stays so."""

from uuid import UUID

from prefect import flow

from flows.context import working
from states.events import Event


@flow(name="release", description="到时发布 · let a signed piece out at its time")
async def release(submission_id: UUID, revision_sha256: str, outbox_id: int, attempt: int) -> None:
    """Let the piece out. A refusal ends the run: another time took its place, and has a run of its own."""
    async with working(outbox_id, attempt) as work:
        await work.report(submission_id, Event.GO_OUT, {}, revision_sha256)
