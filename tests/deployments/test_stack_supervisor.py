"""The supervisor, with small processes in place of servers."""

import asyncio
import functools
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from deployments.stack import keeper as keeper_module
from deployments.stack.home import open_home
from deployments.stack.parts import Item, Part, Step
from deployments.stack.supervisor import Supervisor
from deployments.stack.terminal import Terminal, reader_language
from states.text import Text

pytestmark = pytest.mark.slow

SLEEP = "import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "ALIVE_AFTER_S", 0.1)
    monkeypatch.setattr(keeper_module, "FIRST_PAUSE_S", 0.02)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return open_home(tmp_path / "home")


class Screen:
    """A supervisor's terminal whose lines can be read."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.terminal = Terminal(Console(file=self.file, width=200), "en")

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def screen() -> Screen:
    return Screen()


def part(name: str, code: str = SLEEP, **more: object) -> Part:
    return Part(name, Text(zh=name, en=name), (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def step(name: str, run: Callable[[], Awaitable[None]], after: tuple[str, ...] = ()) -> Step:
    return Step(name, Text(zh=name, en=name), run, after)


def supervise(home: Path, screen: Screen, *items: Item) -> Supervisor:
    return Supervisor(home, items, screen.terminal)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def test_run_starts_in_order_of_need_and_stops_everything(home: Path, screen: Screen) -> None:
    seen: list[str] = []

    async def note() -> None:
        seen.append("step")

    supervisor = supervise(
        home,
        screen,
        part("second", after=("step",)),
        step("step", note, ("first",)),
        part("first", url="http://x"),
    )

    async def on_ready() -> None:
        pids = [keeper.pid for keeper in supervisor.keepers.values()]
        seen.extend(f"alive {pid is not None and psutil.pid_exists(pid)}" for pid in pids)

    assert await supervisor.run(on_ready, exit_after=True) == 0
    assert seen == ["step", "alive True", "alive True"]
    order = [screen.text.index(f"✓ {name}") for name in ("first", "step", "second")]
    assert order == sorted(order)
    assert "http://x" in screen.text
    assert not list((home / "run").glob("*.pid"))


async def test_run_with_a_part_that_fails_shows_its_log_and_stops_the_rest(
    home: Path, screen: Screen
) -> None:
    async def never() -> bool:  # or a Python that starts slowly would count as up before it ends
        return False

    broken = part("broken", "print('no such disk'); raise SystemExit(3)", after=("first",), ready=never)
    assert await supervise(home, screen, part("first"), broken, part("never", after=("broken",))).run() == 1
    assert "broken did not start: exited with status 3" in screen.text
    assert "no such disk" in screen.text
    assert "✓ never" not in screen.text


async def test_run_with_a_part_that_never_answers_gives_up(home: Path, screen: Screen) -> None:
    async def never() -> bool:
        return False

    silent = part("silent", ready=never, start_timeout_s=0.3)
    assert await supervise(home, screen, silent).run() == 1
    assert "silent did not start: did not answer within" in screen.text


async def test_run_with_a_step_that_fails_says_so(home: Path, screen: Screen) -> None:
    async def fail() -> None:
        raise OSError("disk full")

    assert await supervise(home, screen, part("first"), step("schema", fail, ("first",))).run() == 1
    assert "schema failed: OSError: disk full" in screen.text


async def test_part_that_dies_is_started_again_and_said_so(home: Path, screen: Screen) -> None:
    supervisor = supervise(home, screen, part("api"))

    def shown_more_than(count: int) -> bool:
        return screen.text.count("✓ api") > count

    async def kill_twice() -> None:
        for count in (1, 2):
            pid = supervisor.keepers["api"].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await until(functools.partial(shown_more_than, count))

    assert await supervisor.run(kill_twice, exit_after=True) == 0
    assert screen.text.count("api: ended by signal 9; starting it again") == 2


async def test_part_that_cannot_be_started_again_is_tried_with_growing_pauses(
    home: Path, screen: Screen
) -> None:
    flag = home / "up"
    flag.touch()
    code = f"import os, time; os.path.exists({str(flag)!r}) or exit(4); time.sleep(60)"
    supervisor = supervise(home, screen, part("api", code))

    async def break_and_mend() -> None:
        flag.unlink()
        pid = supervisor.keepers["api"].pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.keepers["api"].restarts >= 3)
        flag.touch()
        await until(lambda: screen.text.count("✓ api") >= 2)

    assert await supervisor.run(break_and_mend, exit_after=True) == 0
    assert "api did not start: exited with status 4" in screen.text


async def test_stop_while_starting_ends_what_has_started(home: Path, screen: Screen) -> None:
    supervisor = supervise(home, screen, part("first"), step("long", lambda: asyncio.sleep(60), ("first",)))
    running = asyncio.create_task(supervisor.run())
    await until(lambda: "✓ first" in screen.text)
    supervisor.stop()
    assert await asyncio.wait_for(running, 5) == 0


async def test_stop_of_a_part_that_does_not_listen_kills_its_group(
    home: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.stack.supervisor.STOP_WITHIN_S", 0.3)
    child = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); "
    child += f"open({str(home / 'child')!r}, 'w').write(str(p.pid)); {STUBBORN}"
    supervisor = supervise(home, screen, part("stubborn", child))

    async def until_child() -> None:
        await until(lambda: (home / "child").exists() and (home / "child").read_text() != "")

    began = time.monotonic()
    assert await supervisor.run(until_child, exit_after=True) == 0
    assert time.monotonic() - began < 5
    assert not _is_running(int((home / "child").read_text()))


@pytest.mark.parametrize(("exit_after", "status"), [(True, 1), (False, 0)])
async def test_on_ready_that_fails_is_shown_and_the_parts_stay_up(
    home: Path, screen: Screen, exit_after: bool, status: int
) -> None:
    supervisor = supervise(home, screen, part("api"))

    async def fail() -> None:
        asyncio.get_running_loop().call_later(0.2, supervisor.stop)
        raise ValueError("the demo broke")

    assert await supervisor.run(fail, exit_after=exit_after) == status
    assert "the demo broke" in screen.text


@pytest.mark.parametrize("after", [("nobody",), ("b",)])
def test_items_that_wait_for_nothing_or_each_other_are_a_mistake(
    home: Path, screen: Screen, after: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="wait for"):
        supervise(home, screen, part("a", after=after), part("b", after=("a",)))


async def test_log_of_the_last_run_is_put_aside(home: Path, screen: Screen) -> None:
    (home / "logs" / "api.log").write_text("yesterday")
    await supervise(home, screen, part("api")).run(lambda: asyncio.sleep(0), exit_after=True)
    (aside,) = (home / "logs").glob("api.log.*Z")
    assert aside.read_text() == "yesterday"
    assert (home / "logs" / "api.log").read_text() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_supervisor_killed_takes_its_parts_down(home: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
from deployments.stack.parts import Part
from deployments.stack.supervisor import Supervisor
from deployments.stack.terminal import Terminal
from states.text import Text
part = Part("p", Text("p", "p"), (sys.executable, "-c", {SLEEP!r}))
supervisor = Supervisor(Path({str(home)!r}), [part], Terminal())
async def ready(): print("pid", supervisor.keepers["p"].pid, flush=True)
asyncio.run(supervisor.run(ready))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid = next(int(line.split()[1]) for line in process.stdout if line.startswith("pid"))
        process.kill()
    deadline = time.monotonic() + 5
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(pid)


@pytest.mark.parametrize(
    ("lc_all", "lang", "expected"),
    [(None, "zh_CN.UTF-8", "zh"), (None, "en_US.UTF-8", "en"), ("zh_TW", "en_US", "zh"), (None, None, "en")],
)
def test_reader_language_follows_the_environment(
    lc_all: str | None, lang: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LC_ALL", lc_all), ("LANG", lang)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert reader_language() == expected


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_oldest_logs_go_before_they_fill_the_disk(
    home: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "LOGS_ASIDE_MAX_BYTES", 25)
    logs = home / "logs"
    for day in (19, 20, 21):
        (logs / f"api.log.202001{day}T000000.000000Z").write_text("ten bytes.")
    (logs / "db.log.20200101T000000.000000Z").write_text("of another part, and long enough")
    (logs / "api.log").write_text("newest ten")
    await supervise(home, screen, part("api")).run(lambda: asyncio.sleep(0), exit_after=True)
    left = [path.read_text() for path in sorted(logs.glob("api.log.*"))]
    assert left == ["ten bytes.", "newest ten"]
    assert not (logs / "api.log.20200120T000000.000000Z").exists()
    assert len(list(logs.glob("db.log.*"))) == 1
