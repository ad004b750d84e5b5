"""The beginning of a submission: its first row, revision and event. Every later change passes `advance`."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.item import State
from states.ledger import GENESIS, LedgerEvent
from states.refusals import RoleMissing
from states.roles import EDITORS, Actor, Role
from storage.advance import event_values
from storage.tables import EventRow, Revision, Submission

_WRITERS = EDITORS | {Role.CORRESPONDENT}


async def create_submission(
    session: AsyncSession, actor: Actor, content: Content, *, is_fast_track: bool = False
) -> Submission:
    """A new draft of the actor's. Raises RoleMissing when they hold no role that writes."""
    if actor.person_id is None or not actor.roles & _WRITERS:
        raise RoleMissing("create", _WRITERS)
    author, submission_id, at = UUID(actor.person_id), uuid4(), datetime.now(UTC)
    record = _creation(submission_id, actor, content, at)
    row = Submission(
        id=submission_id,
        version=record.item_seq,
        state=State.DRAFT.value,
        is_fast_track=is_fast_track,
        author_id=author,
        last_editor_id=author,
        revision_number=1,
        revision_sha256=content.sha256(),
        column_name=content.column,
        title=content.title,
        last_event_hash=record.hash(),
        created_at=at,
        updated_at=at,
    )
    session.add(row)
    await session.flush()  # the revision and the event refer to it
    session.add(
        Revision(
            submission_id=submission_id,
            number=1,
            sha256=content.sha256(),
            content=content.to_json(),
            editor_id=author,
            created_at=at,
        )
    )
    session.add(EventRow(**event_values(record)))
    await session.flush()
    return row


def _creation(submission_id: UUID, actor: Actor, content: Content, at: datetime) -> LedgerEvent:
    return LedgerEvent(
        submission_id=str(submission_id),
        item_seq=1,
        event="create",
        from_state=None,
        to_state=State.DRAFT.value,
        actor_id=actor.person_id,
        actor_roles=tuple(sorted(role.value for role in actor.roles)),
        revision_sha256=content.sha256(),
        reason=None,
        comment=None,
        facts={},
        at=at,
        prev_hash=GENESIS,
    )
