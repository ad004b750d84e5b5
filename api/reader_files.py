"""What readers fetch besides pages: public media on this origin, and H5 pages on theirs, which is another port.

It stands before everything else, so that the port of the H5 pages can answer nothing but their files.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.asking import Resources
from api.byte_answers import object_answer
from media.page_types import BINARY, page_type
from storage.errors import NotFound, StoreUnavailable
from storage.keys import PACKAGES, PUBLIC
from storage.public_files import CACHING, public_labels
from storage.settings import Settings

_MEDIA = "/media/"
_NAME = r"stories/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/v[1-9][0-9]{0,8}/[0-9a-f]{16}/[a-z0-9_]+/"
_KEY = re.compile(rf"({_NAME})[^\x00-\x1f\x7f\\]+")
_METHODS = ("GET", "HEAD")
# A file that is opened as a document of its own shows itself and loads nothing.
_MEDIA_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Access-Control-Allow-Origin": "*",  # nothing here depends on who asks
    "Access-Control-Expose-Headers": "Content-Range, Content-Length, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class ReaderFiles:
    """The layer around the application that hands out files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: a file, a refusal, or what the application says."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        resources: Resources | None = getattr(scope["app"].state, "resources", None)
        if resources is None:
            return await self.app(scope, receive, send)
        request = Request(scope, receive)
        if _is_of_pages(scope, resources.settings):
            response = await _page_file(request, resources)
        elif scope["path"].startswith(_MEDIA):
            response = await _media_file(request, resources)
        else:
            return await self.app(scope, receive, send)
        return await response(scope, receive, send)


def _is_of_pages(scope: Scope, settings: Settings) -> bool:
    """Whether the request came in at the port of the H5 pages: by the socket, for a Host header can be anything."""
    server = scope.get("server")
    return server is not None and server[1] == settings.packages_port != settings.port


async def _media_file(request: Request, held: Resources) -> Response:
    key = request.scope["path"].removeprefix(_MEDIA)
    if refusal := _refusal(request, key):
        return refusal
    try:
        stored = await held.objects.stat(PUBLIC, key)
        type_, labels = public_labels(stored.headers.get("content-type", ""))
        about = {**_ALWAYS, **labels, "Content-Type": type_, "Content-Security-Policy": _MEDIA_POLICY}
        return await object_answer(request, held.objects, (PUBLIC, key), stored, about)
    except (NotFound, StoreUnavailable) as error:
        return _failure(error)


async def _page_file(request: Request, held: Resources) -> Response:
    key = request.scope["path"].removeprefix("/")
    if refusal := _refusal(request, key):
        return refusal
    type_ = page_type(key)
    about = {
        **_ALWAYS,
        "Cache-Control": CACHING,
        "Content-Type": type_,
        "Content-Security-Policy": page_policy(key, held.settings),
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }
    if type_ == BINARY:
        about["Content-Disposition"] = "attachment"
    try:
        stored = await held.objects.stat(PACKAGES, key)
        return await object_answer(request, held.objects, (PACKAGES, key), stored, about)
    except (NotFound, StoreUnavailable) as error:
        return _failure(error)


def page_policy(key: str, settings: Settings) -> str:
    """What an H5 page may do: run its own script in an origin that is nobody's, and load its own files.

    Without `allow-same-origin` it has no cookies and no storage, and reads nothing of ours; as it loads nothing
    from elsewhere, what readers run is what was signed off.
    """
    found = _KEY.fullmatch(key)
    # The address of this one page's folder: other stories' files are not its own.
    own = f"{settings.reader_packages_url}/{quote(found[1]) if found else ''}"
    site = urlsplit(settings.reader_url)
    return "; ".join(
        (
            "sandbox allow-scripts",
            f"default-src {own} 'unsafe-inline' 'unsafe-eval' data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {site.scheme}://{site.netloc}",
        )
    )


def _refusal(request: Request, key: str) -> Response | None:
    if request.method not in _METHODS:
        return Response(status_code=405, headers={**_ALWAYS, "Allow": ", ".join(_METHODS)})
    return None if is_public_key(key) else _said(404)


def is_public_key(key: str) -> bool:
    """Whether a reader may ask for this name: a file of a version of a story, and no way out of its folder.

    Stores differ on what they make of `..` and of empty parts, so that none of them is asked.
    """
    parts = key.split("/")
    return bool(_KEY.fullmatch(key)) and not {"", ".", ".."} & set(parts)


def _failure(error: NotFound | StoreUnavailable) -> Response:
    return _said(404 if isinstance(error, NotFound) else 503)


_WORDS: Mapping[int, str] = {
    404: "没有这个文件：地址可能有误，或稿件已撤下。There is no such file: mistyped, or taken back.\n",
    503: "文件暂时无法读取，请稍后重试。The file cannot be read now; try again later.\n",
}


def _said(status: int) -> Response:
    headers = {
        **_ALWAYS,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(_WORDS[status], status, headers, "text/plain; charset=utf-8")
