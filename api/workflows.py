"""Workflows: staff read them, administrators publish new versions. What is on its way keeps the one it has."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from api.asking import ADMINISTRATORS, STAFF, Asker, Unit, require
from api.detail import Names, person
from api.openapi import API, problems
from api.schemas.base import Name
from api.schemas.workflows import WorkflowOrder, WorkflowShown
from storage.errors import NotFound
from storage.people import display_names
from storage.tables import Workflow
from storage.workflows import current_row, current_rows, publish_workflow, workflow_row

router = APIRouter(prefix=API, tags=["workflows"])
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/workflows", summary="现行流程 · The workflows in force", responses=problems("role-missing"))
async def in_force(asker: Asker, unit: Unit) -> list[WorkflowShown]:
    """The newest version of every column with its own, and first the one for all others."""
    require(asker, STAFF, "list_workflows")
    rows = await current_rows(unit)
    names = await display_names(unit, _makers(rows))
    return [_shown(row, names) for row in rows]


@router.get(
    "/workflows/{workflow_id}",
    summary="某一版流程 · One version",
    responses=problems("role-missing", "not-found", "invalid-request"),
)
async def one(workflow_id: Id, asker: Asker, unit: Unit) -> WorkflowShown:
    """One version, also one that binds no new piece any more."""
    require(asker, STAFF, "read_workflow")
    row = await workflow_row(unit, workflow_id)
    return _shown(row, await display_names(unit, _makers([row])))


@router.get(
    "/columns/{column}/workflow",
    summary="某栏目的流程 · The workflow of a column",
    responses=problems("role-missing", "not-found", "invalid-request"),
)
async def of_column(column: Name, asker: Asker, unit: Unit) -> WorkflowShown:
    """What binds a piece of this column that is sent in now: the column's own, or the one for all others."""
    require(asker, STAFF, "read_workflow")
    row = await current_row(unit, column)
    if row is None:
        raise NotFound("workflow", column)
    return _shown(row, await display_names(unit, _makers([row])))


@router.post(
    "/workflows",
    status_code=201,
    summary="发布新版流程 · Publish a version",
    responses=problems("role-missing", "workflow-invalid", "invalid-request"),
)
async def publish(order: WorkflowOrder, asker: Asker, unit: Unit, response: Response) -> WorkflowShown:
    """A new version for what is sent in from now on. Whatever is wrong with it is named all at once."""
    require(asker, ADMINISTRATORS, "publish_workflow")
    row = await publish_workflow(unit, order.column, order.to_workflow(), asker)
    response.headers["Location"] = f"{API}/workflows/{row.id}"
    return _shown(row, await display_names(unit, _makers([row])))


def _makers(rows: Iterable[Workflow]) -> set[UUID]:
    return {row.created_by for row in rows if row.created_by is not None}


def _shown(row: Workflow, names: Names) -> WorkflowShown:
    return WorkflowShown(
        id=row.id,
        column=row.column_name,
        number=row.number,
        start=row.definition["start"],
        stages=row.definition["stages"],
        created_by=person(row.created_by, names) if row.created_by else None,
        created_at=row.created_at,
    )
