"""What every request passes: an id, a limit on its body, headers for browsers, and the last catch.

Plain ASGI: Starlette's BaseHTTPMiddleware would cost a task and two streams for each request.
"""

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import MOST_BODY_BYTES, problem_response
from api.tus_headers import OFFSET_TYPE

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_TUS = re.compile(r"/api/v1/(?:submissions/[^/]+/)?tus(?:/[^/]+)?")
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_READS = ("GET", "HEAD", "OPTIONS")


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. A failure after the answer began is raised, so that the server cuts the connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = _Answer(send, scope, _request_id(headers))
        if answer.is_bare:
            scope = {**scope, "method": "GET"}  # every address that answers GET answers HEAD
        scope.setdefault("state", {})["request_id"] = answer.request_id
        scope["state"]["is_bare"] = answer.is_bare
        try:
            await self.app(
                scope, receive if _is_stream(scope, headers) else _limited(headers, receive), answer
            )
            if scope["method"] not in _READS:
                _say_that_something_moved(scope)
        except Exception as error:
            if answer.has_begun:
                raise
            response = problem_response(error, scope, headers.get("accept-language"))
            await response(scope, receive, answer)


def _say_that_something_moved(scope: Scope) -> None:
    """For those who watch the stream; asked after each write, so that no handler can forget it."""
    resources = getattr(scope["app"].state, "resources", None)
    if resources is not None:
        resources.live.moved(resources.db)


def _request_id(headers: Headers) -> str:
    """The id that a proxy in front gave, where it is a plain one; else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


class _Answer:
    """Sends the answer on, with our headers where the handler set none of the same name."""

    def __init__(self, send: Send, scope: Scope, request_id: str) -> None:
        self._send = send
        self._is_private = scope["path"].startswith("/api/")
        self.is_bare = scope["method"] == "HEAD"
        self.request_id = request_id
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            for name, value in _HEADERS:
                headers.setdefault(name, value)
            if self._is_private:
                headers.setdefault("Cache-Control", "no-store")
        elif self.is_bare:
            message = {**message, "body": b""}
        await self._send(message)


def _is_stream(scope: Scope, headers: Headers) -> bool:
    """Whether the body is a piece of a file: `api.tus` reads it bit by bit, and no more than was announced."""
    return headers.get("content-type") == OFFSET_TYPE and bool(_TUS.fullmatch(scope["path"]))


def _limited(headers: Headers, receive: Receive) -> Receive:
    """The request's stream; reading beyond the limit raises a 413, which FastAPI lets through."""
    announced = headers.get("content-length", "0")
    seen = int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 20 else 0
    if seen > MOST_BODY_BYTES:
        raise HTTPException(413)
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MOST_BODY_BYTES:
            raise HTTPException(413)
        return message

    return counted
