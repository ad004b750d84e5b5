"""The one write path of a submission: whatever changes its state passes `advance`.

In the caller's transaction: read the item, let `states` decide, compare-and-set, then the event, approval,
delivery and outbox rows. Nothing here calls anything outside the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.decide import decide
from states.item import REVIEWS, Request, State
from states.ledger import LedgerEvent
from states.submission import Effect, Event, Move
from storage.effects import write_effects
from storage.errors import Conflict, StaleVersion
from storage.items import LoadedItem, load_item
from storage.tables import Approval, EventRow, Revision, Submission, core

# Statements are built once and take columns, not objects: this path is what a newsroom waits for (DECISIONS 16).
_SUBMISSION = core(Submission)
_CHANGEABLE = tuple(
    column.name for column in _SUBMISSION.c if column.name not in ("id", "author_id", "created_at")
)
_SET = (
    update(_SUBMISSION)
    .where(
        _SUBMISSION.c.id == bindparam("seen_id"),
        _SUBMISSION.c.version == bindparam("seen_version"),
        _SUBMISSION.c.state == bindparam("seen_state"),
    )
    .values({name: bindparam(f"new_{name}") for name in _CHANGEABLE})
)
_ADD_REVISION = insert(core(Revision)).inline()
_ADD_EVENT = insert(core(EventRow)).inline()
_ADD_APPROVAL = insert(core(Approval)).inline()


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
    loaded = await load_item(session, submission_id, event)
    row = loaded.row
    if change.seen_version is not None and change.seen_version != row.version:
        raise StaleVersion(submission_id, change.seen_version, row.version)
    move = decide(loaded.item, event, request).move
    record = _record(loaded, move, request, change)
    connection = await session.connection()
    await _compare_and_set(connection, row, _values(loaded, move, request, change, record))
    if change.content is not None and _brings_revision(row, change):
        await connection.execute(_ADD_REVISION, _revision_values(row, change.content, request, record))
    await connection.execute(_ADD_EVENT, event_values(record))
    if move.is_approval:
        await connection.execute(_ADD_APPROVAL, _approval_values(row, move, request, record))
    outbox_ids = await write_effects(session, loaded, move.effects, record.at)
    number = row.revision_number + _brings_revision(row, change)
    revision_sha256 = change.content.sha256() if change.content else row.revision_sha256
    return Advanced(row.id, record.item_seq, move.target, number, revision_sha256, outbox_ids)


def _brings_revision(row: Submission, change: Change) -> bool:
    """An edit that changes nothing makes no revision, and so voids no approval."""
    return change.content is not None and change.content.sha256() != row.revision_sha256


def _record(loaded: LoadedItem, move: Move, request: Request, change: Change) -> LedgerEvent:
    row = loaded.row
    facts = dict(change.facts)
    if Effect.DISTRIBUTE in move.effects:
        facts["manifest_sha256"] = row.media_manifest_sha256
    return LedgerEvent(
        submission_id=str(row.id),
        item_seq=row.version + 1,
        event=move.event.value,
        from_state=row.state,
        to_state=move.target.value,
        actor_id=request.actor.person_id,
        actor_roles=tuple(sorted(role.value for role in request.actor.roles)),
        revision_sha256=change.content.sha256() if change.content else row.revision_sha256,
        reason=request.reason,
        comment=change.comment,
        facts=facts,
        at=datetime.now(UTC),
        prev_hash=row.last_event_hash,
    )


async def _compare_and_set(connection: AsyncConnection, row: Submission, changed: dict[str, Any]) -> None:
    """One row, or somebody else was first."""
    seen = {"seen_id": row.id, "seen_version": row.version, "seen_state": row.state}
    values = {f"new_{name}": changed.get(name, getattr(row, name)) for name in _CHANGEABLE}
    if (await connection.execute(_SET, seen | values)).rowcount != 1:
        raise Conflict(row.id)


def _values(
    loaded: LoadedItem, move: Move, request: Request, change: Change, record: LedgerEvent
) -> dict[str, Any]:
    row = loaded.row
    values: dict[str, Any] = {
        "version": record.item_seq,
        "state": move.target.value,
        "updated_at": record.at,
        "last_event_hash": record.hash(),
    }
    if change.content is not None and _brings_revision(row, change):
        values |= {
            "revision_number": row.revision_number + 1,
            "revision_sha256": change.content.sha256(),
            "title": change.content.title,
            "column_name": change.content.column,
            "last_editor_id": _person(request),
        }
    return values | _claim_values(row, move, request) | _stage_values(row, move, change, record)


def _person(request: Request) -> UUID:
    if request.actor.person_id is None:
        raise ValueError("only a person edits, claims or decides; the table of moves lets no system do it")
    return UUID(request.actor.person_id)


def _claim_values(row: Submission, move: Move, request: Request) -> dict[str, Any]:
    """Who holds the item after the move: a claim ends with every change of state."""
    if move.event in (Event.CLAIM, Event.CORRECT):
        return {"claimed_by": _person(request)}
    if move.target is State.CORRECTING and move.event is not Event.EDIT:
        return {"claimed_by": row.last_editor_id}  # a correction sent back is its editor's again
    if move.target.value != row.state or move.event is Event.RELEASE:
        return {"claimed_by": None}
    return {}


def _stage_values(row: Submission, move: Move, change: Change, record: LedgerEvent) -> dict[str, Any]:
    """What single events leave behind beside the state."""
    values: dict[Event, dict[str, Any]] = {
        Event.SUBMIT: {"review_round": row.review_round + 1, "is_intake_done": False},
        Event.INTAKE_PASSED: {"is_intake_done": True},
        Event.HOLD: {"held_from": row.state},
        Event.RESUME: {"held_from": None},
        Event.MEDIA_READY: {
            "media_revision_sha256": change.facts.get("revision_sha256"),
            "media_manifest_sha256": change.facts.get("manifest_sha256"),
            "media_problems": change.facts.get("problems", []),
        },
    }
    if move.event is Event.APPROVE and move.target is State.APPROVED:
        return {"live_revision_number": row.revision_number}
    if move.event is Event.DELIVERY_CONFIRMED and row.published_at is None:
        return {"published_at": record.at}
    return values.get(move.event, {})


def _revision_values(
    row: Submission, content: Content, request: Request, record: LedgerEvent
) -> dict[str, Any]:
    return {
        "submission_id": row.id,
        "number": row.revision_number + 1,
        "sha256": content.sha256(),
        "content": content.to_json(),
        "editor_id": _person(request),
        "created_at": record.at,
    }


def _approval_values(row: Submission, move: Move, request: Request, record: LedgerEvent) -> dict[str, Any]:
    return {
        "submission_id": row.id,
        "review_round": row.review_round,
        "stage": move.source.value,
        "person_id": _person(request),
        "revision_sha256": row.revision_sha256,
        "manifest_sha256": row.media_manifest_sha256 if move.source is REVIEWS[-1] else None,
        "item_seq": record.item_seq,
        "at": record.at,
    }


def event_values(record: LedgerEvent) -> dict[str, Any]:
    """The columns of a ledger event, with its hash."""
    return {
        "submission_id": UUID(record.submission_id),
        "item_seq": record.item_seq,
        "event": record.event,
        "from_state": record.from_state,
        "to_state": record.to_state,
        "actor_id": UUID(record.actor_id) if record.actor_id else None,
        "actor_roles": list(record.actor_roles),
        "revision_sha256": record.revision_sha256,
        "reason": record.reason,
        "comment": record.comment,
        "facts": dict(record.facts),
        "at": record.at,
        "prev_hash": record.prev_hash,
        "hash": record.hash(),
    }


def ledger_event(row: EventRow) -> LedgerEvent:
    """The inverse of `event_values`: what was hashed, rebuilt from the table."""
    return LedgerEvent(
        submission_id=str(row.submission_id),
        item_seq=row.item_seq,
        event=row.event,
        from_state=row.from_state,
        to_state=row.to_state,
        actor_id=str(row.actor_id) if row.actor_id else None,
        actor_roles=tuple(row.actor_roles),
        revision_sha256=row.revision_sha256,
        reason=row.reason,
        comment=row.comment,
        facts=row.facts,
        at=row.at,
        prev_hash=row.prev_hash,
    )
