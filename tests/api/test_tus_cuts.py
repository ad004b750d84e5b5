"""tus over real sockets: cuts, requests that were left hanging, and an API process that is killed."""

import asyncio
import base64
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from storage.settings import Settings

pytestmark = pytest.mark.slow

MIB = 2**20
SIZE = 12 * MIB + 4321


@pytest.fixture(scope="module")
def data() -> bytes:
    """A file of two whole parts and a bit."""
    return hashlib.sha256(b"seed").digest() * (SIZE // 32) + b"x" * (SIZE % 32)


@contextmanager
def _process(settings: Settings, database_url: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """One process of the API, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    secret = settings.s3_secret_key
    env = {
        "SANSHEN_HOME": str(settings.home),
        "SANSHEN_DATABASE_URL": database_url,
        "SANSHEN_DATABASE_POOL_SIZE": "5",
        "SANSHEN_S3_ENDPOINT": str(settings.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(settings.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value() if secret else "",
    }
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", str(port), "--log-level", "error"]
    server = subprocess.Popen(command, env={**os.environ, **env})
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


async def _up(address: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"{address}/healthz")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.1)


class Phone:
    """A client on one upload, which can cut its connection."""

    def __init__(self, address: str, token: str) -> None:
        self.address, self.path = address, ""
        self.headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(base_url=self.address, timeout=60) as client:
            return await client.request(method, path, headers=given)

    async def create(self, item: Any, size: int) -> None:
        name = base64.b64encode("路.mp4".encode()).decode()
        answer = await self.ask(
            "POST",
            f"/api/v1/submissions/{item}/tus",
            Upload_Length=str(size),
            Upload_Metadata=f"filename {name}",
        )
        self.path = answer.headers["location"]

    async def offset(self) -> int:
        """As clients do: 423 is asked again."""
        async with asyncio.timeout(60):
            while (answer := await self.ask("HEAD", self.path)).status_code == 423:
                await asyncio.sleep(0.2)
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["upload-offset"])

    async def patch(self, offset: int, data: bytes) -> httpx.Response:
        given = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        async with httpx.AsyncClient(base_url=self.address, timeout=60) as client:
            return await client.patch(self.path, content=data, headers=self.headers | given)

    async def half(self, offset: int, data: bytes, announced: int) -> asyncio.StreamWriter:
        """A PATCH that says `announced` bytes and sends fewer; its connection, still open."""
        host, port = self.address.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        lines = [f"PATCH {self.path} HTTP/1.1", f"Host: {host}", f"Upload-Offset: {offset}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["Content-Type: application/offset+octet-stream", f"Content-Length: {announced}", "", ""]
        writer.write("\r\n".join(lines).encode() + data)
        await writer.drain()
        return writer


async def _sha256_of(newsroom: Any, item: Any) -> str:
    async with newsroom.db.transaction() as session:
        found = await (await session.connection()).scalar(
            text("SELECT sha256 FROM asset WHERE submission_id = :item"), {"item": item}
        )
    return str(found)


async def _has(newsroom: Any, phone: Phone, wanted: str) -> None:
    """Wait until the row of the upload is as `wanted` says."""
    statement = text(f"SELECT 1 FROM upload WHERE id = CAST(:id AS uuid) AND ({wanted})")
    async with asyncio.timeout(30):
        while True:
            async with newsroom.db.transaction() as session:
                connection = await session.connection()
                if await connection.scalar(statement, {"id": phone.path.rsplit("/", 1)[-1]}):
                    return
            await asyncio.sleep(0.05)


async def test_bytes_before_a_cut_are_kept_and_the_rest_follows(
    newsroom: Any, served: str, data: bytes
) -> None:
    item = (await newsroom.draft()).id
    phone = Phone(served, newsroom.tokens["writer"])
    await phone.create(item, SIZE)
    offset = 0
    for cut_at in (100, 3 * MIB, 5 * MIB, 9 * MIB + 7):
        writer = await phone.half(offset, data[offset:cut_at], SIZE - offset)
        await _has(newsroom, phone, "writer IS NOT NULL")
        writer.close()
        await _has(newsroom, phone, f"writer IS NULL AND offset_bytes = {cut_at}")
        offset = await phone.offset()
        assert offset == cut_at
    assert (await phone.patch(offset, data[offset:])).status_code == 204
    assert await _sha256_of(newsroom, item) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("asks_first", [True, False])
async def test_request_that_hangs_makes_room_for_the_next_of_the_same_upload(
    newsroom: Any, served: str, data: bytes, asks_first: bool
) -> None:
    """A phone that changed networks: the server has not heard that the old connection is gone."""
    item = (await newsroom.draft()).id
    phone = Phone(served, newsroom.tokens["writer"])
    await phone.create(item, SIZE)
    hanging = await phone.half(0, data[: 6 * MIB], SIZE)
    await _has(newsroom, phone, f"offset_bytes = {5 * MIB}")
    if not asks_first:  # its old offset is behind: the bytes that hung were kept
        assert (await phone.patch(0, data)).status_code in (409, 423)
    offset = await phone.offset()
    assert offset == 6 * MIB
    assert (await phone.patch(offset, data[offset:])).status_code == 204
    assert await _sha256_of(newsroom, item) == hashlib.sha256(data).hexdigest()
    hanging.close()


async def test_two_writers_at_once_store_the_file_once(newsroom: Any, served: str, data: bytes) -> None:
    item = (await newsroom.draft()).id
    phone = Phone(served, newsroom.tokens["writer"])
    await phone.create(item, SIZE)
    both = await asyncio.gather(phone.patch(0, data), phone.patch(0, data))
    assert {each.status_code for each in both} <= {204, 409, 423}
    async with asyncio.timeout(60):
        while (offset := await phone.offset()) < SIZE:
            await phone.patch(offset, data[offset:])
    assert await _sha256_of(newsroom, item) == hashlib.sha256(data).hexdigest()


async def test_upload_goes_on_with_another_process_when_the_first_is_killed(
    newsroom: Any, gateway: Settings, module_database: str, served: str, data: bytes
) -> None:
    item = (await newsroom.draft()).id
    with _process(gateway, module_database) as (server, dying):
        await _up(dying)
        phone = Phone(dying, newsroom.tokens["writer"])
        await phone.create(item, SIZE)
        assert (await phone.patch(0, data[:1000])).status_code == 204
        writer = await phone.half(1000, data[1000 : 8 * MIB], SIZE - 1000)
        await _has(newsroom, phone, f"offset_bytes = {5 * MIB}")
        server.send_signal(signal.SIGKILL)
        server.wait()
        writer.close()
    phone.address = served
    offset = await phone.offset()
    assert offset == 5 * MIB  # what was in memory alone is not counted
    assert (await phone.patch(offset, data[offset:])).status_code == 204
    assert await _sha256_of(newsroom, item) == hashlib.sha256(data).hexdigest()
