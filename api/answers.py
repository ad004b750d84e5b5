"""From any error to its problem document: the one handler of every refusal and failure."""

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.field_errors import field_errors
from api.language import reader_language
from api.problems import ApiProblem, InvalidFields
from states.delivery import DeliveryMoveRefused
from states.refusals import GuardRefused, IllegalMove, MoveRefused, RoleMissing
from states.text import Language, Text
from storage.database import is_disk_full, is_unavailable
from storage.errors import (
    AlreadyExists,
    Conflict,
    DelegationRefused,
    NotFound,
    QuotaExceeded,
    StaleVersion,
    StorageError,
    StoreFull,
    StoreUnavailable,
    UploadBusy,
    UploadRefused,
    WorkflowInvalid,
)
from storage.idempotency import KeyReused
from storage.proofs import NoSuchCheckpoint, NotInLogYet

MOST_BODY_BYTES = 1_000_000  # files never come this way; they go to the store by presigned parts
PROBLEM_TYPE = "application/problem+json"
_RETRY_AFTER_S = "5"
_log = logging.getLogger("sanshen.api")


def describe(error: Exception) -> ApiProblem:
    """The problem that stands for an error; `internal-error` for what nobody foresaw."""
    if isinstance(error, ApiProblem):
        return error
    if isinstance(error, MoveRefused):
        return _refused_move(error)
    if isinstance(error, StorageError):
        return _storage(error)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http(error)
    return _unforeseen(error)


def _refused_move(error: MoveRefused) -> ApiProblem:
    if isinstance(error, RoleMissing):
        return ApiProblem("role-missing", error.text, {"roles": sorted(error.roles)})
    if isinstance(error, GuardRefused):
        return ApiProblem("guard-refused", error.text, {"guard": error.guard, "details": list(error.details)})
    if isinstance(error, DeliveryMoveRefused):
        members: dict[str, Any] = {"current": error.current, "wanted": error.wanted}
        return ApiProblem("delivery-move-refused", error.text, members)
    if isinstance(error, IllegalMove):
        members = {"event": error.event, "state": error.state, "allowed_events": list(error.allowed)}
        return ApiProblem("illegal-event", error.text, members)
    return ApiProblem("conflict", error.text)


def _storage(error: StorageError) -> ApiProblem:
    if isinstance(error, StaleVersion):
        members = {"current_version": error.current}
        return ApiProblem("stale-version", error.text, members, ETag=f'"{error.current}"')
    if isinstance(error, QuotaExceeded):
        return ApiProblem("upload-quota", error.text, Retry_After=str(error.retry_after_s))
    if isinstance(error, WorkflowInvalid):
        found = [{"code": each.code, "stage": each.stage, **each.text.to_json()} for each in error.faults]
        return ApiProblem("workflow-invalid", error.text, {"faults": found})
    passing: tuple[tuple[type[StorageError], str], ...] = (
        (StoreFull, "store-full"),
        (StoreUnavailable, "store-unavailable"),
        (UploadBusy, "upload-locked"),
        (NotInLogYet, "not-in-log-yet"),
    )
    for kind, slug in passing:
        if isinstance(error, kind):
            return ApiProblem(slug, error.text, Retry_After=_RETRY_AFTER_S)
    slugs: tuple[tuple[type[StorageError], str], ...] = (
        (NoSuchCheckpoint, "no-such-checkpoint"),
        (NotFound, "not-found"),
        (Conflict, "conflict"),
        (AlreadyExists, "already-exists"),
        (UploadRefused, "upload-refused"),
        (KeyReused, "idempotency-key-reused"),
        (DelegationRefused, "delegation-refused"),
    )
    for kind, slug in slugs:
        if isinstance(error, kind):
            return ApiProblem(slug, error.text)
    return _unforeseen(error)


def _invalid(error: RequestValidationError) -> ApiProblem:
    found = error.errors()
    if any(each["loc"][:1] == ("path",) for each in found):
        # What is no identifier names nothing: the same answer as for one that is not known.
        return ApiProblem("not-found", _NOTHING_HERE)
    return InvalidFields(*field_errors(found))


_TOO_LARGE = Text(
    f"请求内容超过 {MOST_BODY_BYTES} 字节。文件请用分片上传。",
    f"The request is larger than {MOST_BODY_BYTES} bytes. Send files as uploads in parts.",
)
_NOTHING_HERE = Text("这里没有内容，请检查地址。", "There is nothing here; check the address.")


def _http(error: HTTPException) -> ApiProblem:
    if error.status_code == 404:
        return ApiProblem("not-found", _NOTHING_HERE)
    if error.status_code == 405:
        text = Text(
            "此地址不支持该方法，可用方法见 Allow 头。",
            "This address does not take this method; the Allow header lists those that it takes.",
        )
        return ApiProblem("method-not-allowed", text, None, **(error.headers or {}))
    if error.status_code == 413:
        return ApiProblem("body-too-large", _TOO_LARGE, Connection="close")
    return ApiProblem(
        "bad-request",
        Text("请求内容无法解析，请检查格式。", "The request could not be read; check its form."),
    )


_NO_ROOM = Text(
    "服务器磁盘已满，本次操作未保存。请稍后重试；管理员请清理磁盘或扩容，之后自动恢复，无需重启。",
    "The server's disk is full and nothing was saved. Try again later; operators: free or add disk space, it then "
    "recovers by itself, without a restart.",
)


def _unforeseen(error: Exception) -> ApiProblem:
    if is_disk_full(error):
        return ApiProblem("store-full", _NO_ROOM, Retry_After=_RETRY_AFTER_S)
    if is_unavailable(error):
        text = Text("数据库暂时不可用，请稍后重试。", "The database is not available now; try again later.")
        return ApiProblem("database-unavailable", text, Retry_After=_RETRY_AFTER_S)
    text = Text(
        "服务器出错，本次操作未生效。请稍后重试；若仍有问题，请把 request_id 告诉技术人员。",
        "The server failed and nothing was done. Try again; if it stays, give the operators the request_id.",
    )
    return ApiProblem("internal-error", text)


def problem_document(
    problem: ApiProblem, language: Language, instance: str, request_id: str
) -> dict[str, Any]:
    """The members of one problem, in the reader's language and in both."""
    return {
        "type": problem.kind.type,
        "title": problem.kind.title.in_language(language),
        "status": problem.kind.status,
        "detail": problem.text.in_language(language),
        "detail_zh": problem.text.zh,
        "detail_en": problem.text.en,
        "instance": instance,
        "request_id": request_id,
        **problem.members,
    }


def problem_response(error: Exception, scope: Mapping[str, Any], accept_language: str | None) -> Response:
    """The answer for an error; what nobody foresaw is logged with the request's id."""
    problem = describe(error)
    request_id = str(scope.get("state", {}).get("request_id", ""))
    log_failure(problem, error, scope)
    language = reader_language(accept_language)
    document = problem_document(problem, language, str(scope.get("path", "")), request_id)
    headers = {"Content-Language": "zh-CN" if language == "zh" else "en", "Vary": "Accept-Language"}
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, problem.kind.status, headers | problem.headers, PROBLEM_TYPE)


def log_failure(problem: ApiProblem, error: Exception, scope: Mapping[str, Any]) -> None:
    """Log what is our fault, with the request's id; the trace only of what nobody foresaw."""
    if problem.kind.status < 500:
        return
    trace = error if problem.kind.slug == "internal-error" else None
    what = (
        scope.get("method"),
        quote(str(scope.get("path", ""))),  # decoded it may hold a line break, and forge a line of the log
        problem.kind.slug,
        scope["state"]["request_id"],
        type(error),
    )
    _log.error("%s %s: %s (request %s) %s", *what, exc_info=trace)


async def _handle(request: Request, error: Exception) -> Response:
    return problem_response(error, request.scope, request.headers.get("accept-language"))


def add_handlers(app: FastAPI) -> None:
    """Answer every foreseen error with its problem; `api.edge` does so for the rest."""
    for kind in (ApiProblem, MoveRefused, StorageError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)
