"""How far a render is, for those who watch: the API's event stream, and a progress artifact in Prefect.

Told at most once a second and only when the whole percent changed. Whoever listens never holds up the work.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from flows.artifacts import ProgressBar
from flows.context import Work
from storage.live import tell

_EVERY_S = 1.0
_LOG = logging.getLogger("sanshen.flows")

Note = Callable[[float], None]
Send = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def reporting(
    work: Work, submission_id: UUID, source_sha256: str, profiles: Sequence[str]
) -> AsyncIterator[Note]:
    """Gives what takes a share from 0.0 to 1.0, as often as one likes; the last one is told before it ends."""
    bar = ProgressBar(f"render-{submission_id}-{source_sha256[:8]}", "、".join(profiles))
    facts = {"source_sha256": source_sha256, "profiles": list(profiles)}

    async def send(percent: int) -> None:
        async with work.db.transaction() as session:
            await tell(session, "progress", submission_id, facts | {"percent": percent})
        await bar.show(percent)

    teller = Teller(send)
    telling = asyncio.create_task(teller.run())
    try:
        yield teller.note
        await teller.finish()
    finally:
        telling.cancel()
        await asyncio.wait([telling])


class Teller:
    """Passes on the newest percent, with pauses; what cannot be told is dropped."""

    def __init__(self, send: Send, every_s: float = _EVERY_S) -> None:
        self._send = send
        self._every_s = every_s
        self._percent = 0
        self._sent = -1
        self._changed = asyncio.Event()
        self._is_idle = asyncio.Lock()

    def note(self, share: float) -> None:
        """How far it is now, from 0.0 to 1.0. It never goes back: a second try begins unseen."""
        percent = int(100 * min(1.0, max(0.0, share)))
        if percent > self._percent or self._sent < 0:
            self._percent = max(percent, self._percent)
            self._changed.set()

    async def run(self) -> None:
        """Tell changes until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._tell()
            await asyncio.sleep(self._every_s)

    async def finish(self) -> None:
        """Tell the newest, if that was not done."""
        await self._tell()

    async def _tell(self) -> None:
        async with self._is_idle:
            if self._percent == self._sent:
                return
            self._sent = self._percent
            try:
                await self._send(self._percent)
            except Exception as error:  # nobody's work fails because it could not be watched
                _LOG.debug("progress not told: %s", error)
