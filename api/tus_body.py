"""The body of a tus request as it arrives: its bytes, how it ended, and how many may arrive at one time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from enum import StrEnum

from starlette.requests import Request

from api.problems import ApiProblem
from api.tus_headers import ALGORITHMS, Checksum
from states.text import Text

_IDLE_S = 60.0  # a phone in a tunnel; after that its bytes are stored, and it goes on with another request
# Each one holds a part (5 MiB) and what its way to the store takes: 7 MiB each with four at once, measured.
_MOST_AT_ONCE = 24
_MOST_FOR_ONE = 8


class End(StrEnum):
    """How a body ended."""

    WHOLE = "whole"
    CUT = "cut"
    IDLE = "idle"
    STOPPED = "stopped"
    TOO_LONG = "too_long"


class Body:
    """One body. It ends quietly, however that came, so that what arrived can be stored; `end` says how."""

    def __init__(self, request: Request, most_bytes: int, checksum: Checksum | None) -> None:
        self._receive = request.receive
        self.most_bytes = most_bytes
        self._checksum = checksum
        self._digest = ALGORITHMS[checksum.algorithm]() if checksum else None
        self._is_stopped = False
        self._waiting: asyncio.Timeout | None = None
        self._received = 0
        self.end = End.CUT

    @property
    def is_as_announced(self) -> bool:
        """Whether the whole body came and has the checksum that was given, if one was."""
        fits = (
            self._digest is None or self._checksum is None or self._digest.digest() == self._checksum.digest
        )
        return self.end is End.WHOLE and fits

    def stop(self) -> None:
        """Take no more: somebody else waits for the upload."""
        self._is_stopped = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, until the body ends or shall."""
        has_more = True
        while has_more:
            message = await self._next()
            if message is None:
                return
            chunk, has_more = message
            self._received += len(chunk)
            if self._received > self.most_bytes:
                self.end = End.TOO_LONG
                return
            if self._digest is not None:
                self._digest.update(chunk)
            if chunk:
                yield chunk
        self.end = End.WHOLE

    async def _next(self) -> tuple[bytes, bool] | None:
        if self._is_stopped:
            self.end = End.STOPPED
            return None
        try:
            async with asyncio.timeout(_IDLE_S) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            self.end = End.STOPPED if self._is_stopped else End.IDLE
            return None
        finally:
            self._waiting = None
        if message["type"] == "http.disconnect":
            self.end = End.CUT
            return None
        return message.get("body", b""), message.get("more_body", False)


class Gate:
    """How many bodies this process takes at one time, of all and of one person: what bounds its memory."""

    def __init__(self, most: int = _MOST_AT_ONCE, most_for_one: int = _MOST_FOR_ONE) -> None:
        self._most, self._most_for_one = most, most_for_one
        self._inside: Counter[str] = Counter()

    @contextmanager
    def entered(self, person_id: str) -> Iterator[None]:
        """Be one of them. Raises ApiProblem 503, which clients try again."""
        if self._inside.total() >= self._most or self._inside[person_id] >= self._most_for_one:
            text = Text(
                f"同时上传的文件过多（每人最多 {self._most_for_one} 个），请稍后继续。",
                f"Too many files arrive at this moment ({self._most_for_one} for one person); go on in a moment.",
            )
            raise ApiProblem("server-busy", text, Retry_After="2")
        self._inside[person_id] += 1
        try:
            yield
        finally:
            self._inside[person_id] -= 1
            self._inside += Counter()  # who is not inside any more is not remembered
