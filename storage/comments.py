"""Comments on revisions: added and resolved, never changed. The hash of each is on record."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import canonical_sha256, commitment
from storage.errors import NotFound
from storage.journal import write_journal
from storage.tables import Comment


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment that is about to be made. Its `sha256` is known before it is stored, for the event beside it."""

    submission_id: UUID
    revision_sha256: str
    author_id: UUID
    body: str
    anchor: dict[str, Any] | None = None
    preset_reason_id: str | None = None
    reply_to: UUID | None = None
    id: UUID = field(default_factory=uuid4)
    salt: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def sha256(self) -> str:
        """What stands on record: SHA-256 of the canonical JSON, with a salted commitment to the body in it."""
        return _sha256(self, commitment("body", self.salt, self.body))


def _sha256(made: Remark | Comment, body: str) -> str:
    return canonical_sha256(
        {
            "kind": "comment",
            "id": str(made.id),
            "submission_id": str(made.submission_id),
            "revision_sha256": made.revision_sha256,
            "author_id": str(made.author_id),
            "anchor": made.anchor,
            "preset_reason_id": made.preset_reason_id,
            "reply_to": str(made.reply_to) if made.reply_to else None,
            "body": body,
        }
    )


def is_as_recorded(row: Comment) -> bool:
    """Whether the stored comment still has the hash it was made with; one that was erased cannot tell, so False."""
    return row.salt is not None and _sha256(row, commitment("body", row.salt, row.body)) == row.sha256


async def add_comments(
    session: AsyncSession, remarks: Sequence[Remark], item_seq: int | None = None
) -> list[Comment]:
    """Store comments that came with the event `item_seq`, whose facts name their hashes."""
    return [await _add(session, remark, item_seq) for remark in remarks]


async def make_comment(session: AsyncSession, remark: Remark) -> Comment:
    """Store a comment that stands by itself; the journal has its hash."""
    row = await _add(session, remark, None)
    facts = {"comment_id": str(row.id), "sha256": row.sha256, "revision_sha256": row.revision_sha256}
    await write_journal(session, "comment_made", row.author_id, str(row.submission_id), facts)
    return row


async def _add(session: AsyncSession, remark: Remark, item_seq: int | None) -> Comment:
    values = {
        "id": remark.id,
        "submission_id": remark.submission_id,
        "revision_sha256": remark.revision_sha256,
        "author_id": remark.author_id,
        "body": remark.body,
        "salt": remark.salt,
        "sha256": remark.sha256,
        "anchor": remark.anchor,
        "item_seq": item_seq,
        "preset_reason_id": remark.preset_reason_id,
        "reply_to": remark.reply_to,
        "at": func.clock_timestamp(),
    }
    row: Comment = (await session.exec(insert(Comment).values(values).returning(Comment))).scalars().one()
    return row


async def list_comments(
    session: AsyncSession, submission_id: UUID, after: int, limit: int, *, open_only: bool = False
) -> list[Comment]:
    """The submission's comments behind number `after`, in the order in which they were made."""
    statement = select(Comment).where(
        col(Comment.submission_id) == submission_id, col(Comment.number) > after
    )
    if open_only:
        statement = statement.where(col(Comment.resolved_at).is_(None))
    return list(await session.exec(statement.order_by(col(Comment.number)).limit(limit)))


async def comment_by_id(session: AsyncSession, comment_id: UUID) -> Comment:
    """The comment. Raises NotFound."""
    statement = select(Comment).where(col(Comment.id) == comment_id)
    row = (await session.exec(statement.execution_options(populate_existing=True))).first()
    if row is None:
        raise NotFound("comment", comment_id)
    return row


async def resolve_comment(session: AsyncSession, comment_id: UUID, person_id: UUID) -> Comment:
    """Mark it as dealt with; who did so first, did it. Raises NotFound."""
    statement = update(Comment).where(col(Comment.id) == comment_id, col(Comment.resolved_at).is_(None))
    values = {"resolved_at": func.clock_timestamp(), "resolved_by": person_id}
    await session.exec(statement.values(values).execution_options(synchronize_session=False))
    return await comment_by_id(session, comment_id)
