"""The second door for uploads, tus 1.0.0: one request or many, resumed at the offset that the store has.

Source: tus.io/protocols/resumable-upload 1.0.0 (read 2026-11-22). The end is that of uploads in parts.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from api.asking import AskerApart, Held
from api.openapi import API, problems
from api.problems import ApiProblem
from api.tus_headers import ALGORITHMS, EXTENSIONS, VERSION, concat, metadata, submission_of
from api.tus_route import TusRoute
from api.tus_uploads import Asked, begin, begin_joined, finished, shown, take
from api.uploads import own_upload
from states.text import Text
from storage.uploads import abort_upload

router = APIRouter(prefix=API, tags=["tus"], route_class=TusRoute)
_ANY = ("not-found", "tus-version", "bad-request", "upload-gone", "upload-locked", "store-unavailable")
_CREATING = (
    *_ANY,
    "role-missing",
    "illegal-event",
    "guard-refused",
    "conflict",
    "invalid-request",
    "body-too-large",
    "idempotency-key-reused",
    "upload-quota",
    "upload-refused",
)
_WRITING = (
    "upload-finished",
    "upload-offset",
    "upload-mismatch",
    "upload-checksum",
    "unsupported-media-type",
    "body-too-large",
    "server-busy",
)


async def _asked(request: Request, asker: AskerApart, held: Held) -> Asked:
    return Asked(request, asker, held)


Ask = Annotated[Asked, Depends(_asked)]


async def _options(held: Held) -> Response:
    """The version, the extensions, and the largest file."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(held.settings.upload_max_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


for _path in ("/tus", "/submissions/{submission_id}/tus", "/tus/{upload_id}"):
    router.add_api_route(
        _path,
        _options,
        methods=["OPTIONS"],
        status_code=204,
        summary="tus 能力 · What this server speaks",
        responses=problems(is_open=True),
    )


@router.post(
    "/submissions/{submission_id}/tus",
    status_code=201,
    summary="tus：新建上传 · Create",
    responses=problems(*_CREATING, *_WRITING),
)
async def create_here(submission_id: UUID, ask: Ask) -> Response:
    """Create an upload for this submission. `Upload-Metadata`: filename, filetype, caption, sha256."""
    return await _create(ask, submission_id)


@router.post(
    "/tus", status_code=201, summary="tus：新建上传 · Create", responses=problems(*_CREATING, *_WRITING)
)
async def create(ask: Ask) -> Response:
    """Create an upload; `Upload-Metadata` names its submission as submission_id. For SDKs with one fixed endpoint."""
    return await _create(ask, submission_of(metadata(ask.request.headers.get("upload-metadata"))))


async def _create(ask: Asked, submission_id: UUID) -> Response:
    kind, ids = concat(ask.request.headers.get("upload-concat"))
    if kind == "final":
        return await begin_joined(ask, submission_id, ids)
    return await begin(ask, submission_id, kind)


@router.get(
    "/tus/{upload_id}",
    summary="tus：已收到多少（HEAD）· How far it is, for HEAD",
    responses=problems(*_ANY, "upload-mismatch"),
)
async def offset(upload_id: UUID, ask: Ask) -> Response:
    """The offset, in headers. A writer that a cut left behind is told to stop; a file that is here is finished."""
    upload = await own_upload(ask.held, upload_id, ask.actor)
    return shown(await finished(ask, upload), 200)


@router.patch(
    "/tus/{upload_id}",
    status_code=204,
    summary="tus：续传 · Send bytes",
    responses=problems(*_ANY, *_WRITING),
)
async def send(upload_id: UUID, ask: Ask) -> Response:
    """Bytes from `Upload-Offset` on. What came before a cut is kept; the last byte adds the file to the piece."""
    return shown(await take(ask, await own_upload(ask.held, upload_id, ask.actor)), 204)


@router.delete(
    "/tus/{upload_id}",
    status_code=204,
    summary="tus：取消 · Drop an upload",
    responses=problems(*_ANY, "upload-finished", "invalid-request"),
)
async def drop(upload_id: UUID, ask: Ask) -> Response:
    """Drop what has arrived. A finished upload stays: remove its file with PATCH of the submission."""
    upload = await own_upload(ask.held, upload_id, ask.actor)
    if upload.state in ("completed", "joined"):
        text = Text(
            "上传已完成；如需移除素材，请修改稿件。",
            "This upload is finished; to remove the file, change the piece.",
        )
        raise ApiProblem("upload-finished", text)
    await abort_upload(ask.held.db, ask.held.objects, upload)
    return Response(status_code=204)


@router.post(
    "/tus/{upload_id}",
    status_code=204,
    summary="tus：以 POST 代替其他方法 · Another method by POST",
    responses=problems(*_ANY, *_WRITING, "method-not-allowed"),
)
async def override(
    upload_id: UUID, ask: Ask, x_http_method_override: Annotated[str | None, Header()] = None
) -> Response:
    """PATCH, DELETE or HEAD, as `X-HTTP-Method-Override` says: for networks that let only GET and POST pass."""
    methods = {"PATCH": send, "DELETE": drop, "HEAD": offset}
    wanted = methods.get((x_http_method_override or "").upper())
    if wanted is None:
        text = Text(
            "请用 X-HTTP-Method-Override 给出 PATCH、DELETE 或 HEAD。",
            "Name PATCH, DELETE or HEAD in X-HTTP-Method-Override.",
        )
        raise ApiProblem("method-not-allowed", text, Allow="OPTIONS, HEAD, PATCH, DELETE, POST")
    return await wanted(upload_id, ask)
