"""Uploads by either door against a plain put with the same client, and what 2 GB do to the API's memory."""

import asyncio
import base64
import functools
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import SecretStr

from benchmarks.serving import serving
from deployments.stack import s3
from deployments.stack.background import free_ports
from deployments.stack.process import child_environment, die_with_parent
from deployments.stack.secrets import load_secrets
from deployments.stack.temporary_postgres import temporary_postgres
from states.content import Content
from states.roles import Role
from storage import migrations
from storage.buckets import set_up_buckets
from storage.database import Database
from storage.drafts import create_submission
from storage.keys import ASSETS
from storage.people import actor_of, add_person, open_sign_in
from storage.presigned import Account, presigned_put
from storage.settings import Settings
from storage.tables import Person

MIB = 2**20
_FILE_BYTES, _ROUNDS, _AT_ONCE = 64 * MIB, 7, 4
_STREAM_BYTES, _STREAM_ROUNDS = 256 * MIB, 5
_SIDE_BY_SIDE, _LARGE_BYTES = 2, 1024 * MIB
_WARM_BYTES = 20 * MIB
_TUS = {"Tus-Resumable": "1.0.0"}
_BLOCK = os.urandom(MIB)


async def measure() -> dict[str, Any]:
    """Medians of MB/s, their ratios (goals ≥ 0.9 and ≥ 0.5), and the growth of the API process in MiB (goal < 50)."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 - PostgreSQL runs as another user when we are root
        with temporary_postgres(Path(folder) / "pg") as url, _gateway(Path(folder) / "s3") as settings:
            await asyncio.to_thread(migrations.upgrade, url)
            token, item = await _prepare(url, settings)
            figures: dict[str, Any] = {}
            async with _api(url, settings, token) as (api, base):
                figures |= await _parts_against_a_put(api, base, item, settings)
                figures |= await _tus_against_a_put(api, base, item, settings)
            for name, door in (("presigned parts", _by_parts), ("tus", _by_tus)):
                async with _api(url, settings, token) as (api, base):  # a fresh process for each
                    figures |= await _memory(name, functools.partial(door, api, base, item))
            return figures


@asynccontextmanager
async def _api(url: str, settings: Settings, token: str) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    port = free_ports(1)
    with serving("api.app:app", port, _environment(url, settings)):
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(trust_env=False, timeout=600, headers=headers) as api:
            yield api, f"http://127.0.0.1:{port}/api/v1"


@contextmanager
def _gateway(folder: Path) -> Iterator[Settings]:
    folder.mkdir()
    keys, port = load_secrets(folder), free_ports(s3.PORT_COUNT)
    s3.prepare(folder, keys)
    environment = child_environment(s3.environment(keys), folder)
    server = subprocess.Popen(
        s3.command(folder, port),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(s3.STOP_SIGNAL),  # noqa: PLW1509 - a prctl
    )
    try:
        yield Settings(
            home=folder,
            s3_endpoint=f"http://127.0.0.1:{port}",
            s3_access_key=keys.s3_access_key,
            s3_secret_key=SecretStr(keys.s3_secret_key),
        )
    finally:
        server.send_signal(s3.STOP_SIGNAL)
        server.wait(30)


def _secret(settings: Settings) -> str:
    return settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else ""


def _environment(url: str, settings: Settings) -> dict[str, str]:
    return {
        "SANSHEN_DATABASE_URL": url,
        "SANSHEN_S3_ENDPOINT": str(settings.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(settings.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": _secret(settings),
    }


async def _prepare(url: str, settings: Settings) -> tuple[str, str]:
    deadline = time.monotonic() + 60
    while not await s3.is_ready(int(str(settings.s3_endpoint).rsplit(":", 1)[1])):
        assert time.monotonic() < deadline, "the gateway does not answer"
        await asyncio.sleep(0.1)
    await set_up_buckets(settings)
    db = Database(url, pool_size=2)
    async with db.transaction() as session:
        person = Person(
            username="writer", display_name="writer", password_hash="-", roles=[Role.CORRESPONDENT]
        )
        await add_person(session, person)
        token, _ = await open_sign_in(session, person, 10)
        draft = await create_submission(session, actor_of(person), Content(title="新桥"))
    await db.close()
    return token, str(draft.id)


async def _parts_against_a_put(
    api: httpx.AsyncClient, base: str, item: str, settings: Settings
) -> dict[str, Any]:
    data, plain, parts, ends = os.urandom(_FILE_BYTES), [], [], []
    account = Account(
        str(settings.s3_endpoint), settings.s3_region, str(settings.s3_access_key), _secret(settings)
    )
    async with httpx.AsyncClient(trust_env=False, timeout=600) as store:
        for number in range(_ROUNDS):
            url = presigned_put(account, f"/{ASSETS}/probe/{number}", {}, len(data), timedelta(hours=1))
            plain.append(await _timed(_put(store, url, data)))
            data = os.urandom(16) + data[16:]  # other content each time, or it would be known already
            begun = time.perf_counter()
            upload = (
                await api.post(
                    f"{base}/submissions/{item}/uploads", json={"filename": "a.mp4", "size_bytes": len(data)}
                )
            ).json()
            await _put_parts(store, upload, data)
            parts.append(time.perf_counter() - begun)
            path = f"{base}/submissions/{item}/uploads/{upload['id']}/complete"
            ends.append(await _timed(_completed(api, path)))
    one, many = statistics.median(plain[1:]), statistics.median(parts[1:])
    return {
        "file, MiB": _FILE_BYTES // MIB,
        "plain put, MB/s": _FILE_BYTES / 1e6 / one,
        "created and sent in presigned parts, MB/s": _FILE_BYTES / 1e6 / many,
        "parts : plain put (goal ≥ 0.9)": one / many,
        "put together, read back twice and known, s": statistics.median(ends[1:]),
    }


async def _timed(work: Any) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


async def _put(store: httpx.AsyncClient, url: str, data: bytes) -> None:
    (await store.put(url, content=data)).raise_for_status()


async def _completed(api: httpx.AsyncClient, path: str) -> None:
    (await api.post(path)).raise_for_status()


async def _put_parts(store: httpx.AsyncClient, upload: dict[str, Any], data: bytes) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def send(part: dict[str, Any]) -> None:
        async with gate:
            begin = part["offset_bytes"]
            await _put(store, part["url"], data[begin : begin + part["size_bytes"]])

    await asyncio.gather(*(send(part) for part in upload["parts"]))


async def _tus_against_a_put(
    api: httpx.AsyncClient, base: str, item: str, settings: Settings
) -> dict[str, Any]:
    """One stream of the same bytes, the put to the store itself, tus to the API."""
    size, plain, sent, ends = _STREAM_BYTES, [], [], []
    account = Account(
        str(settings.s3_endpoint), settings.s3_region, str(settings.s3_access_key), _secret(settings)
    )
    for number in range(_STREAM_ROUNDS):
        url = presigned_put(account, f"/{ASSETS}/probe/stream{number}", {}, size, timedelta(hours=1))
        async with httpx.AsyncClient(trust_env=False, timeout=600) as store:
            plain.append(await _timed(_put_stream(store, url, size)))
        # A part of a joined upload: sent, and not put together, as presigned parts are measured.
        sent.append(await _timed(_stream(api, base, item, size, {"Upload-Concat": "partial"})))
        ends.append(await _timed(_stream(api, base, item, size)))
    one, many, whole = (statistics.median(each[1:]) for each in (plain, sent, ends))
    return {
        "stream, MiB": size // MIB,
        "plain put of a stream, MB/s": size / 1e6 / one,
        "created and sent by tus, MB/s": size / 1e6 / many,
        "tus : plain put (goal ≥ 0.5)": one / many,
        "tus to its end, put together and read back twice : plain put": one / whole,
    }


async def _put_stream(store: httpx.AsyncClient, url: str, size: int) -> None:
    answer = await store.put(url, content=_blocks(size), headers={"Content-Length": str(size)})
    answer.raise_for_status()


async def _memory(name: str, door: Callable[[int], Awaitable[None]]) -> dict[str, Any]:
    """How much larger the API is at most while 2 GiB come by this door, than when it was idle."""
    process = next(each for each in psutil.Process().children() if "uvicorn" in " ".join(each.cmdline()))
    await asyncio.gather(*(door(_WARM_BYTES) for _ in range(_SIDE_BY_SIDE)))  # what the first ones load
    before = process.memory_info().rss
    most = await _peak(process, [door(_LARGE_BYTES) for _ in range(_SIDE_BY_SIDE)])
    how = f"{_SIDE_BY_SIDE} × {_LARGE_BYTES // MIB} MiB by {name}"
    return {
        f"API before {how}, MiB": before / MIB,
        f"API grows while {how} come, MiB (goal < 50)": (most - before) / MIB,
    }


async def _peak(process: psutil.Process, work: list[Any]) -> int:
    running, most = asyncio.gather(*work), 0
    while not running.done():
        most = max(most, process.memory_info().rss)
        await asyncio.sleep(0.05)
    await running
    return most


async def _by_parts(api: httpx.AsyncClient, base: str, item: str, size: int) -> None:
    """One upload by presigned parts, put together and known in the end; no part is kept here."""
    path, announced = f"{base}/submissions/{item}/uploads", {"filename": "a.mp4", "size_bytes": size}
    upload = (await api.post(path, json=announced)).json()
    async with httpx.AsyncClient(trust_env=False, timeout=600) as store:
        for part in upload["parts"]:
            await _put_stream(store, part["url"], part["size_bytes"])
    (await api.post(f"{path}/{upload['id']}/complete")).raise_for_status()


async def _by_tus(api: httpx.AsyncClient, base: str, item: str, size: int) -> None:
    await _stream(api, base, item, size)


async def _stream(
    api: httpx.AsyncClient, base: str, item: str, size: int, more: Mapping[str, str] | None = None
) -> None:
    """One upload by one PATCH, from a source that is never whole in memory."""
    metadata = f"filename {base64.b64encode(b'a.mp4').decode()}"
    announced = {"Upload-Length": str(size), "Upload-Metadata": metadata, **(more or {})}
    created = await api.post(f"{base}/submissions/{item}/tus", headers=_TUS | announced)
    created.raise_for_status()
    path = base.removesuffix("/api/v1") + created.headers["location"]
    given = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = await api.patch(
        path, content=_blocks(size), headers=_TUS | given | {"Content-Length": str(size)}
    )
    answer.raise_for_status()


async def _blocks(size: int) -> AsyncIterator[bytes]:
    mark = os.urandom(16)
    for begin in range(0, size, MIB):
        yield (mark + _BLOCK[16:])[: min(MIB, size - begin)]
