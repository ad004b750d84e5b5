"""A question that many ask and one carries: to a server that may say nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class OneQuestion:
    """One question to a server at a time: one that says nothing would take a thread for each who asks."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Ask, or wait for the answer to who asked before. Raises what the question raises."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(ask())
            self._task.add_done_callback(_heard)
        await asyncio.shield(self._task)


def _heard(task: asyncio.Task[None]) -> None:
    """Also where nobody waits for the answer any more."""
    if not task.cancelled():
        task.exception()
