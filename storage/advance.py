"""The one write path of a submission: whatever changes its state passes `advance`.

In the caller's transaction: read the item, let `states` decide, then one statement: compare-and-set, and with
it the event, revision, approval and outbox rows. Nothing here calls anything outside the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Executable, Table, bindparam, func, insert, null, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.decide import Decision, decide
from states.events import Event
from states.item import REVIEWS, Request, State
from states.ledger import LedgerEvent
from storage.deadlines import due_times
from storage.effects import outbox_values, settle_deliveries
from storage.errors import Conflict, StaleVersion
from storage.facts import facts_of
from storage.items import LoadedItem, load_item
from storage.move_values import Moving, begins_reviews, enters_stage, person_of, stage_after, values_of
from storage.record import disclose, event_values
from storage.search import put_search_entry
from storage.tables import Approval, Disclosure, EventRow, OutboxRow, Revision, Submission, core
from storage.workflows import workflow_by_id, workflow_for

_SUBMISSION = core(Submission)
_CHANGEABLE = tuple(
    column.name for column in _SUBMISSION.c if column.name not in ("id", "author_id", "created_at")
)


@dataclass(frozen=True, slots=True)
class Change:
    """What comes with an event: new content, facts for the record, the version that the asker saw."""

    content: Content | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None
    seen_version: int | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """A move that was made, once the caller commits."""

    submission_id: UUID
    version: int
    state: State
    revision_number: int
    revision_sha256: str
    outbox_ids: tuple[int, ...] = ()


async def advance(
    session: AsyncSession, submission_id: UUID, event: Event, request: Request, change: Change | None = None
) -> Advanced:
    """Make one move, in the caller's transaction.

    Raises NotFound, StaleVersion or Conflict (somebody was first), and what `states.decide` raises:
    IllegalMove, RoleMissing, GuardRefused. After any of them nothing is written.
    """
    change = change or Change()
    loaded = await load_item(session, submission_id, event, request.actor)
    row = loaded.row
    if change.seen_version is not None and change.seen_version != row.version:
        raise StaleVersion(submission_id, change.seen_version, row.version)
    if change.content is not None:
        request = replace(request, brings_sha256=change.content.sha256())
    moving = await _moving(session, loaded, decide(loaded.item, event, request), request, change)
    record, disclosed = _record(moving, change)
    rows: dict[type[Any], list[dict[str, Any]]] = {
        EventRow: [event_values(record)],
        Disclosure: _disclosure_values(record, disclosed),
        Revision: _revision_values(moving),
        Approval: _approval_values(moving, record),
        OutboxRow: outbox_values(moving),
    }
    values = {
        **await _deadlines(session, moving),
        **values_of(moving),
        "version": record.item_seq,
        "state": moving.decision.target.value,
        "updated_at": record.at,
        "last_event_hash": rows[EventRow][0]["hash"],
    }
    outbox_ids = await _write(session, row, values, rows)
    await settle_deliveries(session, moving)
    if moving.new_content is not None:
        await put_search_entry(session, row.id, row.revision_number + 1, moving.new_content, moving.at)
    number = row.revision_number + (moving.new_content is not None)
    state = moving.decision.target
    return Advanced(row.id, record.item_seq, state, number, moving.revision_sha256, outbox_ids)


async def _moving(
    session: AsyncSession, loaded: LoadedItem, decision: Decision, request: Request, change: Change
) -> Moving:
    moving = Moving(loaded, decision, request, change.content, change.facts)
    if not begins_reviews(decision, loaded.row):
        return moving
    row, column = loaded.row, (change.content or loaded.content).column
    if row.workflow_id is not None and row.workflow_column == column:
        return replace(moving, beginning=(row.workflow_id, await workflow_by_id(session, row.workflow_id)))
    return replace(moving, beginning=await workflow_for(session, column))


async def _deadlines(session: AsyncSession, moving: Moving) -> dict[str, Any]:
    stage = stage_after(moving)
    if stage is None or not enters_stage(moving):
        return {}
    times = await due_times(session, stage, moving.row.is_fast_track, moving.at)
    return {"due_at": times.due_at, "remind_at": times.remind_at, "escalate_at": times.escalate_at}


def _record(moving: Moving, change: Change) -> tuple[LedgerEvent, Mapping[str, tuple[str, str]]]:
    """The event as it is hashed, and what opens its commitments."""
    row, request = moving.row, moving.request
    disclosed = disclose(
        {
            "actor_name": moving.loaded.actor_name,
            "address": request.actor.address,
            "reason": request.reason,
            "comment": change.comment,
        }
    )
    record = LedgerEvent(
        submission_id=str(row.id),
        item_seq=row.version + 1,
        event=moving.event.value,
        from_state=row.state,
        to_state=moving.decision.target.value,
        actor_id=request.actor.person_id,
        actor_roles=tuple(sorted(role.value for role in request.actor.roles)),
        revision_sha256=moving.revision_sha256,
        facts=facts_of(moving),
        commitments=disclosed.commitments,
        at=moving.at,
        prev_hash=row.last_event_hash,
    )
    return record, disclosed.opened


def _disclosure_values(record: LedgerEvent, opened: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    if not opened:
        return []
    values = {name: list(pair) for name, pair in opened.items()}
    return [
        {"submission_id": UUID(record.submission_id), "item_seq": record.item_seq, "opened": values},
    ]


def _revision_values(moving: Moving) -> list[dict[str, Any]]:
    content = moving.new_content
    if content is None:
        return []
    return [
        {
            "submission_id": moving.row.id,
            "number": moving.row.revision_number + 1,
            "sha256": content.sha256(),
            "content": content.canonical(),
            "editor_id": person_of(moving.request),
            "created_at": moving.at,
        }
    ]


def _approval_values(moving: Moving, record: LedgerEvent) -> list[dict[str, Any]]:
    """Who asked for an override is its reviewer; who confirmed it stands beside."""
    if not moving.decision.move.is_approval:
        return []
    row, actor, delegated = moving.row, person_of(moving.request), moving.decision.delegated
    override = moving.loaded.item.override if moving.event is Event.CONFIRM_OVERRIDE else None
    return [
        {
            "submission_id": row.id,
            "review_round": row.review_round,
            "stage": row.stage,
            "person_id": UUID(override.asker.person_id) if override else actor,
            "on_behalf_of": UUID(delegated.principal_id) if delegated and not override else None,
            "delegation_id": UUID(delegated.delegation_id) if delegated and not override else None,
            "confirmed_by": actor if override else None,
            "revision_sha256": row.revision_sha256,
            "manifest_sha256": row.media_manifest_sha256 if row.state == REVIEWS[-1] else None,
            "item_seq": record.item_seq,
            "at": record.at,
        }
    ]


async def _write(
    session: AsyncSession,
    row: Submission,
    values: Mapping[str, Any],
    rows: Mapping[type[Any], list[dict[str, Any]]],
) -> tuple[int, ...]:
    """Everything in one statement and one round trip; the ids of the outbox rows. Raises Conflict."""
    parameters = {"seen_id": row.id, "seen_version": row.version, "seen_state": row.state}
    parameters |= {f"new_{name}": values.get(name, getattr(row, name)) for name in _CHANGEABLE}
    shape = []
    for model, each in rows.items():
        if each:
            shape.append((model, tuple(each[0])))
            parameters |= {f"{model.__tablename__}_{name}": value for name, value in each[0].items()}
    connection = await session.connection()
    moved, outbox_ids = (await connection.execute(_statement(tuple(shape)), parameters)).one()
    if moved != 1:
        raise Conflict(row.id)
    return tuple(outbox_ids or ())


# Built once for each kind of move, and plain columns: this is what a newsroom waits for (DECISIONS 16).
@cache
def _statement(shape: tuple[tuple[type[Any], tuple[str, ...]], ...]) -> Executable:
    """Compare-and-set, and what is written only where it changed its one row."""
    moved = (
        update(_SUBMISSION)
        .where(
            _SUBMISSION.c.id == bindparam("seen_id"),
            _SUBMISSION.c.version == bindparam("seen_version"),
            _SUBMISSION.c.state == bindparam("seen_state"),
        )
        .values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
        .returning(_SUBMISSION.c.id)
        .cte("moved")
    )
    count = select(func.count()).select_from(moved).scalar_subquery()
    outbox_ids: Any = null()
    added = []
    for model, names in shape:
        table = core(model)
        row = _added(table, names, moved)
        if model is OutboxRow:
            queued = row.returning(table.c.id).cte("queued")
            outbox_ids = select(func.array_agg(queued.c.id)).scalar_subquery()
        else:
            added.append(row.returning(*table.primary_key).cte(f"added_{table.name}"))
    return select(count, outbox_ids).add_cte(*added)


def _added(table: Table, names: tuple[str, ...], moved: CTE) -> Any:
    given = [bindparam(f"{table.name}_{name}", type_=table.c[name].type) for name in names]
    return (
        insert(table).inline().from_select(names, select(*given).select_from(moved), include_defaults=False)
    )
