"""The beginning of a submission: its first row, revision and event. Every later change passes `advance`."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.item import State
from states.ledger import GENESIS, LedgerEvent
from states.refusals import RoleMissing
from states.roles import EDITORS, Actor, Role
from storage.record import Disclosed, disclose, event_values
from storage.search import put_search_entry
from storage.tables import Disclosure, EventRow, Person, Revision, Submission

_WRITERS = EDITORS | {Role.CORRESPONDENT}


async def create_submission(
    session: AsyncSession,
    actor: Actor,
    content: Content,
    *,
    is_fast_track: bool = False,
) -> Submission:
    """A new draft of the actor's. Raises RoleMissing when they hold no role that writes."""
    if actor.person_id is None or not actor.roles & _WRITERS:
        raise RoleMissing("create", _WRITERS)
    author, submission_id = UUID(actor.person_id), uuid4()
    asked = select(col(Person.display_name), func.clock_timestamp()).where(col(Person.id) == author)
    name, at = (await session.exec(asked)).one()
    disclosed = disclose({"actor_name": name, "address": actor.address})
    record = _creation(submission_id, actor, content, disclosed, at)
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
            content=content.canonical(),
            editor_id=author,
            created_at=at,
        )
    )
    session.add(EventRow(**event_values(record)))
    await session.flush()
    opened = {field: list(pair) for field, pair in disclosed.opened.items()}
    session.add(Disclosure(submission_id=submission_id, item_seq=record.item_seq, opened=opened))
    await session.flush()
    await put_search_entry(session, submission_id, 1, content, at)
    return row


def _creation(
    submission_id: UUID, actor: Actor, content: Content, disclosed: Disclosed, at: datetime
) -> LedgerEvent:
    return LedgerEvent(
        submission_id=str(submission_id),
        item_seq=1,
        event="create",
        from_state=None,
        to_state=State.DRAFT.value,
        actor_id=actor.person_id,
        actor_roles=tuple(sorted(role.value for role in actor.roles)),
        revision_sha256=content.sha256(),
        facts={},
        commitments=disclosed.commitments,
        at=at,
        prev_hash=GENESIS,
    )
