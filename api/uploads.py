"""Uploads in parts: addresses to send to, what has arrived, the end. No byte of a file passes here."""

from datetime import UTC, datetime
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Response

from api.asking import AskerApart, Held, Resources
from api.filenames import safe_filename
from api.moves import standing
from api.openapi import API, problems
from api.problems import invalid_field
from api.schemas.submissions import Standing
from api.schemas.uploads import NewUpload, PartToSend, UploadDone, UploadShown
from states.roles import Actor
from states.text import Text
from storage.errors import NotFound, UploadRefused
from storage.keys import ASSETS
from storage.objects import URL_LIFETIME
from storage.seeing import visible_submission
from storage.tables import Upload
from storage.uploads import (
    abort_upload,
    arrived_parts,
    complete_upload,
    find_upload,
    open_upload,
    part_bytes,
    part_count,
)

router = APIRouter(prefix=f"{API}/submissions/{{submission_id}}/uploads", tags=["uploads"])
_MOST_URLS = 1000
_REFUSALS = ("not-found", "role-missing", "illegal-event", "guard-refused", "conflict", "invalid-request")


@router.post(
    "",
    status_code=201,
    summary="开始上传 · Begin an upload",
    responses=problems(*_REFUSALS, "store-unavailable"),
)
async def begin(submission_id: UUID, new: NewUpload, asker: AskerApart, held: Held) -> UploadShown:
    """Announce a file; the answer says how it is cut, and where to PUT each part."""
    _check_size(new.size_bytes, held.settings.upload_max_bytes)
    await _look(held, submission_id, asker)
    announced = Upload(
        submission_id=submission_id,
        person_id=UUID(asker.person_id),
        filename=safe_filename(new.filename),
        caption=new.caption,
        size_bytes=new.size_bytes,
        sha256=new.sha256,
        part_size_bytes=0,
        object_key="",
        s3_upload_id="",
    )
    upload = await open_upload(held.db, held.objects, submission_id, asker, announced)
    return await _shown(held, upload, set())


def _check_size(size_bytes: int, most_bytes: int) -> None:
    if size_bytes < 1:
        raise invalid_field("size_bytes", "空文件不能上传。", "An empty file cannot be sent in.")
    if size_bytes > most_bytes:
        raise invalid_field(
            "size_bytes",
            f"文件超过上限 {most_bytes} 字节，请压缩或剪短后再传。",
            f"The file is larger than {most_bytes} bytes; compress or shorten it.",
        )


async def _look(held: Resources, submission_id: UUID, actor: Actor) -> None:
    async with held.db.transaction() as session:
        await visible_submission(session, submission_id, actor)


@router.get(
    "/{upload_id}",
    summary="上传进度 · What has arrived",
    responses=problems("not-found", "invalid-request", "store-unavailable"),
)
async def read(submission_id: UUID, upload_id: UUID, asker: AskerApart, held: Held) -> UploadShown:
    """The parts that have arrived, and fresh addresses for those that have not."""
    upload = await _own(held, submission_id, upload_id, asker)
    return await _shown(held, upload, await _arrived(held, upload))


async def _own(held: Resources, submission_id: UUID, upload_id: UUID, actor: Actor) -> Upload:
    """An upload belongs to who began it, and is there for nobody else."""
    async with held.db.transaction() as session:
        await visible_submission(session, submission_id, actor)
        upload = await find_upload(session, submission_id, upload_id)
    if str(upload.person_id) != actor.person_id:
        raise NotFound("upload", upload_id)
    return upload


async def _arrived(held: Resources, upload: Upload) -> set[int]:
    everything = set(range(1, part_count(upload) + 1))
    if upload.state != "open":
        return everything if upload.state == "completed" else set()
    try:
        return {part.number for part in await arrived_parts(held.objects, upload)}
    except NotFound:
        return everything  # the store has put the parts together; `complete` finds the whole


async def _shown(held: Resources, upload: Upload, arrived: set[int]) -> UploadShown:
    missing = [] if upload.state != "open" else _missing(upload, arrived)
    # A thousand signatures take some 60 ms: in a thread, so that nobody else waits for them.
    parts = await to_thread.run_sync(lambda: [_part(held, upload, number) for number in missing])
    return UploadShown(
        **upload.model_dump(
            include={
                "id",
                "submission_id",
                "state",
                "filename",
                "size_bytes",
                "part_size_bytes",
                "expires_at",
            }
        ),
        part_count=part_count(upload),
        arrived=sorted(arrived),
        parts=parts,
        urls_expire_at=datetime.now(UTC) + URL_LIFETIME,
    )


def _missing(upload: Upload, arrived: set[int]) -> list[int]:
    return [number for number in range(1, part_count(upload) + 1) if number not in arrived][:_MOST_URLS]


def _part(held: Resources, upload: Upload, number: int) -> PartToSend:
    return PartToSend(
        number=number,
        offset_bytes=(number - 1) * upload.part_size_bytes,
        size_bytes=part_bytes(upload, number),
        url=held.objects.presign_part(ASSETS, upload.object_key, upload.s3_upload_id, number),
    )


@router.post(
    "/{upload_id}/complete",
    summary="完成上传 · Complete an upload",
    responses=problems(*_REFUSALS, "upload-refused", "store-unavailable"),
)
async def complete(submission_id: UUID, upload_id: UUID, asker: AskerApart, held: Held) -> UploadDone:
    """Put the parts together, read them back, and add the file to the content. May be repeated.

    Missing parts are named and can be sent; bytes that are not the announced ones are dropped, and a new
    upload can begin.
    """
    upload = await _own(held, submission_id, upload_id, asker)
    if upload.state == "aborted":
        raise UploadRefused(
            Text("此上传已取消，请重新开始上传。", "This upload was dropped; begin a new one.")
        )
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
    "/{upload_id}",
    status_code=204,
    summary="取消上传 · Drop an upload",
    responses=problems("not-found", "invalid-request", "store-unavailable"),
)
async def drop(submission_id: UUID, upload_id: UUID, asker: AskerApart, held: Held) -> Response:
    """Drop what has arrived. A completed upload stays: remove its file with PATCH."""
    await abort_upload(held.db, held.objects, await _own(held, submission_id, upload_id, asker))
    return Response(status_code=204)
