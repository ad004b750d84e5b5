"""How the routes describe themselves: their problems, and the whole document."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.answers import PROBLEM_TYPE
from api.problems import KINDS
from api.schemas.problem import Problem

API = "/api/v1"
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_ALWAYS = ("internal-error", "database-unavailable", "store-full")
_SIGNED_IN = ("unauthenticated",)
# What a move of the table can meet.
OF_A_MOVE = (
    "role-missing",
    "not-found",
    "illegal-event",
    "guard-refused",
    "conflict",
    "stale-version",
    "precondition-required",
    "invalid-request",
)

TAGS = [
    {"name": "sign-in", "description": "登录与退出 · sign in and out"},
    {"name": "people", "description": "人员（管理员）· people, for administrators"},
    {"name": "delegations", "description": "委托：谁代谁审、到何时 · who acts for whom, until when"},
    {"name": "workflows", "description": "各栏目的审核流程 · the reviews of each column, by version"},
    {"name": "audit", "description": "审计：谁在何时何地审了哪一版 · who approved what, and other records"},
    {"name": "calendar", "description": "工作日历与上班时间 · working days and hours, for deadlines"},
    {"name": "destinations", "description": "发布渠道 · configured accounts on platforms"},
    {"name": "submissions", "description": "稿件：撰写、送审、审核 · write, send in, review"},
    {"name": "stream", "description": "实时动态 · what happens, as it happens"},
    {"name": "record", "description": "留痕：历史、版本、成品、分发 · what is on record"},
    {"name": "comments", "description": "批注与预设理由 · comments, and reasons kept ready"},
    {"name": "station", "description": "台标与片头片尾 · the station's logo and clips"},
    {"name": "retention", "description": "保存期限 · how long what is kept"},
    {"name": "uploads", "description": "素材分片上传 · files, in parts, straight to the object store"},
    {"name": "tus", "description": "素材上传的第二个入口（tus 1.0.0）· files by tus, for SDKs that speak it"},
    {"name": "deliveries", "description": "分发的确认、重试、取消 · confirm, retry, cancel"},
    {"name": "readers", "description": "面向读者：订阅源与稿件页 · feeds and pages, no sign-in"},
    {"name": "health", "description": "运行状态 · is it up"},
]
_DESCRIPTION = """
Every multimedia submission goes through three reviews by three people, and out to each platform at most once.

Errors are problem documents (RFC 9457) with a stable `type`; `detail` follows `Accept-Language` (Chinese
unless English ranks higher), `detail_zh` and `detail_en` are always both there. Sign in with
`POST /api/v1/sessions` and send the token as `Authorization: Bearer …`. What you may not see is answered as
if it were not there. Addresses of files can be read for one hour.
""".strip()


def problems(*slugs: str, is_open: bool = False) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route: those named, and those that every route can give."""
    wanted = (*slugs, *(() if is_open else _SIGNED_IN), *_ALWAYS)
    by_status: dict[int | str, dict[str, Any]] = {}
    for slug in wanted:
        kind = KINDS[slug]
        known = by_status.setdefault(kind.status, _response())
        known["description"] += (" · " if known["description"] else "") + f"`{kind.type}` {kind.title.en}"
        known["content"][PROBLEM_TYPE]["examples"][slug] = {"$ref": f"#/components/examples/{slug}"}
    return by_status


def _response() -> dict[str, Any]:
    return {"description": "", "content": {PROBLEM_TYPE: {"schema": _SCHEMA, "examples": {}}}}


def _example(slug: str) -> dict[str, Any]:
    kind = KINDS[slug]
    return {
        "type": kind.type,
        "title": kind.title.zh,
        "status": kind.status,
        "detail": kind.title.zh,
        "detail_zh": kind.title.zh,
        "detail_en": kind.title.en,
        "instance": "/api/v1/…",
        "request_id": "9f0c5c7e3b1f4b8f8f7a5d1c2e3f4a5b",
    }


def describe_with_problems(app: FastAPI) -> None:
    """Make the app's OpenAPI document include the problem schema; it is built once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schema: Mapping[str, Any] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= dict(schema.get("$defs", {}))
    schemas["Problem"] = {name: value for name, value in schema.items() if name != "$defs"}
    document["components"]["examples"] = {slug: {"value": _example(slug)} for slug in KINDS}
    document["components"]["responses"] = _shared_problems(document)
    return document


def _shared_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Each kind of problem answer once, by its slugs; the routes point to it. It halves the document."""
    shared = {}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if problem := response.get("content", {}).get(PROBLEM_TYPE):
                    name = "_".join(problem["examples"])
                    shared[name] = response
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))
