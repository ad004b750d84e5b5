"""tus with clients that others wrote: tuspy, and tus-js-client on Node, through a network that cuts."""

import asyncio
import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tusclient.client import TusClient

pytestmark = pytest.mark.slow

MIB = 2**20
SIZE = 11 * MIB + 99
JS = Path(__file__).parent / "tus_js"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two whole parts and a bit."""
    path = tmp_path_factory.mktemp("phone") / "通车.mp4"
    path.write_bytes((hashlib.sha256(b"seed").digest() * (SIZE // 32 + 1))[:SIZE])
    return path


@pytest.fixture(scope="module")
def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@asynccontextmanager
async def _bad_network(address: str, each_bytes: int, cuts: int) -> AsyncIterator[str]:
    """An address through which `cuts` connections break after so many bytes; later ones last."""
    host, port = address.removeprefix("http://").split(":")
    left = cuts

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int) -> None:
        while most > 0 and (chunk := await source.read(min(64 << 10, most))):
            sink.write(chunk)
            await sink.drain()
            most -= len(chunk)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        left -= 1
        most = each_bytes if left >= 0 else 1 << 60
        there, to_server = await asyncio.open_connection(host, int(port))
        passing = [
            asyncio.create_task(pass_on(reader, to_server, most)),
            asyncio.create_task(pass_on(there, writer, 1 << 60)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        writer.transport.abort()
        to_server.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _stored(newsroom: Any, item: Any) -> list[tuple[str, str]]:
    async with newsroom.db.transaction() as session:
        statement = text("SELECT filename, sha256 FROM asset WHERE submission_id = :item")
        found = await (await session.connection()).execute(statement, {"item": item})
        return [(row.filename, row.sha256) for row in found]


def _tuspy(address: str, item: Any, token: str) -> TusClient:
    path = f"{address}/api/v1/submissions/{item}/tus"
    return TusClient(path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("chunk_bytes", [3 * MIB + 1, SIZE])
async def test_tuspy_sends_a_file_through_a_network_that_cuts(
    newsroom: Any, served: str, file: Path, sha256: str, chunk_bytes: int
) -> None:
    item = (await newsroom.draft()).id
    with file.open("rb") as stream:
        async with _bad_network(served, 2 * MIB, cuts=3) as address:
            uploader = _tuspy(address, item, newsroom.tokens["writer"]).uploader(
                file_stream=stream,
                chunk_size=chunk_bytes,
                metadata={"filename": file.name, "sha256": sha256},
                retries=30,
                retry_delay=0.2,
            )
            await asyncio.to_thread(uploader.upload)
    assert await _stored(newsroom, item) == [(file.name, sha256)]


async def test_tuspy_checksums_are_verified(newsroom: Any, served: str, file: Path, sha256: str) -> None:
    item = (await newsroom.draft()).id
    with file.open("rb") as stream:
        uploader = _tuspy(served, item, newsroom.tokens["writer"]).uploader(
            file_stream=stream, chunk_size=4 * MIB, metadata={"filename": file.name}, upload_checksum=True
        )
        await asyncio.to_thread(uploader.upload)
    assert await _stored(newsroom, item) == [(file.name, sha256)]


_SENDER = """
import sys
from tusclient.client import TusClient
endpoint, token, path = sys.argv[1:]
uploader = TusClient(endpoint, headers={"Authorization": "Bearer " + token}).uploader(
    path, chunk_size=1 << 20, metadata={"filename": "a.mp4"})
uploader.upload(stop_at=4 << 20)
print(uploader.url, flush=True)
sys.stdin.read()
"""


async def test_tuspy_goes_on_in_another_process(newsroom: Any, served: str, file: Path, sha256: str) -> None:
    item, token = (await newsroom.draft()).id, newsroom.tokens["writer"]
    endpoint = f"{served}/api/v1/submissions/{item}/tus"
    command = [sys.executable, "-c", _SENDER, endpoint, token, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        url = (await asyncio.to_thread(sender.stdout.readline)).strip()
        sender.send_signal(signal.SIGKILL)
    with file.open("rb") as stream:
        uploader = _tuspy(served, item, token).uploader(file_stream=stream, url=url, chunk_size=5 * MIB)
        assert uploader.offset == 4 * MIB
        await asyncio.to_thread(uploader.upload)
    assert await _stored(newsroom, item) == [("a.mp4", sha256)]


@pytest.fixture(scope="module")
def js_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, with tus-js-client installed beside it as its lock file says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("tus-js-client needs node and npm, and they are not here")
    folder = tmp_path_factory.mktemp("js") / "client"
    shutil.copytree(JS, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm could not install tus-js-client: {done.stderr[-300:]}")
    return folder / "upload.mjs"


async def _js(script: Path, **given: Any) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "node", str(script), json.dumps(given), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(180):
        out, errors = await process.communicate()
    assert process.returncode == 0, out.decode() + errors.decode()
    found: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "given",
    [
        {"chunkSize": 3 * MIB},
        {"chunkSize": SIZE},
        {"chunkSize": 4 * MIB, "uploadDataDuringCreation": True, "overridePatchMethod": True},
        {"chunkSize": 2 * MIB, "parallelUploads": 3},
    ],
    ids=["chunks", "one request", "with the creation, by POST", "side by side"],
)
async def test_tus_js_client_sends_a_file_through_a_network_that_cuts(
    newsroom: Any, served: str, js_client: Path, file: Path, sha256: str, given: dict[str, Any]
) -> None:
    item = (await newsroom.draft()).id
    common = {"token": newsroom.tokens["writer"], "file": str(file), "filename": "js.mp4", "sha256": sha256}
    async with _bad_network(served, MIB + 3, cuts=4) as address:
        done = await _js(js_client, endpoint=f"{address}/api/v1/submissions/{item}/tus", **common, **given)
    assert done["outcome"] == "success"
    assert done["retries"] >= 1
    assert await _stored(newsroom, item) == [("js.mp4", sha256)]


async def test_tus_js_client_goes_on_in_another_process(
    newsroom: Any, served: str, js_client: Path, file: Path, sha256: str
) -> None:
    item = (await newsroom.draft()).id
    common = {
        "endpoint": f"{served}/api/v1/submissions/{item}/tus",
        "token": newsroom.tokens["writer"],
        "file": str(file),
        "filename": "js.mp4",
        "sha256": sha256,
        "chunkSize": MIB,
    }
    stopped = await _js(js_client, **common, stopAfter=True)
    assert (stopped["outcome"], await _stored(newsroom, item)) == ("stopped", [])
    done = await _js(js_client, **common, uploadUrl=stopped["url"])
    assert (done["outcome"], done["url"]) == ("success", stopped["url"])
    assert await _stored(newsroom, item) == [("js.mp4", sha256)]
