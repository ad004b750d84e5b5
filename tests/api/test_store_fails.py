"""The API while its store is full, dead or silent: what needs the store is refused in words, all else goes on."""

import asyncio
import base64
import hashlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from states.events import Event
from states.item import State
from storage import store_calls
from storage.settings import Settings

pytestmark = pytest.mark.slow

MIB = 2**20
PART = 8 * MIB
PASSWORD = "correct horse battery"
# The gateway looks at its disk once a minute; where it saw it full, it takes as long to see that it no longer is.
_RECOVERY_S = 90
# What stands in for the minute that the door waits for a store that says nothing.
SILENCE_S = 3.0


@pytest.fixture(scope="module")
def gateway(small_store: Any) -> Settings:
    """The store behind this module's API."""
    settings: Settings = small_store.settings
    return settings


@pytest.fixture(scope="module", autouse=True)
def _short_silence() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_calls, "LONGEST_SILENCE_S", SILENCE_S)
        yield


class Sent:
    """A file on its way through the first door; `kept` counts the parts that the store took."""

    def __init__(self, api: Any, parts: int) -> None:
        self.api, self.data, self.kept = api, os.urandom(parts * PART), 0
        self.upload: dict[str, Any] = {}

    @property
    def path(self) -> str:
        return f"/v1/submissions/{self.upload['submission_id']}/uploads/{self.upload['id']}"

    async def begin(self) -> httpx.Response:
        item = (await self.api.draft())["id"]
        sha256 = hashlib.sha256(self.data).hexdigest()
        body = {"filename": "汛情.mp4", "size_bytes": len(self.data), "sha256": sha256}
        answer: httpx.Response = await self.api(
            "POST", f"/v1/submissions/{item}/uploads", "writer", json=body
        )
        self.upload = answer.json()
        return answer

    async def send(self, number: int) -> int:
        """The store's own answer."""
        part = self.upload["parts"][number - 1]
        piece = self.data[part["offset_bytes"] :][: part["size_bytes"]]
        async with httpx.AsyncClient(timeout=60) as client:
            status = (await client.put(part["url"], content=piece)).status_code
        self.kept += status == 200
        return status

    async def complete(self) -> httpx.Response:
        answer: httpx.Response = await self.api("POST", f"{self.path}/complete", "writer")
        return answer

    async def is_whole(self) -> None:
        done = await _until(self.complete)
        assert done.json()["asset_sha256"] == hashlib.sha256(self.data).hexdigest()


class Tus:
    """A file on its way through the second door."""

    def __init__(self, api: Any) -> None:
        self.api, self.data, self.path, self.item = api, os.urandom(6 * MIB), "", ""

    async def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {"Tus-Resumable": "1.0.0", **given.pop("headers", {})}
        answer: httpx.Response = await self.api(method, path, "writer", headers=headers, **given)
        return answer

    async def begin(self) -> None:
        self.item = (await self.api.draft())["id"]
        name = base64.b64encode("路.mp4".encode()).decode()
        headers = {"Upload-Length": str(len(self.data)), "Upload-Metadata": f"filename {name}"}
        made = await self.ask("POST", f"/v1/submissions/{self.item}/tus", headers=headers)
        assert made.status_code == 201, made.text
        self.path = made.headers["location"]

    async def send(self) -> httpx.Response:
        """All that is missing, from the offset that the server names."""
        offset = int((await self.ask("HEAD", self.path)).headers["upload-offset"])
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        return await self.ask("PATCH", self.path, content=self.data[offset:], headers=headers)

    async def is_whole(self) -> None:
        await _until(self.send)
        (asset,) = (await self.api("GET", f"/v1/submissions/{self.item}", "writer")).json()["assets"]
        assert asset["sha256"] == hashlib.sha256(self.data).hexdigest()


async def _until(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The first answer that is no failure of the server; a client that waits sees no more of it."""
    async with asyncio.timeout(_RECOVERY_S):
        while (answer := await call()).status_code in (503, 507):
            await asyncio.sleep(0.5)
    assert answer.is_success, answer.text
    return answer


async def _part(sent: Sent, number: int) -> None:
    """A part, again and again until the store takes it."""
    async with asyncio.timeout(_RECOVERY_S):
        while await sent.send(number) != 200:
            await asyncio.sleep(0.5)


@pytest.fixture
async def newsroom_goes_on(api: Any, newsroom: Any) -> Callable[[], Awaitable[None]]:
    """Sign-in, lists, reading, comments, edits and a review: each is asked for and must be done within seconds."""

    async def go_on() -> None:
        item = await newsroom.received()
        begun = time.perf_counter()
        signed_in = await api("POST", "/v1/sessions", json={"username": "duty", "password": PASSWORD})
        comment = {"body": "请核对数字。"}
        answers = [
            signed_in,
            await api("GET", "/v1/submissions", "duty"),
            await api("GET", f"/v1/submissions/{item}", "duty"),
            await api.event(
                item, Event.CLAIM.value, "duty", headers=await api.seen(f"/v1/submissions/{item}")
            ),
            await api("POST", f"/v1/submissions/{item}/comments", "duty", json=comment),
        ]
        seen = await api("GET", f"/v1/submissions/{item}", "duty")
        approval = {"revision_sha256": seen.json()["revision_sha256"]}
        headers = {"If-Match": seen.headers["ETag"]}
        answers.append(await api.event(item, Event.APPROVE.value, "duty", headers=headers, **approval))
        answers.append(await api("POST", "/v1/submissions", "writer", json={"title": "又一篇"}))
        assert [each.status_code // 100 for each in answers] == [2] * 7, [each.text for each in answers]
        shown = (await api("GET", f"/v1/submissions/{item}", "head")).json()
        assert shown["state"] == State.SECOND_REVIEW.value
        assert time.perf_counter() - begun < 10

    return go_on


async def _readiness(api: Any) -> tuple[int, bool, bool]:
    """The status of `/readyz`, and of the store whether it is well and full."""
    answer = await api("GET", "/readyz")
    store = answer.json()["parts"]["object_store"]
    return answer.status_code, store["is_ok"], store["is_full"]


async def test_full_store_is_507_and_every_upload_ends_well_when_there_is_room(
    api: Any, small_store: Any, is_problem: Any, newsroom_goes_on: Any
) -> None:
    half, whole, tus = Sent(api, 2), Sent(api, 1), Tus(api)
    for each in (half, whole):
        assert (await each.begin()).status_code == 201
        assert await each.send(1) == 200
    await tus.begin()
    small_store.fill(leave_bytes=3 * MIB)
    try:
        assert await _readiness(api) == (200, True, True)
        assert await half.send(2) in (500, 507)
        for refused in (await Sent(api, 1).begin(), await whole.complete(), await tus.send()):
            document = is_problem(refused, 507, "store-full")
            assert refused.headers["retry-after"] == "5"
            assert "已传完的部分不会丢失" in document["detail_zh"]
            assert "without a restart" in document["detail_en"]
        shown = (await api("GET", half.path, "writer")).json()
        assert (shown["state"], shown["arrived"]) == ("open", [1])
        await newsroom_goes_on()
    finally:
        small_store.empty()
    assert await _readiness(api) == (200, True, False)
    await _part(half, 2)
    await asyncio.gather(half.is_whole(), whole.is_whole(), tus.is_whole())
    assert (half.kept, whole.kept) == (2, 1)  # nothing that had arrived was sent again


async def test_dead_store_is_503_at_once_and_is_found_again_without_a_restart_of_the_api(
    api: Any, small_store: Any, is_problem: Any, newsroom_goes_on: Any
) -> None:
    half, tus = Sent(api, 2), Tus(api)
    assert (await half.begin()).status_code == 201
    assert await half.send(1) == 200
    await tus.begin()
    small_store.signal(signal.SIGKILL)
    try:
        begun = time.perf_counter()
        refusals = (await Sent(api, 1).begin(), await half.complete(), await tus.send())
        for refused in (*refusals, await api("GET", half.path, "writer")):
            document = is_problem(refused, 503, "store-unavailable")
            assert refused.headers["retry-after"] == "5"
            assert "已传完的部分不会丢失" in document["detail_zh"]
        assert time.perf_counter() - begun < 20
        assert await _readiness(api) == (503, False, False)
        await newsroom_goes_on()
    finally:
        await asyncio.to_thread(small_store.start)
    assert await _readiness(api) == (200, True, False)
    await _part(half, 2)
    assert half.kept == 2  # the part that had arrived was not sent again
    await asyncio.gather(half.is_whole(), tus.is_whole())


async def test_silent_store_holds_nobody_else_and_those_who_need_it_not_for_long(
    api: Any, small_store: Any, is_problem: Any, newsroom_goes_on: Any
) -> None:
    sent = Sent(api, 1)
    await sent.begin()
    small_store.signal(signal.SIGSTOP)
    try:
        begun = time.perf_counter()
        # More than there are threads for the store: the last ones wait for a thread, and then for the store.
        waiting = [asyncio.create_task(api("GET", sent.path, "writer")) for _ in range(40)]
        readiness = [await _readiness(api) for _ in range(2)]
        assert [each[:2] for each in readiness] == [(503, False)] * 2
        await newsroom_goes_on()
        for answer in await asyncio.gather(*waiting):
            is_problem(answer, 503, "store-unavailable")
        # Twice the silence: for a thread and for the answer; what connects anew tries three times for 3 s each.
        assert time.perf_counter() - begun < 2 * SILENCE_S + 3 * 3 + 10
    finally:
        small_store.signal(signal.SIGCONT)
    assert await sent.send(1) == 200
    await sent.is_whole()
    assert await _readiness(api) == (200, True, False)
