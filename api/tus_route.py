"""What every tus answer has in common: the version, and refusals with a status that clients act on rightly."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api.answers import describe, problem_response
from api.problems import ApiProblem
from api.tus_headers import OFFSET_TYPE, VERSION, check_version
from states.refusals import MoveRefused
from states.text import Text
from storage.errors import Conflict, StorageError, UploadRefused

# A client that is cut off while it sends seldom reads why; one that is not sends all of it for nothing, on
# somebody's phone bill. So a short rest is let run out, and a long one is cut: then the client asks for the offset.
_MOST_UNWANTED_BYTES = 16 * 2**20
_REFUSALS = (ApiProblem, MoveRefused, StorageError, RequestValidationError, HTTPException)


class TusRoute(APIRoute):
    """A route that speaks tus 1.0.0; OPTIONS alone may be asked without naming the version."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, with the version before and after it."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                if request.method != "OPTIONS":
                    check_version(request.headers)
                answer = await inner(request)
            except _REFUSALS as error:
                answer = _refusal(request, error)
            answer.headers["Tus-Resumable"] = VERSION
            return answer

        return handle


def _refusal(request: Request, error: Exception) -> Response:
    answer = problem_response(error, request.scope, request.headers.get("accept-language"))
    length = request.headers.get("content-length", "")
    is_short = length.isdecimal() and int(length) <= _MOST_UNWANTED_BYTES
    if request.headers.get("content-type") == OFFSET_TYPE and not is_short:
        answer.headers["Connection"] = "close"
    return answer


def settled(error: UploadRefused | MoveRefused | Conflict) -> ApiProblem:
    """The problem when all bytes are here and the file cannot become part of the piece.

    The usual 409 would be taken for an offset that differs, and tried again (tus-js-client does). What can still
    end well is 423: the bytes stay, and the next request tries again; other bytes than announced are 422.
    """
    if isinstance(error, UploadRefused):
        return ApiProblem("upload-mismatch", error.text)
    text = describe(error).text
    return ApiProblem(
        "upload-locked",
        Text(
            f"文件已全部收到，但暂时不能加入稿件：{text.zh}",
            f"All bytes are here; the piece cannot take them: {text.en}",
        ),
        Retry_After="5",
    )
