"""A tus upload that is made of others: the parts of a file that were sent side by side."""

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.roles import Actor
from states.text import Text
from storage.database import Database
from storage.errors import NotFound, UploadRefused
from storage.keys import incoming_key
from storage.objects import Objects
from storage.quotas import check_quotas, lock_person
from storage.tables import Upload
from storage.uploads import SMALLEST_PART_BYTES, Terms, check_editable, part_size, with_multipart
from storage.uploads_completing import joined_parts


async def open_joined(
    db: Database, objects: Objects, actor: Actor, announced: Upload, terms: Terms
) -> Upload:
    """Begin the upload that joins those of `announced.joins`, in their order; a repeat gives the same one.

    Raises NotFound for what is not the actor's, UploadRefused where a part is unfinished, joined already or of
    another submission, QuotaExceeded, and what `advance` raises for an edit.
    """
    async with db.transaction() as session:
        await lock_person(session, announced.person_id)
        pieces = await joined_parts(session, announced.joins)
        for piece in pieces:
            if str(piece.person_id) != actor.person_id:
                raise NotFound("upload", piece.id)
        upload = await _earlier(session, announced)
        if upload is None:
            await check_editable(session, announced.submission_id, actor)
            await check_quotas(session, announced.person_id, 0, terms.quotas)
            upload = await _new_row(session, announced, pieces)
    return await with_multipart(db, objects, upload)


async def _earlier(session: AsyncSession, announced: Upload) -> Upload | None:
    statement = select(Upload).where(
        col(Upload.person_id) == announced.person_id,
        col(Upload.submission_id) == announced.submission_id,
        col(Upload.concat) == "final",
        col(Upload.joins) == announced.joins,
        col(Upload.state).in_(("open", "completed")),
    )
    return (await session.exec(statement)).first()


async def _new_row(session: AsyncSession, announced: Upload, pieces: Sequence[Upload]) -> Upload:
    announced.id = uuid4()
    announced.size_bytes = announced.offset_bytes = sum(piece.size_bytes for piece in pieces)
    announced.object_key = incoming_key(announced.id)
    announced.part_size_bytes = part_size(announced.size_bytes, SMALLEST_PART_BYTES)
    announced.expires_at = min(
        piece.expires_at for piece in pieces
    )  # the store tidies up by the age of what it has
    fits = (
        col(Upload.id).in_([piece.id for piece in pieces]),
        col(Upload.submission_id) == announced.submission_id,
        col(Upload.concat) == "partial",
        col(Upload.state) == "open",
        col(Upload.offset_bytes) == col(Upload.size_bytes),
    )
    joined = await session.exec(update(Upload).where(*fits).values(state="joined"))
    if joined.rowcount != len(pieces):
        raise UploadRefused(
            Text(
                "有的部分没有传完、已被合并或不属于本稿，请先传完各部分。",
                "A part is unfinished, joined already, or of another piece; finish the parts first.",
            )
        )
    session.add(announced)
    return announced
