"""How calls wait for the object store: so many at a time, in threads of their own, and none for minutes.

A store that says nothing holds its callers for `LONGEST_SILENCE_S`, and later ones for `_LONGEST_QUEUE_S`. They hold
no thread that anybody else needs: sign-in, reading and reviews go on.
"""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

import urllib3
from urllib3.connectionpool import ConnectionPool

T = TypeVar("T")
_MOST_AT_ONCE = 32
_LONGEST_QUEUE_S = 10.0
# Longer than the store is silent while it copies or joins what it has (`storage.object_copies`).
LONGEST_SILENCE_S = 60.0
_CONNECT_S = 3.0


class Calls:
    """The threads in which one `Objects` calls its store."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="store")
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(self, call: Callable[[], T]) -> T:
        """What the call gives, or its error. TimeoutError when no thread got free in time."""
        async with asyncio.timeout(_LONGEST_QUEUE_S):
            await self._places.acquire()
        # Given back when the thread is free, which may be long after the one who asked was cancelled.
        begun = self._threads.submit(functools.partial(contextvars.copy_context().run, call))
        loop = asyncio.get_running_loop()
        begun.add_done_callback(lambda _: self._give_back(loop))
        return await asyncio.wrap_future(begun)

    def _give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it whoever might wait
            loop.call_soon_threadsafe(self._places.release)


class _Again(urllib3.Retry):
    """A second try for what failed; a store that was silent for so long is not asked to be silent again."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def pool() -> urllib3.PoolManager:
    """Connections for so many calls: three seconds to connect, a minute of silence, and three tries in all."""
    return urllib3.PoolManager(
        maxsize=_MOST_AT_ONCE,
        timeout=urllib3.Timeout(connect=_CONNECT_S, read=LONGEST_SILENCE_S),
        retries=_Again(
            total=2,
            backoff_factor=0.2,
            status_forcelist=[500, 502, 503, 504],
            raise_on_status=False,  # what the store says is worth reading
            respect_retry_after_header=False,  # our own clients are told to wait; no thread does
        ),
    )
