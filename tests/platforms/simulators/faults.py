"""An ASGI app that fails where it is told to, as the wire and a platform's edge do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response


class Fault(StrEnum):
    """What goes wrong with a request; "after" means that it was carried out all the same."""

    NO_CONNECTION = "no connection"
    CUT_BEFORE = "cut before accept"
    CUT_AFTER = "cut after accept"
    SLOW_BEFORE = "slow before accept"
    SLOW_AFTER = "slow after accept"
    HTTP_401 = "401"
    HTTP_429 = "429"
    ERROR_500_BEFORE = "500 before accept"
    ERROR_500_AFTER = "500 after accept"
    WRONG_BODY_BEFORE = "wrong body before accept"
    WRONG_BODY_AFTER = "wrong body after accept"
    EMPTY_AFTER = "an empty object after accept"


_AFTER = frozenset(
    {Fault.CUT_AFTER, Fault.SLOW_AFTER, Fault.ERROR_500_AFTER, Fault.WRONG_BODY_AFTER, Fault.EMPTY_AFTER}
)
# What the client sees of them: the wait itself would only make tests slow.
_BROKEN: dict[Fault, type[httpx.TransportError]] = {
    Fault.NO_CONNECTION: httpx.ConnectError,
    Fault.CUT_BEFORE: httpx.ReadError,
    Fault.CUT_AFTER: httpx.ReadError,
    Fault.SLOW_BEFORE: httpx.ReadTimeout,
    Fault.SLOW_AFTER: httpx.ReadTimeout,
}


@dataclass
class Faulty:
    """`faults` maps the number of a request, from 1 on, to what fails; `now` is the clock, set by hand."""

    now: float = 1_795_000_000.0
    faults: dict[int, Fault] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        request = Request(scope, receive)
        self.calls.append(request.url.path)
        fault = self.faults.get(len(self.calls))
        response = await self._failing(fault, request) if fault else await self.answer(request)
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """What the platform answers."""
        raise NotImplementedError

    async def _failing(self, fault: Fault, request: Request) -> Response:
        if fault in _AFTER:
            await self.answer(request)
        if fault in _BROKEN:
            raise _BROKEN[fault](f"{fault}: {request.url} {dict(request.headers)}")
        if fault is Fault.HTTP_401:
            return PlainTextResponse(f"who are you? {request.url}", 401)
        if fault is Fault.HTTP_429:
            return PlainTextResponse("slow down", 429, {"Retry-After": "30"})
        if fault in (Fault.ERROR_500_BEFORE, Fault.ERROR_500_AFTER):
            return PlainTextResponse(f"oops {request.url}", 500)
        return JSONResponse({}) if fault is Fault.EMPTY_AFTER else PlainTextResponse("<html>a portal</html>")
