"""An upload from its creation until its bytes are there: parts go straight to the store, the row knows how it is cut.

Its end is in `uploads_completing`; these use cases need several short transactions, as none may stay open across
the object store.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.decide import decide
from states.events import Event
from states.item import Request
from states.ledger import canonical_sha256
from states.roles import Actor
from storage.database import Database
from storage.errors import NotFound
from storage.idempotency import KeyReused, earlier_reply, keep_reply
from storage.items import load_item
from storage.keys import ASSETS, incoming_key
from storage.objects import Objects
from storage.quotas import Quotas, check_quotas
from storage.stored import StoredPart
from storage.tables import Upload
from storage.uploads_lease import sole_writer
from storage.uploads_leftovers import remove_leftovers

# Amazon S3 user guide, "Amazon S3 multipart upload limits" (read 2026-11-22): parts of 5 MiB to 5 GiB
# except the last, at most 10,000 of them.
SMALLEST_PART_BYTES = 5 * 2**20
MOST_PARTS = 10_000
_PREFERRED_PART_BYTES = 8 * 2**20
LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms an upload is begun: the person's quotas, and the key under which a repeat finds it."""

    quotas: Quotas
    idempotency_key: str | None = None


def part_size(size_bytes: int, preferred_bytes: int = _PREFERRED_PART_BYTES) -> int:
    """Bytes in each part but the last: 8 MiB, or as much more as 10,000 parts need."""
    needed = math.ceil(size_bytes / MOST_PARTS)
    return max(preferred_bytes, math.ceil(needed / 2**20) * 2**20)


def part_count(upload: Upload) -> int:
    """How many parts the upload has; an empty file is refused before it comes to this."""
    return max(1, math.ceil(upload.size_bytes / upload.part_size_bytes))


def part_bytes(upload: Upload, number: int) -> int:
    """The exact size of part `number` (from 1)."""
    before = (number - 1) * upload.part_size_bytes
    return min(upload.part_size_bytes, upload.size_bytes - before)


async def open_upload(
    db: Database, objects: Objects, actor: Actor, announced: Upload, terms: Terms
) -> tuple[Upload, bool]:
    """Begin an upload for a submission that the actor may edit now; True: a repeat, and this is the earlier one.

    `announced` holds submission, person, name, type, size and hash. Raises what `advance` raises for an edit,
    QuotaExceeded, KeyReused, and StoreUnavailable; a repeat then goes on where this call ended. StoreFull where the
    file will not fit, before anything is noted.
    """
    objects.check_room(announced.size_bytes)
    async with db.transaction() as session:
        found = await _earlier(session, announced, terms)
        upload = found or await _new_row(session, actor, announced, terms)
    return await with_multipart(db, objects, upload), found is not None


async def _earlier(session: AsyncSession, announced: Upload, terms: Terms) -> Upload | None:
    if terms.idempotency_key is None:
        return None
    earlier = await earlier_reply(session, announced.person_id, terms.idempotency_key)
    if earlier is None:
        return None
    if earlier.request_sha256 != _digest(announced):
        raise KeyReused
    return await find_upload(session, UUID(str(earlier.body["upload_id"])), announced.submission_id)


def _digest(announced: Upload) -> str:
    asked = {
        "submission_id",
        "door",
        "filename",
        "media_type",
        "caption",
        "size_bytes",
        "sha256",
        "tus_metadata",
    }
    return canonical_sha256({"upload": announced.model_dump(mode="json", include=asked)})


async def _new_row(session: AsyncSession, actor: Actor, announced: Upload, terms: Terms) -> Upload:
    await check_editable(session, announced.submission_id, actor)
    await check_quotas(session, announced.person_id, announced.size_bytes, terms.quotas)
    announced.id = uuid4()
    announced.object_key = incoming_key(announced.id)
    preferred = SMALLEST_PART_BYTES if announced.door == "tus" else _PREFERRED_PART_BYTES
    announced.part_size_bytes = part_size(announced.size_bytes, preferred)
    announced.expires_at = datetime.now(UTC) + LIFETIME
    session.add(announced)
    if terms.idempotency_key is not None:
        await session.flush()
        body = {"upload_id": str(announced.id)}
        key, digest = terms.idempotency_key, _digest(announced)
        await keep_reply(session, announced.person_id, key, digest, 201, body)
    return announced


async def check_editable(session: AsyncSession, submission_id: UUID, actor: Actor) -> None:
    """Refuse what the edit at the end of the upload would refuse, before the bytes are sent."""
    loaded = await load_item(session, submission_id, Event.EDIT)
    decide(loaded.item, Event.EDIT, Request(actor))


async def with_multipart(db: Database, objects: Objects, upload: Upload) -> Upload:
    """The upload as the store knows it. The row comes first, so the store's id may have to be fetched later."""
    if upload.s3_upload_id or upload.state != "open":
        return upload
    given = await objects.create_multipart(ASSETS, upload.object_key)
    fits = (col(Upload.id) == upload.id, col(Upload.s3_upload_id) == "")
    async with db.transaction() as session:
        done = await session.exec(update(Upload).where(*fits).values(s3_upload_id=given))
        current = await find_upload(session, upload.id)
    if not done.rowcount:  # a repeat at the same moment was first
        await objects.abort_multipart(ASSETS, upload.object_key, given)
    return current


async def find_upload(session: AsyncSession, upload_id: UUID, submission_id: UUID | None = None) -> Upload:
    """One upload, of that submission where one is given. Raises NotFound."""
    statement = select(Upload).where(col(Upload.id) == upload_id)
    if submission_id is not None:
        statement = statement.where(col(Upload.submission_id) == submission_id)
    found = (await session.exec(statement.execution_options(populate_existing=True))).first()
    if found is None:
        raise NotFound("upload", upload_id)
    return found


async def open_uploads(
    session: AsyncSession, *, person_id: UUID | None = None, submission_id: UUID | None = None
) -> list[Upload]:
    """What is not finished of a person, of a submission, or of that person there; the newest first."""
    statement = select(Upload).where(col(Upload.state) == "open").order_by(col(Upload.created_at).desc())
    if person_id is not None:
        statement = statement.where(col(Upload.person_id) == person_id)
    if submission_id is not None:
        statement = statement.where(col(Upload.submission_id) == submission_id)
    return list(await session.exec(statement.execution_options(populate_existing=True)))


async def arrived_parts(objects: Objects, upload: Upload) -> list[StoredPart]:
    """The parts that need not be sent again: there, and of the right size."""
    parts = await objects.list_parts(ASSETS, upload.object_key, upload.s3_upload_id)
    last = part_count(upload)
    return [p for p in parts if p.number <= last and p.size_bytes == part_bytes(upload, p.number)]


async def abort_upload(db: Database, objects: Objects, upload: Upload) -> None:
    """Drop an unfinished upload, once nobody writes to it. One that is finished stays. Raises UploadBusy."""
    if upload.state != "open":
        return
    async with sole_writer(db, upload.id):
        async with db.transaction() as session:
            fits = (col(Upload.id) == upload.id, col(Upload.state) == "open")
            done = await session.exec(update(Upload).where(*fits).values(state="aborted"))
        if done.rowcount:
            await remove_leftovers(db, objects, upload)
