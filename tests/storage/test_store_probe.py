"""What a store can do, tried on the embedded gateway, on another S3 server, and on stores that cannot."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from pydantic import SecretStr

from storage.buckets import set_up_buckets
from storage.errors import StoredDiffers, StoreUnavailable
from storage.keys import ASSETS, BUCKETS, LEDGER, PUBLIC, RENDITIONS
from storage.object_copies import copy_in_parts, part_ranges
from storage.object_writes import put_locked, put_new, store_file
from storage.objects import Objects
from storage.settings import Settings
from storage.store_probe import StoreFacts, probe_store
from storage.stored import StoredObject

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def second_store(
    tmp_path_factory: pytest.TempPathFactory, run_apart: Callable[..., None]
) -> Iterator[Settings]:
    """Another implementation of S3, that has nothing in common with ours but the protocol."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    settings = Settings(
        home=log.parent,
        s3_endpoint=f"http://127.0.0.1:{port}",
        s3_access_key="key",
        s3_secret_key=SecretStr("secret" * 4),
    )
    try:
        _await_answer(f"http://127.0.0.1:{port}/", log)
        run_apart(lambda: asyncio.run(set_up_buckets(settings)))
        yield settings
    finally:
        server.terminate()
        server.wait(20)


def _await_answer(url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib3.request("GET", url, retries=False)
            return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(params=["gateway", "second_store"])
def any_store(request: pytest.FixtureRequest) -> Settings:
    found: Settings = request.getfixturevalue(request.param)
    return found


def _key() -> str:
    return f"tests/{uuid4()}"


async def test_probe_of_the_embedded_gateway_finds_everything(gateway: Settings) -> None:
    facts = await probe_store(gateway)
    assert facts.missing == ()


async def test_probe_of_a_store_that_asks_nobody_for_a_key_says_so(second_store: Settings) -> None:
    assert (await probe_store(second_store)).missing == ("is_closed",)


async def test_probe_leaves_nothing_behind_but_what_is_locked(gateway: Settings) -> None:
    await probe_store(gateway)
    objects = Objects(gateway)
    left = {bucket: await objects.names(bucket, "probe/") for bucket in BUCKETS}
    assert [bucket for bucket, names in left.items() if names] == [LEDGER]


class _Poor(Objects):
    """A store that ignores conditions, or refuses what it does not know, as stores do."""

    ignores: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()

    async def request(
        self, method: str, where: Any, query: Any = None, headers: Any = None, body: Any = None
    ) -> Any:
        given = {name: value for name, value in (headers or {}).items() if name not in self.ignores}
        if any(name.startswith(self.refuses) for name in (*given, *(query or {}))):
            raise StoreUnavailable("NotImplemented: no such thing here", "NotImplemented")
        return await super().request(method, where, query, given, body)


@pytest.mark.parametrize(
    ("ignores", "refuses", "missing"),
    [
        (("If-None-Match",), ("no such header",), "conditional_put"),
        ((), ("If-None-Match",), "conditional_put"),
        ((), ("lifecycle",), "lifecycle"),
        ((), ("x-amz-copy-source-range",), "multipart"),
        (
            ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"),
            ("no such header",),
            "object_lock",
        ),
    ],
)
async def test_probe_of_a_store_without_it_names_it(
    gateway: Settings, monkeypatch: pytest.MonkeyPatch, ignores: Any, refuses: Any, missing: str
) -> None:
    monkeypatch.setattr(_Poor, "ignores", ignores)
    monkeypatch.setattr(_Poor, "refuses", refuses)
    monkeypatch.setattr("storage.store_probe.Objects", _Poor)
    assert missing in (await probe_store(gateway)).missing


async def test_probe_of_a_store_that_is_away_raises(gateway: Settings) -> None:
    with pytest.raises(StoreUnavailable):
        await probe_store(gateway.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"}))


def test_facts_name_what_is_missing_in_their_order() -> None:
    facts = StoreFacts(True, False, True, False, True, True, True)
    assert facts.missing == ("versioning", "lifecycle")


async def test_racing_conditional_puts_leave_the_winners_bytes(any_store: Settings) -> None:
    objects, where = Objects(any_store), (RENDITIONS, _key())
    written = [f"writer {number}".encode() for number in range(6)]
    won = await asyncio.gather(*(put_new(objects, where, data) for data in written))
    assert won.count(True) == 1
    assert await objects.read(*where) == written[won.index(True)]


async def test_set_up_twice_keeps_versions_rules_and_policy(any_store: Settings) -> None:
    await set_up_buckets(any_store)
    objects = Objects(any_store)
    versioning = (await objects.request("GET", (ASSETS, None), {"versioning": ""})).body
    assert b"<Status>Enabled</Status>" in versioning
    rules = (await objects.request("GET", (ASSETS, None), {"lifecycle": ""})).body
    for part in (b"incoming/", b"<DaysAfterInitiation>8<", b"<NoncurrentDays>30<"):
        assert part in rules
    policy = json.loads((await objects.request("GET", (PUBLIC, None), {"policy": ""})).body)
    assert [each["Action"] for each in policy["Statement"]] in ([["s3:GetObject"]], ["s3:GetObject"])


async def test_removed_asset_keeps_its_version_and_a_temporary_one_does_not(any_store: Settings) -> None:
    objects, kept, gone = Objects(any_store), _key(), f"incoming/{uuid4()}"
    for key in (kept, gone):
        await objects.put_bytes(ASSETS, key, b"bytes", "text/plain")
        await objects.remove(ASSETS, key)
        assert not await objects.exists(ASSETS, key)
    assert len(await objects.versions(ASSETS, kept)) == 2  # the bytes, and the mark of their removal
    assert await objects.versions(ASSETS, gone) == []
    await objects.erase(ASSETS, kept)
    assert await objects.versions(ASSETS, kept) == []
    for number in range(3):
        await objects.put_bytes(ASSETS, f"{gone}.tail/{number}", b"bytes", "text/plain")
    await objects.remove_prefix(ASSETS, f"{gone}.tail/")
    assert [await objects.versions(ASSETS, f"{gone}.tail/{number}") for number in range(3)] == [[], [], []]


@pytest.mark.parametrize(
    ("size", "part", "ranges"), [(0, 5, []), (5, 5, [(0, 4)]), (11, 5, [(0, 4), (5, 9), (10, 10)])]
)
def test_parts_of_a_copy_cover_every_byte_once(size: int, part: int, ranges: list[tuple[int, int]]) -> None:
    assert list(part_ranges(size, part)) == ranges


def test_parts_of_a_very_large_copy_are_at_most_ten_thousand() -> None:
    ranges = list(part_ranges(50 * 10**12, 2**30))
    assert len(ranges) <= 10_000
    assert ranges[-1][1] == 50 * 10**12 - 1


async def test_copy_above_one_call_is_made_in_parts_and_keeps_bytes_and_headers(
    any_store: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.object_copies._LARGEST_COPY_BYTES", 6 * 2**20)
    monkeypatch.setattr("storage.object_copies._PART_BYTES", 5 * 2**20)
    objects, source, target = Objects(any_store), (RENDITIONS, f"{_key()} 新桥+.mp4"), (PUBLIC, _key())
    await objects.put_bytes(*source, b"0123456789" * 1_200_000, "application/octet-stream")
    await objects.copy(source, target, "video/mp4", {"Cache-Control": "public, max-age=60"})
    assert await objects.hash_object(*target) == await objects.hash_object(*source)
    headers = (await objects.stat(*target)).headers
    assert (headers["content-type"], headers["cache-control"]) == ("video/mp4", "public, max-age=60")
    assert headers["etag"].strip('"').endswith("-3")  # the store put three parts together


async def test_copy_in_parts_that_fails_leaves_no_unfinished_upload(gateway: Settings) -> None:
    objects, source, target = Objects(gateway), (RENDITIONS, _key()), (PUBLIC, _key())
    await objects.put_bytes(*source, b"a" * 6 * 2**20, "text/plain")
    with pytest.raises(StoreUnavailable):  # the first part is smaller than S3 takes
        await copy_in_parts(objects, source, target, {}, part_bytes=1000_000)
    assert [each for each in await objects.unfinished(PUBLIC) if each.key == target[1]] == []


async def test_locked_copy_cannot_be_replaced_or_removed(gateway: Settings) -> None:
    objects, where = Objects(gateway), (LEDGER, _key())
    until = datetime.now(UTC) + timedelta(hours=1)
    for _ in range(2):
        assert await put_locked(objects, where, b"note", until)
    with pytest.raises(StoredDiffers):
        await put_locked(objects, where, b"forged", until)
    with pytest.raises(StoreUnavailable):
        await objects.erase(*where)
    assert await objects.read(*where) == b"note"


async def test_copy_of_the_log_without_object_lock_is_still_not_replaced(gateway: Settings) -> None:
    objects, where = Objects(gateway), (RENDITIONS, _key())  # a bucket made without it
    until = datetime.now(UTC) + timedelta(hours=1)
    assert not await put_locked(objects, where, b"note", until)
    with pytest.raises(StoredDiffers):
        await put_locked(objects, where, b"forged", until)
    assert await objects.read(*where) == b"note"


@pytest.mark.parametrize("size_bytes", [1000, 9 * 2**20])
async def test_stored_file_is_read_back_before_anybody_hears_of_it(
    gateway: Settings, tmp_path: Path, size_bytes: int
) -> None:
    objects, where, path = Objects(gateway), (RENDITIONS, _key()), tmp_path / "file"
    path.write_bytes(b"a" * size_bytes)
    truth = StoredObject(_sha256(path.read_bytes()), size_bytes)
    for _ in range(2):
        await store_file(objects, where, path, "text/plain", truth)
    assert await objects.hash_object(*where) == truth
    with pytest.raises(StoreUnavailable):
        await store_file(objects, where, path, "text/plain", StoredObject("0" * 64, size_bytes))
    assert not await objects.exists(*where)


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
