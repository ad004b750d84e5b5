"""Brings parts up in the order they need each other, keeps them up, and takes them down in reverse."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from deployments.stack import leftovers
from deployments.stack.errors import PartFailed, StackError
from deployments.stack.keeper import Keeper
from deployments.stack.parts import Item, Part, Step
from deployments.stack.terminal import Terminal
from states.text import Text

STOP_WITHIN_S = 14.0

OnReady = Callable[[], Awaitable[None]]


class Supervisor:
    """All parts of one home. `run` is its whole life; the caller holds the home meanwhile."""

    def __init__(self, home: Path, items: Sequence[Item], terminal: Terminal) -> None:
        self._home = home
        self._items = {item.name: item for item in items}
        self._terminal = terminal
        self.keepers = {item.name: Keeper(item, home, terminal) for item in items if isinstance(item, Part)}
        self._stop = asyncio.Event()
        _check_order(self._items)

    async def run(self, on_ready: OnReady | None = None, *, exit_after: bool = False) -> int:
        """Start everything, call `on_ready`, keep everything up until SIGINT, SIGTERM or `stop`.

        Gives the exit status: 1 when a part did not come up, or, with `exit_after` (stop as soon as
        `on_ready` is done), when that failed; else 0. A second signal kills at once.
        """
        self._catch_signals()
        watchers: list[asyncio.Task[None]] = []
        try:
            if not await self._unless_stopped(self._start_all()):
                return 0
            watchers = [asyncio.create_task(keeper.keep()) for keeper in self.keepers.values()]
            return await self._while_running(on_ready, exit_after=exit_after)
        except StackError as error:
            self._terminal.fail(error.text)
            return 1
        finally:
            await _cancel(watchers)
            await self._stop_all()
            self._release_signals()

    def stop(self) -> None:
        """End `run`; the second call cuts the patience with the parts."""
        if self._stop.is_set():
            for keeper in self.keepers.values():
                keeper.kill()
        self._stop.set()

    async def _while_running(self, on_ready: OnReady | None, *, exit_after: bool) -> int:
        succeeded = True
        if on_ready:
            succeeded = await self._unless_stopped(self._call(on_ready)) or self._stop.is_set()
        if not exit_after:
            await self._stop.wait()
            return 0
        return 0 if succeeded else 1

    async def _call(self, on_ready: OnReady) -> bool:
        try:
            await on_ready()
        except Exception as error:  # whatever it is, the parts stay up and the person is told
            self._terminal.fail(_not_done(error))
            return False
        return True

    async def _unless_stopped(self, work: Awaitable[bool]) -> bool:
        """The result of `work`; False, with `work` cancelled, when `stop` comes first."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else False
        finally:
            await _cancel([task, stopped])

    async def _start_all(self) -> bool:
        tasks: dict[str, asyncio.Task[None]] = {}
        for keeper in self.keepers.values():
            keeper.rotate_log()
        for item in self._items.values():
            tasks[item.name] = asyncio.create_task(self._start(item, tasks))
        try:
            await asyncio.gather(*tasks.values())
        finally:
            await _cancel(tasks.values())
            self._terminal.rest()
        return True

    async def _start(self, item: Item, tasks: dict[str, asyncio.Task[None]]) -> None:
        await asyncio.sleep(0)  # until `tasks` is complete
        for name in item.after:
            await asyncio.shield(tasks[name])
        self._terminal.starting(item)
        began = time.monotonic()
        if isinstance(item, Step):
            await _take(item)
        else:
            await self.keepers[item.name].start()
        self._terminal.started(item, time.monotonic() - began)

    async def _stop_all(self) -> None:
        """Those that need others first; each level gets its share of what is left of the time."""
        deadline = time.monotonic() + STOP_WITHIN_S
        levels = [level for level in _levels_to_stop(self._items) if any(self.keepers[n].pid for n in level)]
        if levels:
            self._terminal.say(Text(zh="正在停止…", en="Stopping…"))
        for done, level in enumerate(levels):
            grace_s = (deadline - time.monotonic()) / (len(levels) - done)
            await asyncio.gather(*(self.keepers[name].stop(grace_s) for name in level))
        for keeper in self.keepers.values():
            await keeper.stop(0)
        await asyncio.to_thread(leftovers.kill_strays, self._home)
        if levels:
            self._terminal.say(Text(zh="已全部停止。", en="Everything has stopped."))

    def _catch_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    def _release_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)


async def _take(step: Step) -> None:
    try:
        await step.run()
    except StackError:
        raise
    except Exception as error:
        raise PartFailed(_step_failed(step, error)) from error


async def _cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel what is not done, and wait until it is."""
    futures = list(tasks)
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


def _check_order(items: dict[str, Item]) -> None:
    """ValueError for a name that does not exist or parts that wait for each other."""
    _levels(items)


def _levels(items: dict[str, Item]) -> list[list[str]]:
    """Names in the order of starting, those that need nothing of each other together."""
    levels: list[list[str]] = []
    placed: set[str] = set()
    while len(placed) < len(items):
        level = [name for name, item in items.items() if name not in placed and placed.issuperset(item.after)]
        if not level:
            raise ValueError(f"these wait for each other or for nothing: {sorted(set(items) - placed)}")
        placed.update(level)
        levels.append(level)
    return levels


def _levels_to_stop(items: dict[str, Item]) -> list[list[str]]:
    parts = [[name for name in level if isinstance(items[name], Part)] for level in _levels(items)]
    return [level for level in reversed(parts) if level]


def _step_failed(step: Step, error: Exception) -> Text:
    return Text(
        zh=f"“{step.label.zh}”失败：{type(error).__name__}: {error}",
        en=f"{step.label.en} failed: {type(error).__name__}: {error}",
    )


def _not_done(error: Exception) -> Text:
    reason = f"{type(error).__name__}: {error}"
    return Text(zh=f"启动后的步骤失败：{reason}", en=f"What follows the start failed: {reason}")
