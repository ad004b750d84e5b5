"""What tus requests do with an upload: begin it, take bytes, finish it, and say how far it is."""

import re
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request, Response

from api.asking import Resources
from api.filenames import safe_filename
from api.openapi import API
from api.problems import ApiProblem, invalid_field
from api.schemas.uploads import MEDIA_TYPE
from api.tus_body import Body, End
from api.tus_headers import OFFSET_TYPE, Checksum, checksum, http_date, metadata, number, upload_length
from api.tus_route import settled
from api.uploads import check_size
from states.refusals import MoveRefused
from states.roles import Actor
from states.text import Text
from storage.errors import Conflict, NotFound, UploadBusy, UploadRefused
from storage.quotas import quotas_of
from storage.seeing import visible_submission
from storage.tables import Upload
from storage.tus_joining import open_joined
from storage.tus_writing import PartWriter
from storage.uploads import Terms, find_upload, open_upload, with_multipart
from storage.uploads_completing import complete_held, forget
from storage.uploads_lease import Lease, sole_writer

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_CAPTION = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: itself, who asks, and what the process holds."""

    request: Request
    actor: Actor
    held: Resources

    @property
    def terms(self) -> Terms:
        """The quotas, and the key of a repeat (`Idempotency-Key`), if one was sent."""
        return Terms(quotas_of(self.held.settings), self.request.headers.get("idempotency-key") or None)


async def begin(ask: Asked, submission_id: UUID, kind: str | None) -> Response:
    """Create an upload (`kind`: partial, or None for a whole file), and take the bytes that came with it."""
    announced = _announced(ask, submission_id, is_partial=kind == "partial")
    announced.size_bytes, announced.concat = _size(ask), kind
    async with ask.held.db.transaction() as session:
        await visible_submission(session, submission_id, ask.actor)
    upload, _ = await open_upload(ask.held.db, ask.held.objects, ask.actor, announced, ask.terms)
    if ask.request.headers.get("content-type") == OFFSET_TYPE:
        upload = await _take(ask, upload, 0)
    return shown(upload, 201)


async def begin_joined(ask: Asked, submission_id: UUID, ids: list[str]) -> Response:
    """Create the upload that joins others, and finish it."""
    announced = _announced(ask, submission_id, is_partial=False)
    announced.concat, announced.joins = "final", ids
    async with ask.held.db.transaction() as session:
        await visible_submission(session, submission_id, ask.actor)
    upload = await open_joined(ask.held.db, ask.held.objects, ask.actor, announced, ask.terms)
    return shown(await finished(ask, upload), 201)


def _announced(ask: Asked, submission_id: UUID, *, is_partial: bool) -> Upload:
    raw = ask.request.headers.get("upload-metadata")
    given = metadata(raw)
    name = given.get("filename") or given.get("name") or ("part" if is_partial else "")
    if not name:
        raise invalid_field(
            "Upload-Metadata.filename", "请给出文件名。", "Give the name of the file in the metadata."
        )
    return Upload(
        submission_id=submission_id,
        person_id=UUID(ask.actor.person_id),
        door="tus",
        filename=safe_filename(name),
        media_type=_media_type(given.get("filetype") or given.get("type") or None),
        caption=_caption(given.get("caption", "")),
        size_bytes=0,
        sha256=_sha256(given.get("sha256") or None),
        part_size_bytes=0,
        object_key="",
        tus_metadata=raw,
    )


def _caption(given: str) -> str:
    if len(given) > _LONGEST_CAPTION or "\0" in given:
        raise invalid_field(
            "Upload-Metadata.caption",
            f"说明最多 {_LONGEST_CAPTION} 字，不能含空字符。",
            f"A caption has at most {_LONGEST_CAPTION} characters, and no NUL.",
        )
    return given


def _media_type(given: str | None) -> str | None:
    if given is not None and (len(given) > 255 or not re.fullmatch(MEDIA_TYPE, given)):
        raise invalid_field("Upload-Metadata.filetype", "不是媒体类型。", "This is no media type.")
    return given


def _sha256(given: str | None) -> str | None:
    if given is not None and not _SHA256.fullmatch(given):
        raise invalid_field(
            "Upload-Metadata.sha256",
            "应为 64 位小写十六进制。",
            "This must be 64 lower-case hexadecimal digits.",
        )
    return given


def _size(ask: Asked) -> int:
    size_bytes, most_bytes = upload_length(ask.request.headers), ask.held.settings.upload_max_bytes
    if size_bytes > most_bytes:
        raise _too_large(most_bytes)
    check_size("Upload-Length", size_bytes, most_bytes)
    return size_bytes


def _too_large(most_bytes: int) -> ApiProblem:
    text = Text(
        f"超过 {most_bytes} 字节，请按 Upload-Length 发送，或压缩、剪短后再传。",
        f"This is more than {most_bytes} bytes; send what Upload-Length says, or compress or shorten the file.",
    )
    return ApiProblem("body-too-large", text)


async def take(ask: Asked, upload: Upload) -> Upload:
    """Take the bytes of a PATCH, from the offset that it names; the upload as it is then."""
    if ask.request.headers.get("content-type") != OFFSET_TYPE:
        text = Text(f"请用 Content-Type: {OFFSET_TYPE}。", f"Send this with Content-Type: {OFFSET_TYPE}.")
        raise ApiProblem("unsupported-media-type", text)
    if upload.concat == "final" or upload.state == "joined":
        text = Text("合并的上传不再接收数据。", "An upload that was joined takes no bytes.")
        raise ApiProblem("upload-finished", text)
    return await _take(ask, upload, number(ask.request.headers, "Upload-Offset"))


async def _take(ask: Asked, upload: Upload, offset_bytes: int) -> Upload:
    expected = checksum(ask.request.headers.get("upload-checksum"))
    most_bytes = max(0, upload.size_bytes - offset_bytes)
    if int(ask.request.headers.get("content-length") or 0) > most_bytes:
        raise _too_large(most_bytes)
    body = Body(ask.request, most_bytes, expected)
    with ask.held.arriving.entered(str(ask.actor.person_id)):
        async with sole_writer(ask.held.db, upload.id, body.stop) as lease:
            current = await _at(ask, upload, offset_bytes)
            if current.state == "open":
                try:
                    await _write(PartWriter(ask.held.db, ask.held.objects, current, lease), body, expected)
                except (
                    NotFound
                ) as error:  # the store lost what it had taken: an offset that is ahead of the bytes
                    if not await forget(ask.held.db, ask.held.objects, current, lease):
                        raise UploadBusy(current.id) from error
                    raise _gone() from error
                await _finish(ask, current, lease)
    return await _read(ask, upload)


async def _at(ask: Asked, upload: Upload, offset_bytes: int) -> Upload:
    """The upload as it is now that nobody else writes, where the client is right about its offset."""
    current = await _read(ask, upload)
    _check_alive(current)
    if current.offset_bytes != offset_bytes:
        text = Text(
            f"当前偏移量为 {current.offset_bytes}，请从该处继续。",
            f"The offset is {current.offset_bytes}; go on from there.",
        )
        members = {"offset_bytes": current.offset_bytes}
        raise ApiProblem("upload-offset", text, members, Upload_Offset=str(current.offset_bytes))
    return await with_multipart(ask.held.db, ask.held.objects, current)


async def _read(ask: Asked, upload: Upload) -> Upload:
    async with ask.held.db.transaction() as session:
        return await find_upload(session, upload.id)


def _check_alive(upload: Upload) -> None:
    if upload.state in ("aborted", "expired"):
        raise _gone()


def _gone() -> ApiProblem:
    text = Text("此上传已取消或过期，请重新开始。", "This upload was dropped or expired; begin a new one.")
    return ApiProblem("upload-gone", text)


async def _write(writer: PartWriter, body: Body, expected: Checksum | None) -> None:
    """Store what comes. With a checksum all or nothing of it counts; without, all that came before a cut."""
    await writer.write(body.chunks(), is_held_back=expected is not None)
    if expected is None or body.is_as_announced:
        await writer.settle()
    elif body.end is End.WHOLE:
        text = Text(
            "本次数据的校验值不符，已丢弃，请重发。",
            "The checksum does not fit these bytes; they are dropped. Send again.",
        )
        raise ApiProblem("upload-checksum", text)
    if body.end is End.TOO_LONG:
        raise _too_large(body.most_bytes)
    if body.end in (End.IDLE, End.STOPPED):
        text = Text(
            "本次请求已中止，请从当前偏移量继续。", "This request was ended; go on from the current offset."
        )
        raise ApiProblem("upload-locked", text, Retry_After="1", Connection="close")


async def finished(ask: Asked, upload: Upload) -> Upload:
    """The upload after what needs no more bytes: a writer that is left over stops, a full upload is completed."""
    _check_alive(upload)
    is_full = (
        upload.state == "open" and upload.offset_bytes == upload.size_bytes and upload.concat != "partial"
    )
    if upload.writer is None and not is_full:
        return upload
    async with sole_writer(ask.held.db, upload.id) as lease:
        current = await _read(ask, upload)
        _check_alive(current)
        if current.state == "open":
            await _finish(ask, current, lease)
    return await _read(ask, upload)


async def _finish(ask: Asked, upload: Upload, lease: Lease) -> None:
    """Where all bytes are in the store, make the file part of the piece."""
    current = await _read(ask, upload)
    if (
        current.concat == "partial"
        or current.offset_bytes < current.size_bytes
        or current.writer != lease.writer
    ):
        return
    try:
        await complete_held(ask.held.db, ask.held.objects, upload.id, ask.actor)
    except (UploadRefused, MoveRefused, Conflict) as error:
        raise settled(error) from error


def shown(upload: Upload, status: int) -> Response:
    """The answer that says how far an upload is."""
    headers = {
        "Upload-Offset": str(upload.offset_bytes),
        "Upload-Length": str(upload.size_bytes),
        "Cache-Control": "no-store",
    }
    if status == 201:
        headers["Location"] = _address(upload.id)
    if upload.state == "open":
        headers["Upload-Expires"] = http_date(upload.expires_at)
    if upload.tus_metadata is not None and status == 200:
        headers["Upload-Metadata"] = upload.tus_metadata
    if upload.concat is not None:
        joined = " ".join(_address(each) for each in upload.joins)
        headers["Upload-Concat"] = f"final;{joined}" if joined else upload.concat
    return Response(status_code=status, headers=headers)


def _address(upload_id: UUID | str) -> str:
    return f"{API}/tus/{upload_id}"
