"""Being woken by PostgreSQL's NOTIFY. A missed wake-up costs a poll, never work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import func
from sqlmodel import select

from storage.database import Database

WORKER_CHANNEL = "sanshen_runs"
_RECONNECT_S = 2.0


class Wake:
    """Set by notifications; `wait` returns at the next one or after a time."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Somebody has something to do."""
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Until woken, or `timeout_s` seconds at the most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
        self._event.clear()


@asynccontextmanager
async def listening(
    database_url: str, channel: str, heard: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Wake]:
    """Listen on one channel; a lost connection is made again, with a wake-up for what was missed.

    `heard` gets the words of every notification that arrives; those of a lost connection are lost.
    """
    wake = Wake()
    keeper = asyncio.create_task(_keep_listening(database_url, channel, wake, heard))
    try:
        yield wake
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _keep_listening(database_url: str, channel: str, wake: Wake, heard: Callable[[str], None]) -> None:
    while True:
        try:
            await _listen_once(database_url, channel, wake, heard)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(_RECONNECT_S)


async def _listen_once(database_url: str, channel: str, wake: Wake, heard: Callable[[str], None]) -> None:
    lost = asyncio.Event()
    connection = await asyncpg.connect(database_url)
    try:
        connection.add_termination_listener(lambda *_: lost.set())

        def woken(*told: Any) -> None:  # connection, process, channel, words
            heard(told[-1])
            wake.set()

        await connection.add_listener(channel, woken)
        wake.set()
        await lost.wait()
    finally:
        await connection.close(timeout=1)


async def notify(db: Database, channel: str) -> None:
    """Wake whoever listens on the channel."""
    async with db.transaction() as session:
        await session.exec(select(func.pg_notify(channel, "")))
