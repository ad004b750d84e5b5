"""Many at once on one piece, over real HTTP: one winner, everybody else is told so, and no text is lost."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from states.events import Event
from states.item import State
from states.roles import Role
from storage.people import add_person, open_sign_in
from storage.settings import Settings
from storage.tables import Person

pytestmark = pytest.mark.slow

EDITORS, ROUNDS = 32, 200
REFUSED = {409, 412}


@pytest.fixture(scope="module")
async def server(
    newsroom: Any, module_database: str, gateway: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The application behind uvicorn in a process of its own; its address."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    home = tmp_path_factory.mktemp("race")
    secret = gateway.s3_secret_key
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SANSHEN_", "PG"))},
        "SANSHEN_HOME": str(home),
        "SANSHEN_DATABASE_URL": module_database,
        "SANSHEN_S3_ENDPOINT": gateway.s3_endpoint or "",
        "SANSHEN_S3_ACCESS_KEY": gateway.s3_access_key or "",
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value() if secret else "",
    }
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--fd", str(listening.fileno())]
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--log-level", "warning", "--no-access-log", "--timeout-keep-alive", "120"],
            env=env,
            cwd=Path(__file__).resolve().parents[2],
            pass_fds=[listening.fileno()],
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            await _until_it_answers(address)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            listening.close()
    assert (home / "log").read_text(encoding="utf-8") == ""  # nothing failed unseen


async def _until_it_answers(address: str) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient(base_url=address, trust_env=False) as client:
        while (await client.get("/healthz", timeout=30)).status_code != 200:
            await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any


class Window:
    """One editor's browser: a sign-in, and connections of its own that stay open.

    Plain HTTP/1.1 written out: with httpx the 32 clients would take more of the machine than the server.
    """

    def __init__(self, address: str, token: str) -> None:
        self._host, self._token = address.removeprefix("http://"), token
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def event(self, item: Any, event: str, version: int | None = None, **given: Any) -> Answer:
        return await self._ask("POST", f"{item}/events", {"event": event, **given}, version)

    async def write(self, item: Any, body: str, version: int) -> Answer:
        return await self._ask("PATCH", str(item), {"body": body}, version)

    async def get(self, path: str) -> Any:
        answer = await self._ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    async def close(self) -> None:
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            await writer.wait_closed()

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, version: int | None = None
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /api/v1/submissions/{path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"Authorization: Bearer {self._token}", f"Content-Length: {len(content)}"]
        lines += ["Content-Type: application/json"] if content else []
        lines += [] if version is None else [f'If-Match: "{version}"']
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        answer = Answer(int(head.split(" ", 2)[1]), json.loads(await reader.readexactly(length)))
        self._idle.append((reader, writer))
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._host.split(":")
        return await asyncio.open_connection(host, int(port), limit=2**20)


@pytest.fixture(scope="module")
async def editors(newsroom: Any, server: str) -> AsyncIterator[list[Window]]:
    """32 people who may all do the same."""
    windows = []
    async with newsroom.db.transaction() as session:
        for number in range(EDITORS):
            name = f"editor_{number:02}"
            person = Person(
                username=name, display_name=name, password_hash="-", roles=[Role.DUTY_EDITOR, Role.DESK_HEAD]
            )
            await add_person(session, person)
            token, _ = await open_sign_in(session, person, 1)
            windows.append(Window(server, token))
    yield windows
    for window in windows:
        await window.close()


async def one_winner(answers: list[Awaitable[Answer]], told: Counter[int]) -> dict[str, Any]:
    """All at once: the one that was done, after every other was refused as it should be."""
    done = await asyncio.gather(*answers)
    told.update(answer.status for answer in done)
    won = [answer for answer in done if answer.status == 200]
    assert len(won) == 1, Counter(answer.status for answer in done)
    assert {answer.status for answer in done} - {200} <= REFUSED
    return dict(won[0].body)


async def test_claim_and_edit_by_32_at_once_200_times_have_one_winner_each_and_lose_no_text(
    newsroom: Any, editors: list[Window]
) -> None:
    """Every other round all 32 want the piece; in the next, its holder's 32 windows all save, each another text."""
    item = await newsroom.in_state(State.PUBLISHED)
    corrected = await newsroom.send(item, Event.CORRECT, "duty", "更正")
    version = (await newsroom.send(item, Event.RELEASE, "duty")).version
    told: Counter[int] = Counter()
    accepted: list[str] = []
    for number in range(0, ROUNDS, 2):
        # Half of them say what they saw, half do not: either way only one has it.
        claims = [
            editor.event(item, "claim", version if place % 2 else None)
            for place, editor in enumerate(editors)
        ]
        won = await one_winner(claims, told)
        version = won["version"]
        holder = await _holder(editors, item)
        texts = [f"第 {number} 轮，窗口 {window}。" for window in range(EDITORS)]
        saved = await one_winner([holder.write(item, text, version) for text in texts], told)
        version = saved["version"]
        accepted.append((await holder.get(str(item)))["content"]["body"])
        assert accepted[-1] in texts
        version = (await holder.event(item, "release", version)).body["version"]
    assert told[200] == ROUNDS
    assert sum(told.values()) == EDITORS * ROUNDS
    await _assert_nothing_is_lost(editors[0], item, corrected.revision_number, accepted, version)


async def _holder(editors: list[Window], item: UUID) -> Window:
    """Who has it, as the piece itself says."""
    names = (await editors[0].get(str(item)))["claimed_by"]["display_name"]
    return editors[int(names.removeprefix("editor_"))]


async def _assert_nothing_is_lost(
    window: Window, item: UUID, first: int, accepted: list[str], version: int
) -> None:
    """Each accepted text is a revision, in order; the last one stands; and there is one event for each winner."""
    listed = (await window.get(f"{item}/revisions"))["revisions"]
    numbers = [each["number"] for each in listed]
    assert sorted(numbers) == list(range(1, first + len(accepted) + 1))
    stored = [
        (await window.get(f"{item}/revisions/{first + place}"))["content"]["body"]
        for place in range(1, len(accepted) + 1)
    ]
    assert stored == accepted
    shown = await window.get(str(item))
    assert (shown["content"]["body"], shown["version"]) == (accepted[-1], version)
    history = (await window.get(f"{item}/history"))["events"]
    assert [each["item_seq"] for each in history] == list(range(1, version + 1))
    told = Counter(each["event"] for each in history)
    assert (told["claim"] - 3, told["edit"]) == (ROUNDS // 2, ROUNDS // 2)  # three claims were the reviewers'


@pytest.mark.parametrize("is_seen", [True, False], ids=["with If-Match", "without"])
@pytest.mark.parametrize("is_same", [True, False], ids=["one person twice", "two people"])
async def test_approve_by_two_at_once_is_one_approval_one_refusal_and_one_event(
    newsroom: Any, server: str, editors: list[Window], is_same: bool, is_seen: bool
) -> None:
    """Who comes second with a role that the next stage does not take is told that (403); else 409 or 412."""
    first = editors[0]
    second = first if is_same else Window(server, newsroom.tokens["duty"])
    for _ in range(10):
        item = await newsroom.received()
        moved = await newsroom.send(item, Event.CLAIM, "all_reviews")
        version = (await newsroom.send(item, Event.RELEASE, "all_reviews")).version
        answers = await asyncio.gather(
            *(
                window.event(
                    item, "approve", version if is_seen else None, revision_sha256=moved.revision_sha256
                )
                for window in (first, second)
            )
        )
        statuses = sorted(answer.status for answer in answers)
        assert statuses[0] == 200
        assert statuses[1] in (REFUSED if is_seen or is_same else REFUSED | {403}), answers
        history = (await first.get(f"{item}/history"))["events"]
        approvals = [each for each in history if each["event"] == "approve"]
        assert len(approvals) == 1
        assert (await first.get(str(item)))["state"] == "second_review"
    await second.close()
