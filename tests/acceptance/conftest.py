"""The whole of the product, started as a person starts it, and a browser to look at what it published."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from deployments.client import Client
from deployments.demo import PEOPLE, VERTICAL, WEBHOOK, demo_notes
from deployments.stack.background import RunningStack, background_stack

# For a headless run on a closed network: nothing of its own is looked up (otherwise it waits for Google's hosts).
_CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
]


_LONGEST_CALL_S = 180  # a script may wait for an upload of ours; none takes so long


@pytest.fixture(scope="session")
def demo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """`make run` on a fresh home: everything is up and the demo story is with its readers."""
    with background_stack(tmp_path_factory.mktemp("home"), demo=True) as stack:
        yield stack


@dataclass(frozen=True)
class Newsroom:
    """A running stack with a client for each person of the demo."""

    stack: RunningStack
    clients: dict[str, Client]
    story_id: str

    @property
    def base(self) -> str:
        return self.stack.settings.reader_url

    async def fetch(self, path: str, **more: Any) -> httpx.Response:
        """A page as a reader gets it, without signing in."""
        async with httpx.AsyncClient(base_url=self.base, trust_env=False) as reader:
            return await reader.get(path, **more)

    def webhook_deliveries(self) -> list[dict[str, Any]]:
        lines = (self.stack.home / "demo-received.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@asynccontextmanager
async def newsroom_of(stack: RunningStack) -> AsyncIterator[Newsroom]:
    """Everybody signed in at a stack whose demo is through."""
    notes = demo_notes(stack.home)
    base = stack.settings.reader_url
    clients = {name: await Client.sign_in(base, name, notes["password"]) for name in PEOPLE}
    try:
        yield Newsroom(stack, clients, notes["story"])
    finally:
        for client in clients.values():
            await client.close()


@pytest.fixture
async def newsroom(demo_stack: RunningStack) -> AsyncIterator[Newsroom]:
    async with newsroom_of(demo_stack) as newsroom:
        yield newsroom


@pytest.fixture(scope="session")
def open_newsroom() -> Any:
    """For stacks that a test starts itself."""
    return newsroom_of


async def _assert_story_is_out(newsroom: Newsroom) -> None:
    """One story, three reviewers, three destinations, each once."""
    story_id, chief = newsroom.story_id, newsroom.clients["zongbian"]
    item = await chief.get(f"/submissions/{story_id}")
    assert item["state"] == "published"
    history = (await chief.get(f"/submissions/{story_id}/history"))["events"]
    approvals = [event for event in history if event["event"] == "approve"]
    assert len({event["actor"]["id"] for event in approvals}) == 3
    assert [event["item_seq"] for event in history] == list(range(1, len(history) + 1))
    deliveries = (await chief.get(f"/submissions/{story_id}/deliveries"))["deliveries"]
    assert {each["destination"]: each["state"] for each in deliveries} == {
        "app": "confirmed",
        WEBHOOK: "confirmed",
        VERTICAL: "confirmed",
    }
    assert len([event for event in history if event["event"] == "delivery_confirmed"]) == 3


@pytest.fixture(scope="session")
def assert_story_is_out() -> Any:
    """The one check of the whole route, wherever its servers stand."""
    return _assert_story_is_out


class Page:
    """One tab of a headless Chromium, driven over its DevTools protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command; its result."""
        self._number += 1
        await self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        async with asyncio.timeout(_LONGEST_CALL_S):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("id") == self._number:
                    return dict(answer["result"])

    async def look(self, script: str) -> Any:
        """The value of an expression in the page, promises awaited."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        result = await self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of Debian's Chromium; skipped where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install Debian's package `chromium` to see the page play")
    profile = tmp_path / "profile"
    with subprocess.Popen(
        [chromium, *_CHROMIUM_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as browser:
        try:
            address = await _tab_address(profile / "DevToolsActivePort")
            async with websockets.connect(address, max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            browser.kill()


async def _tab_address(file: Path) -> str:
    async with asyncio.timeout(30):
        while not (file.exists() and file.read_text().count("\n") >= 1):
            await asyncio.sleep(0.1)
    port = file.read_text().splitlines()[0]
    async with httpx.AsyncClient(trust_env=False) as client:
        tabs = (await client.get(f"http://127.0.0.1:{port}/json/list")).json()
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
