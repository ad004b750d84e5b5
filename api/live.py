"""What happens, passed on to those who watch: one listening connection a process, one short queue a watcher.

Moves are read from the event table when something wakes us, and every few seconds in any case; what is in no table
(progress) comes by notification and is lost with it.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from states.item import State
from storage.database import Database, is_unavailable
from storage.listening import Wake, listening
from storage.live import LIVE_CHANNEL, Moved, announce, moves_after, newest_event_id, standing_of

_LOG = logging.getLogger("sanshen.api")
_POLL_S = 2.0
_AT_ONCE = 500
_REMEMBERED = 2000
_WAITING = (
    1000  # notifications that were not looked at; more are dropped: each is soon followed by a newer one
)
_QUEUE = 256
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Told:
    """Something of an item that is in no table: its kind, its words, and who may hear them by state and author."""

    kind: str
    state: State
    author_id: str
    facts: dict[str, Any]


Happening = Moved | Told


class Watcher:
    """One stream's queue. Who does not keep up is cut off, and may come again with the last id it saw."""

    def __init__(self, size: int = _QUEUE) -> None:
        self._size = size
        self._queue: deque[Happening] = deque()
        self._woken = asyncio.Event()
        self.is_cut_off = False

    def put(self, happening: Happening) -> None:
        """Queue it, or cut the watcher off."""
        if len(self._queue) >= self._size:
            self.cut_off()
        else:
            self._queue.append(happening)
            self._woken.set()

    def cut_off(self) -> None:
        """Nothing more for this watcher; it is told at once."""
        self.is_cut_off = True
        self._queue.clear()
        self._woken.set()

    async def next(self, timeout_s: float) -> Happening | None:
        """The next happening; None when there was none in that time, or when it is cut off."""
        if not self._queue and not self.is_cut_off:
            self._woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), timeout_s)
        return self._queue.popleft() if self._queue else None


@dataclass(slots=True)
class Live:
    """The feed of one process. It begins with the first watcher and ends with the process."""

    _is_closing: bool = False
    _watchers: set[Watcher] = field(default_factory=set)
    _heard: list[str] = field(default_factory=list)
    _seen: dict[int, None] = field(default_factory=dict)  # ids of moves, oldest first
    _last_id: int = 0
    _following: asyncio.Task[None] | None = None
    _has_moved: asyncio.Event = field(default_factory=asyncio.Event)
    _announcing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, db: Database) -> AsyncIterator[Watcher]:
        """A queue that gets everything from now on, and maybe some of the last seconds."""
        if self._following is None:
            async with db.transaction() as session:
                last_id = await newest_event_id(session)
            if self._following is None:  # another watcher may have come meanwhile
                self._last_id = last_id
                self._following = asyncio.create_task(self._follow(db))
        watcher = Watcher()
        if self._is_closing:
            watcher.cut_off()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def moved(self, db: Database) -> None:
        """Somebody of this process moved something: other processes are told, ten times a second at the most."""
        self._has_moved.set()
        if self._announcing is None or self._announcing.done():
            self._announcing = asyncio.create_task(self._announce(db))

    def end_streams(self) -> None:
        """End every stream, those to come too: a server that stops waits for its open answers."""
        self._is_closing = True
        for watcher in self._watchers:
            watcher.cut_off()

    async def close(self) -> None:
        """End every stream and let go of the connection."""
        self.end_streams()
        tasks = [task for task in (self._following, self._announcing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _announce(self, db: Database) -> None:
        while self._has_moved.is_set():
            self._has_moved.clear()
            try:
                await announce(db)
            except Exception as error:
                if not is_unavailable(error):
                    raise
            await asyncio.sleep(_PAUSE_S)

    async def _follow(self, db: Database) -> None:
        async with listening(db.url, LIVE_CHANNEL, self._hear) as wake:
            while True:
                await self._look(db, wake)

    async def _look(self, db: Database, wake: Wake) -> None:
        await wake.wait(_POLL_S)
        if not self._watchers:
            self._heard.clear()
        try:
            await self._pass_on(db)
        except Exception as error:
            if not is_unavailable(error):
                _LOG.exception("the event stream stumbled")
            await asyncio.sleep(_POLL_S)

    def _hear(self, words: str) -> None:
        if words and len(self._heard) < _WAITING:
            self._heard.append(words)

    async def _pass_on(self, db: Database) -> None:
        heard, self._heard = self._heard, []
        async with db.transaction() as session:
            moves = await moves_after(session, self._last_id, _AT_ONCE)
            told = [found for words in heard if (found := await _read(session, words)) is not None]
        for move in moves:
            self._last_id = max(self._last_id, move.id)
            if move.id not in self._seen:
                self._seen[move.id] = None
                self._give(move)
        for each in told:
            self._give(each)
        for old in list(self._seen)[:-_REMEMBERED]:
            del self._seen[old]

    def _give(self, happening: Happening) -> None:
        for watcher in self._watchers:
            watcher.put(happening)


async def _read(session: Any, words: str) -> Told | None:
    facts = json.loads(words)
    standing = await standing_of(session, UUID(facts["submission_id"]))
    return None if standing is None else Told(facts.pop("kind"), *standing, facts)
