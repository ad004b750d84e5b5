"""What is on record about one submission: history, revisions, renditions, deliveries, runs."""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import STAFF, Asker, Held, Unit, require
from api.delivery_view import delivery_shown
from api.detail import Names, person
from api.openapi import API, problems
from api.prefect_links import run_url
from api.schemas.assets import Finding
from api.schemas.records import (
    Deliveries,
    FileShown,
    History,
    HistoryEvent,
    Renditions,
    RenditionShown,
    Revisions,
    RevisionShown,
    Runs,
    RunShown,
)
from states.content import Content
from states.roles import EDITORS, Role
from storage.board import Opened, history_of, revisions_of
from storage.deliveries import deliveries_of
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.outbox import restart, work_of
from storage.people import display_names
from storage.renditions import of_revision
from storage.revisions import revision_by_number
from storage.seeing import visible_submission
from storage.settings import Settings
from storage.tables import EventRow, OutboxRow, Rendition, Revision

router = APIRouter(prefix=f"{API}/submissions/{{submission_id}}", tags=["record"])
_PROBLEMS = problems("not-found", "invalid-request")
# A playlist names its segments itself; an address for each of a thousand helps nobody.
_WITHOUT_ADDRESS = ("segment", "init")


@router.get("/history", summary="历史 · Every event", responses=_PROBLEMS)
async def history(submission_id: UUID, asker: Asker, unit: Unit) -> History:
    """Every event from the first, with the hash chain that makes a change of the past visible."""
    await visible_submission(unit, submission_id, asker)
    rows = await history_of(unit, submission_id)
    names = await _names(unit, (row.actor_id for row, _ in rows))
    return History(events=[_event(row, opened, names) for row, opened in rows])


async def _names(session: AsyncSession, ids: Iterable[UUID | None]) -> Names:
    return await display_names(session, {each for each in ids if each is not None})


def _event(row: EventRow, opened: Opened, names: Names) -> HistoryEvent:
    kept = row.model_dump(exclude={"id", "submission_id", "actor_id"})
    told = {field: opened.get(field) for field in ("reason", "comment")}
    return HistoryEvent(**kept, **told, actor=person(row.actor_id, names) if row.actor_id else None)


@router.get("/revisions", summary="各版本 · Every revision", responses=_PROBLEMS)
async def revisions(submission_id: UUID, asker: Asker, unit: Unit) -> Revisions:
    """Every revision of the content, from the first."""
    await visible_submission(unit, submission_id, asker)
    rows = await revisions_of(unit, submission_id)
    names = await _names(unit, (row.editor_id for row in rows))
    return Revisions(revisions=[_revision(row, names) for row in rows])


@router.get("/revisions/{number}", summary="某一版本 · One revision", responses=_PROBLEMS)
async def revision(
    submission_id: UUID, number: Annotated[int, Path(ge=1, le=2**31 - 1)], asker: Asker, unit: Unit
) -> RevisionShown:
    """One revision of the content: what lay before whoever decided on it."""
    await visible_submission(unit, submission_id, asker)
    row = await revision_by_number(unit, submission_id, number)
    return _revision(row, await _names(unit, [row.editor_id]))


def _revision(row: Revision, names: Names) -> RevisionShown:
    return RevisionShown(
        number=row.number,
        sha256=row.sha256,
        editor=person(row.editor_id, names),
        created_at=row.created_at,
        content=Content.from_json(row.content).to_json(),
    )


@router.get("/renditions", summary="成品 · Renditions", responses=_PROBLEMS)
async def renditions(submission_id: UUID, asker: Asker, unit: Unit, held: Held) -> Renditions:
    """What the current revision goes out with: the files that the final reviewer signs."""
    row = await visible_submission(unit, submission_id, asker)
    made = await of_revision(unit, submission_id, row.revision_sha256)
    return Renditions(
        revision_sha256=row.revision_sha256, renditions=[_rendition(held.objects, each) for each in made]
    )


def _rendition(objects: Objects, rendition: Rendition) -> RenditionShown:
    return RenditionShown(
        key=rendition.key,
        source_sha256=rendition.source_sha256,
        profile=rendition.profile,
        state=rendition.state,
        files=[_file(objects, file) for file in rendition.files],
        measured=rendition.measured,
        refusal=Finding(**rendition.refusal) if rendition.refusal else None,
    )


def _file(objects: Objects, file: dict[str, Any]) -> FileShown:
    shown = {name: file[name] for name in ("role", "name", "media_type", "size_bytes", "sha256")}
    has_address = file["role"] not in _WITHOUT_ADDRESS
    url = objects.presign_get(RENDITIONS, file["object_key"], file["name"]) if has_address else None
    return FileShown(**shown, url=url)


@router.get("/deliveries", summary="分发情况 · Deliveries", responses=_PROBLEMS)
async def deliveries(submission_id: UUID, asker: Asker, unit: Unit, held: Held) -> Deliveries:
    """Every delivery that was ever planned, newest revision first."""
    await visible_submission(unit, submission_id, asker)
    rows = await deliveries_of(unit, submission_id)
    return Deliveries(deliveries=[delivery_shown(held.objects, *pair) for pair in rows])


@router.get(
    "/runs",
    summary="后台任务 · Work and its Prefect runs",
    responses=problems("role-missing", "not-found", "invalid-request"),
)
async def runs(submission_id: UUID, asker: Asker, unit: Unit, held: Held) -> Runs:
    """The work that followed from this submission's events, for staff."""
    await visible_submission(unit, submission_id, asker)
    require(asker, STAFF, "list_runs")
    return Runs(runs=[_run(held.settings, row) for row in await work_of(unit, submission_id)])


@router.post(
    "/runs/{run_id}/restart",
    status_code=204,
    summary="重新执行失败的任务 · Restart failed work",
    responses=problems("role-missing", "not-found", "invalid-request"),
)
async def restart_run(submission_id: UUID, run_id: int, asker: Asker, unit: Unit) -> None:
    """Work that was given up gets one attempt more. Whatever had been done stays done; nothing is sent twice."""
    await visible_submission(unit, submission_id, asker)
    require(asker, EDITORS | {Role.OPERATOR}, "restart_run")
    await restart(unit, submission_id, run_id)


def _run(settings: Settings, row: OutboxRow) -> RunShown:
    shown = row.model_dump(include=set(RunShown.model_fields) - {"state", "flow_run_url"})
    url = run_url(settings, row.flow_run_id) if row.flow_run_id else None
    return RunShown(**shown, state=_run_state(row), flow_run_url=url)


def _run_state(row: OutboxRow) -> str:
    if row.finished_at is not None:
        return "failed" if row.has_failed else "finished"
    if row.leased_until is None:
        return "waiting"
    return "running" if row.started_at is not None else "leased"
