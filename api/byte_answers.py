"""An object of the store as an answer to a reader: whole, in part, or not again (RFC 9110 sections 13 and 14)."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.preconditions import has_current
from storage.objects import Objects
from storage.stored import Answer

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_NO_MORE = b""


async def object_answer(
    request: Request, objects: Objects, where: tuple[str, str], found: Answer, labels: Mapping[str, str]
) -> Response:
    """The object (bucket and key; `found` by `stat`) with these headers, or the one part that was asked for.

    Several parts at once are answered with the whole. Raises NotFound and StoreUnavailable before the first byte.
    """
    headers = {**_validators(found), **labels}
    if _is_known(request, headers):
        return Response(status_code=304, headers=headers)
    size = found.size_bytes
    wanted = _range(request, size, headers["ETag"])
    if wanted == ():
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    first, last = wanted or (0, size - 1)
    headers["Content-Length"] = str(last - first + 1)
    if wanted:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 206 if wanted else 200
    if request.method == "HEAD" or not size:
        return Response(status_code=status, headers=headers)
    opened = AsyncExitStack()
    part = f"bytes={first}-{last}" if wanted else None
    answer = await opened.enter_async_context(objects.opened(*where, part))
    return StreamingResponse(_pieces(objects, answer, opened), status, headers)


async def _pieces(objects: Objects, answer: Answer, opened: AsyncExitStack) -> AsyncIterator[bytes]:
    async with opened:
        pieces = iter(answer.chunks)
        while piece := await objects.calls.run(lambda: next(pieces, _NO_MORE)):
            yield piece


def _validators(found: Answer) -> dict[str, str]:
    headers = {"ETag": found.headers.get("etag", '""'), "Accept-Ranges": "bytes"}
    if "last-modified" in found.headers:
        headers["Last-Modified"] = found.headers["last-modified"]
    return headers


def _is_known(request: Request, headers: Mapping[str, str]) -> bool:
    if "if-none-match" in request.headers:
        return has_current(request.headers["if-none-match"], headers["ETag"])
    return request.headers.get("if-modified-since") == headers.get("Last-Modified", "")


def _range(request: Request, size: int, etag: str) -> tuple[int, int] | tuple[()] | None:
    """First and last byte; () when there are none such; None when the whole is wanted, or what was asked is not
    understood, or was asked of another version (If-Range).
    """
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if first:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return None
    elif last:
        begin, end = max(0, size - int(last)), size - 1
    else:
        return None
    return (begin, end) if begin <= end else ()
