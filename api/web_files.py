"""The scripts that a page loads from us: the upload client. Fixed files, no sign-in, nothing else of the disk."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.preconditions import has_current
from storage.errors import NotFound

router = APIRouter(prefix="/web", include_in_schema=False)
_FOLDER = Path(__file__).parent / "web"
_SCRIPT = "text/javascript; charset=utf-8"
# A worker has the policy of its own script: it loads its hash function from us, which is WebAssembly.
_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"


@router.get("/{name:path}")
async def script(name: str, request: Request) -> Response:
    """The script with this name. An `ETag` each time, so that a new version counts at once."""
    files = _files()
    if name not in files:
        raise NotFound("script", name)
    body, etag = files[name]
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    if has_current(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=_SCRIPT)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    found = {path.relative_to(_FOLDER).as_posix(): path.read_bytes() for path in _FOLDER.rglob("*.js")}
    return {name: (body, f'"{hashlib.sha256(body).hexdigest()[:32]}"') for name, body in found.items()}
