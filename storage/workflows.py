"""Workflows as they are stored: a version is never changed, and the newest one of a column binds new pieces."""

from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import canonical_sha256
from states.roles import Actor
from states.workflow import Workflow
from states.workflow_faults import faults
from storage.errors import NotFound, WorkflowInvalid
from storage.journal import write_journal
from storage.people import actor_of
from storage.tables import Person
from storage.tables import Workflow as WorkflowRow

_LOCK = 3_141_593  # one number for everybody who publishes a workflow on this database

# By database and id. A version never changes, so it is remembered for as long as its pool lives.
_KNOWN: WeakKeyDictionary[Engine, dict[int, Workflow]] = WeakKeyDictionary()


async def workflow_by_id(session: AsyncSession, workflow_id: int) -> Workflow:
    """One version, from memory after the first time. Raises NotFound."""
    known = _KNOWN.setdefault(session.get_bind().engine, {})
    if workflow_id not in known:
        known[workflow_id] = Workflow.from_json((await workflow_row(session, workflow_id)).definition)
    return known[workflow_id]


async def workflow_for(session: AsyncSession, column: str | None) -> tuple[int, Workflow]:
    """The newest version for a column, else the newest for all columns without one of their own, with its id.

    Raises NotFound for a database without any; the migrations put one in.
    """
    row = await current_row(session, column)
    if row is None or row.id is None:
        raise NotFound("workflow", column or "")
    return row.id, Workflow.from_json(row.definition)


async def current_row(session: AsyncSession, column: str | None) -> WorkflowRow | None:
    """The row behind `workflow_for`."""
    name, number = col(WorkflowRow.column_name), col(WorkflowRow.number)
    statement = (
        select(WorkflowRow)
        .where(or_(name.is_(None), name == column))
        .order_by(name.is_(None), number.desc())
        .limit(1)
    )
    return (await session.exec(statement)).first()


async def workflow_row(session: AsyncSession, workflow_id: int) -> WorkflowRow:
    """One version with its number and who made it. Raises NotFound."""
    row = (await session.exec(select(WorkflowRow).where(col(WorkflowRow.id) == workflow_id))).first()
    if row is None:
        raise NotFound("workflow", workflow_id)
    return row


async def current_rows(session: AsyncSession) -> list[WorkflowRow]:
    """The newest version of the default and of every column with its own, the default first."""
    name, row_id = col(WorkflowRow.column_name), col(WorkflowRow.id)
    newest = select(func.max(row_id)).group_by(name)  # they are numbered one after the other, under a lock
    statement = select(WorkflowRow).where(row_id.in_(newest)).order_by(name.nulls_first())
    return list(await session.exec(statement))


async def publish_workflow(
    session: AsyncSession, column: str | None, workflow: Workflow, actor: Actor
) -> WorkflowRow:
    """A new version for a column (None: for all without their own). It binds what is sent in from now on.

    Raises WorkflowInvalid with every fault.
    """
    if found := faults(workflow, await _in_charge(session, column)):
        raise WorkflowInvalid(found)
    by = UUID(actor.person_id) if actor.person_id else None
    await session.exec(select(func.pg_advisory_xact_lock(_LOCK)))
    of_column = col(WorkflowRow.column_name).is_not_distinct_from(column)
    latest = (await session.exec(select(func.max(WorkflowRow.number)).where(of_column))).one()
    definition = workflow.to_json()
    row = WorkflowRow(column_name=column, number=(latest or 0) + 1, definition=definition, created_by=by)
    session.add(row)
    await session.flush()
    facts = {"column": column, "number": row.number, "definition_sha256": canonical_sha256(definition)}
    await write_journal(session, "workflow_published", by, f"workflow/{row.id}", facts)
    return row


async def _in_charge(session: AsyncSession, column: str | None) -> list[Actor]:
    people = await session.exec(select(Person).where(col(Person.is_active).is_(True)))
    actors = [actor_of(person) for person in people]
    return [each for each in actors if not each.columns or column is None or column in each.columns]
