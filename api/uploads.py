"""Uploads in parts: addresses to send to, what has arrived, the end. No byte of a file passes here."""

from datetime import UTC, datetime
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Response

from api.asking import Asker, AskerApart, Held, Resources, Unit
from api.filenames import safe_filename
from api.idempotency import IdempotencyKey
from api.moves import standing
from api.openapi import API, problems
from api.problems import invalid_field
from api.schemas.submissions import Standing
from api.schemas.uploads import NewUpload, PartToSend, UploadDone, UploadLine, UploadList, UploadShown
from states.roles import Actor
from storage.errors import NotFound
from storage.keys import ASSETS
from storage.objects import URL_LIFETIME
from storage.quotas import quotas_of
from storage.seeing import visible_submission
from storage.tables import Upload
from storage.uploads import (
    Terms,
    abort_upload,
    arrived_parts,
    find_upload,
    open_upload,
    open_uploads,
    part_bytes,
    part_count,
    with_multipart,
)
from storage.uploads_completing import complete_upload

router = APIRouter(prefix=API, tags=["uploads"])
_OF_ITEM = "/submissions/{submission_id}/uploads"
_MOST_URLS = 1000
_REFUSALS = ("not-found", "role-missing", "illegal-event", "guard-refused", "conflict", "invalid-request")


@router.get("/uploads", summary="我未完成的上传 · What I have not finished", responses=problems())
async def mine(asker: Asker, unit: Unit) -> UploadList:
    """Your unfinished uploads for all submissions; each goes on from `GET …/uploads/{id}`, on any device."""
    found = await open_uploads(unit, person_id=UUID(asker.person_id))
    return UploadList(items=[UploadLine.model_validate(each) for each in found])


@router.get(
    _OF_ITEM, summary="本稿未完成的上传 · Unfinished here", responses=problems("not-found", "invalid-request")
)
async def mine_here(submission_id: UUID, asker: Asker, unit: Unit) -> UploadList:
    """Your unfinished uploads for this submission."""
    await visible_submission(unit, submission_id, asker)
    found = await open_uploads(unit, person_id=UUID(asker.person_id), submission_id=submission_id)
    return UploadList(items=[UploadLine.model_validate(each) for each in found])


@router.post(
    _OF_ITEM,
    status_code=201,
    summary="开始上传 · Begin an upload",
    responses=problems(*_REFUSALS, "idempotency-key-reused", "upload-quota", "store-unavailable"),
)
async def begin(
    submission_id: UUID,
    new: NewUpload,
    asker: AskerApart,
    held: Held,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> UploadShown:
    """Announce a file; the answer says how it is cut, and where to PUT each part. A key is remembered for a day."""
    check_size("size_bytes", new.size_bytes, held.settings.upload_max_bytes)
    await _look(held, submission_id, asker)
    announced = Upload(
        submission_id=submission_id,
        person_id=UUID(asker.person_id),
        filename=safe_filename(new.filename),
        media_type=new.media_type,
        caption=new.caption,
        size_bytes=new.size_bytes,
        sha256=new.sha256,
        part_size_bytes=0,
        object_key="",
    )
    terms = Terms(quotas_of(held.settings), idempotency_key)
    upload, is_repeat = await open_upload(held.db, held.objects, asker, announced, terms)
    if is_repeat:
        response.headers["Idempotent-Replayed"] = "true"
    return await _shown(held, upload, await _arrived(held, upload) if is_repeat else set())


def check_size(field: str, size_bytes: int, most_bytes: int) -> None:
    """Nothing, or InvalidFields for a file that is empty or larger than this installation takes."""
    if size_bytes < 1:
        raise invalid_field(field, "空文件不能上传。", "An empty file cannot be sent in.")
    if size_bytes > most_bytes:
        raise invalid_field(
            field,
            f"文件超过上限 {most_bytes} 字节，请压缩或剪短后再传。",
            f"The file is larger than {most_bytes} bytes; compress or shorten it.",
        )


async def _look(held: Resources, submission_id: UUID, actor: Actor) -> None:
    async with held.db.transaction() as session:
        await visible_submission(session, submission_id, actor)


@router.get(
    f"{_OF_ITEM}/{{upload_id}}",
    summary="上传进度 · What has arrived",
    responses=problems("not-found", "invalid-request", "store-unavailable"),
)
async def read(submission_id: UUID, upload_id: UUID, asker: AskerApart, held: Held) -> UploadShown:
    """The parts that have arrived, and fresh addresses for those that have not."""
    upload = await own_upload(held, upload_id, asker, submission_id)
    upload = await with_multipart(held.db, held.objects, upload)
    return await _shown(held, upload, await _arrived(held, upload))


async def own_upload(
    held: Resources, upload_id: UUID, actor: Actor, submission_id: UUID | None = None
) -> Upload:
    """An upload belongs to who began it, and is there for nobody else. Raises NotFound."""
    async with held.db.transaction() as session:
        upload = await find_upload(session, upload_id, submission_id)
        if str(upload.person_id) != actor.person_id:
            raise NotFound("upload", upload_id)
        await visible_submission(session, upload.submission_id, actor)
    return upload


async def _arrived(held: Resources, upload: Upload) -> set[int]:
    everything = set(range(1, part_count(upload) + 1))
    if upload.state != "open":
        return everything if upload.state in ("completed", "joined") else set()
    if upload.door == "tus":
        return set(range(1, upload.offset_bytes // upload.part_size_bytes + 1))
    try:
        return {part.number for part in await arrived_parts(held.objects, upload)}
    except NotFound:
        return everything  # the store has put the parts together; `complete` finds the whole


async def _shown(held: Resources, upload: Upload, arrived: set[int]) -> UploadShown:
    missing = _missing(upload, arrived) if upload.state == "open" and upload.door == "parts" else []
    # A thousand signatures take some 60 ms: in a thread, so that nobody else waits for them.
    parts = await to_thread.run_sync(lambda: [_part(held, upload, number) for number in missing])
    return UploadShown(
        **UploadLine.model_validate(upload).model_dump(),
        part_size_bytes=upload.part_size_bytes,
        part_count=part_count(upload),
        arrived=sorted(arrived),
        parts=parts,
        urls_expire_at=datetime.now(UTC) + URL_LIFETIME,
    )


def _missing(upload: Upload, arrived: set[int]) -> list[int]:
    return [number for number in range(1, part_count(upload) + 1) if number not in arrived][:_MOST_URLS]


def _part(held: Resources, upload: Upload, number: int) -> PartToSend:
    size_bytes, where = part_bytes(upload, number), (ASSETS, upload.object_key)
    return PartToSend(
        number=number,
        offset_bytes=(number - 1) * upload.part_size_bytes,
        size_bytes=size_bytes,
        url=held.objects.presign_part(where, upload.s3_upload_id, number, size_bytes),
    )


@router.post(
    f"{_OF_ITEM}/{{upload_id}}/complete",
    summary="完成上传 · Complete an upload",
    responses=problems(*_REFUSALS, "upload-refused", "upload-locked", "store-unavailable"),
)
async def complete(submission_id: UUID, upload_id: UUID, asker: AskerApart, held: Held) -> UploadDone:
    """Put the parts together, read them back, and add the file to the content. May be repeated.

    Missing parts are named and can be sent; bytes that are not the announced ones are dropped, and a new
    upload can begin.
    """
    upload = await own_upload(held, upload_id, asker, submission_id)
    asset, moved = await complete_upload(held.db, held.objects, upload, asker)
    return UploadDone(
        asset_sha256=asset.sha256,
        asset_size_bytes=asset.size_bytes,
        filename=upload.filename,
        submission=standing(moved) if moved else await _current(held, submission_id, asker),
    )


async def _current(held: Resources, submission_id: UUID, actor: Actor) -> Standing:
    async with held.db.transaction() as session:
        return Standing.model_validate(await visible_submission(session, submission_id, actor))


@router.delete(
    f"{_OF_ITEM}/{{upload_id}}",
    status_code=204,
    summary="取消上传 · Drop an upload",
    responses=problems("not-found", "invalid-request", "store-unavailable"),
)
async def drop(submission_id: UUID, upload_id: UUID, asker: AskerApart, held: Held) -> Response:
    """Drop what has arrived. A completed upload stays: remove its file with PATCH."""
    await abort_upload(held.db, held.objects, await own_upload(held, upload_id, asker, submission_id))
    return Response(status_code=204)
