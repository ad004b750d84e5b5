"""Keeps one part up: starts it, waits until it answers, starts it again when it dies, ends it."""

import asyncio
import os
import shutil
import subprocess
import time
from asyncio.subprocess import Process
from datetime import UTC, datetime
from pathlib import Path

from deployments.stack import leftovers
from deployments.stack.errors import PartFailed, StackError
from deployments.stack.parts import Part
from deployments.stack.process import child_environment, end, kill_group, spawn
from deployments.stack.terminal import Terminal
from states.text import Text

CHECK_EVERY_S = 10.0
SILENT_AFTER_S = 90.0  # long: two cores under ffmpeg answer late, and a restart makes that worse
FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_AFTER_S = 1.0, 30.0, 60.0
ALIVE_AFTER_S = 1.5  # a part without a question to ask counts as up when it has lived so long
LOG_MAX_BYTES = 20_000_000
# Of each part. A part that crashes all night must not fill the disk: then nobody could work at all.
LOGS_ASIDE_MAX_BYTES = 1_000_000_000


class Keeper:
    """One part and its process."""

    def __init__(self, part: Part, home: Path, terminal: Terminal) -> None:
        self.part = part
        self.log = home / "logs" / f"{part.name}.log"
        self.restarts = 0
        self._home = home
        self._terminal = terminal
        self._process: Process | None = None
        self._since = 0.0

    @property
    def pid(self) -> int | None:
        """The running process, if there is one."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and come back when it answers; PartFailed with the end of its log if not."""
        if self.part.before:
            await self.part.before()
        env = child_environment(self.part.env, self._home)
        part = self.part
        self._process = await spawn(part.command, env, self.log, part.user, part.stop_signal)
        leftovers.record(self._home, part.name, self._process.pid, part.stop_signal)
        await self._wait_until_ready(self._process)
        self._since = time.monotonic()

    async def keep(self) -> None:
        """Watch the part and start it again after every fall, until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            trouble = await self._trouble()
            if time.monotonic() - self._since >= HEALTHY_AFTER_S:
                pause = FIRST_PAUSE_S
            self._terminal.warn(_again(self.part, trouble, pause))
            await self.stop(5.0)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            await self._restart()

    async def stop(self, grace_s: float) -> None:
        """End the process: its stop signal, and SIGKILL to its group after `grace_s` seconds."""
        if self._process:
            await end(self._process, self.part.stop_signal, grace_s)
            self._process = None
            leftovers.forget(self._home, self.part.name)

    def kill(self) -> None:
        """SIGKILL at once; `stop` still has to follow."""
        if self._process and self._process.returncode is None:
            kill_group(self._process.pid)

    def rotate_log(self) -> None:
        """Put the log of the last run aside, where a retention rule finds it when its time is over."""
        if self.log.exists():
            self.log.replace(_aside(self.log))
            _drop_oldest(self.log)

    async def _restart(self) -> None:
        began = time.monotonic()
        self.restarts += 1
        self._since = began
        try:
            await self.start()
        except StackError as failure:
            self._terminal.warn(failure.text)  # `keep` finds it down and tries again
        except (OSError, subprocess.SubprocessError) as error:
            self._terminal.warn(_failed(self.part, Text(zh=str(error), en=str(error)), self.log))
        else:
            self._terminal.started(self.part, time.monotonic() - began)

    async def _trouble(self) -> Text:
        """Comes back, with what is wrong, when the process is dead or has been silent for too long."""
        if self._process is None:
            return Text(zh="没有运行", en="is not running")
        ended = asyncio.ensure_future(self._process.wait())
        silent_since: float | None = None
        try:
            while not (await asyncio.wait({ended}, timeout=CHECK_EVERY_S))[0]:
                self._cap_log()
                silent_since = None if await self._is_ready() else silent_since or time.monotonic()
                if silent_since and time.monotonic() - silent_since > SILENT_AFTER_S:
                    return Text(
                        zh=f"已 {SILENT_AFTER_S:.0f} 秒没有应答", en=f"silent for {SILENT_AFTER_S:.0f} s"
                    )
        finally:
            ended.cancel()
        return _how_it_ended(self._process.returncode)

    async def _wait_until_ready(self, process: Process) -> None:
        began = time.monotonic()
        pause = 0.05
        while process.returncode is None:
            lived = time.monotonic() - began
            if (self.part.ready or lived >= ALIVE_AFTER_S) and await self._is_ready():
                return
            if lived > self.part.start_timeout_s:
                raise PartFailed(_failed(self.part, _too_late(self.part), self.log))
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        raise PartFailed(_failed(self.part, _how_it_ended(process.returncode), self.log))

    async def _is_ready(self) -> bool:
        return self.part.ready is None or await self.part.ready()

    def _cap_log(self) -> None:
        """Copy a log that grew too long aside and empty it: its writer appends, so it goes on at 0."""
        if self.log.stat().st_size > LOG_MAX_BYTES:
            shutil.copyfile(self.log, _aside(self.log))
            os.truncate(self.log, 0)
            _drop_oldest(self.log)


def _aside(log: Path) -> Path:
    """The name of a log that is put aside: `api.log.20261122T063000.000000Z`, when it was last written to."""
    return log.with_name(f"{log.name}.{datetime.fromtimestamp(log.stat().st_mtime, UTC):%Y%m%dT%H%M%S.%fZ}")


def _drop_oldest(log: Path) -> None:
    """The oldest logs put aside go while all of them together are over the limit."""
    aside = sorted(log.parent.glob(f"{log.name}.*"))
    sizes = {path: path.stat().st_size for path in aside}
    for path in aside:
        if sum(sizes.values()) <= LOGS_ASIDE_MAX_BYTES:
            return
        path.unlink()
        del sizes[path]


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, or an empty text."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _how_it_ended(status: int | None) -> Text:
    if status is not None and status < 0:
        return Text(zh=f"被信号 {-status} 结束", en=f"ended by signal {-status}")
    return Text(zh=f"已退出（状态 {status}）", en=f"exited with status {status}")


def _too_late(part: Part) -> Text:
    limit = f"{part.start_timeout_s:.0f}"
    return Text(zh=f"{limit} 秒内没有应答", en=f"did not answer within {limit} s")


def _again(part: Part, trouble: Text, pause_s: float) -> Text:
    return Text(
        zh=f"{part.label.zh}{trouble.zh}，{pause_s:.0f} 秒后重新启动。",
        en=f"{part.label.en}: {trouble.en}; starting it again in {pause_s:.0f} s.",
    )


def _failed(part: Part, why: Text, log: Path) -> Text:
    end_of_log = tail(log)
    return Text(
        zh=f"{part.label.zh}未能启动：{why.zh}。日志 {log} 的最后几行：\n{end_of_log}",
        en=f"{part.label.en} did not start: {why.en}. The last lines of {log}:\n{end_of_log}",
    )
