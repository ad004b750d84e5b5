"""The dispatcher's share in the log: sequenced before anything goes out, copied without keeping it waiting."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from minio import Minio
from minio.error import S3Error
from sqlalchemy import text

from flows import distribute
from flows.context import NotYet
from flows.dispatcher import Dispatcher
from flows.ledger import CopyRefused, Ledger
from platforms.net import AddressRefused
from states.events import Effect, Event
from states.item import State
from states.merkle import leaf_hash, root_of
from states.roles import SYSTEM
from storage.errors import StoreUnavailable
from storage.keys import LEDGER, checkpoint_key
from storage.log import is_in_log
from storage.log_copies import read_copies
from storage.notes import TreeHead, load_signer
from storage.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(set_up: Settings, tmp_path: Path) -> Settings:
    return set_up.model_copy(update={"home": tmp_path / "home", "ledger_key": set_up.home / "ledger.key"})


@pytest.fixture
def ledger(settings: Settings, newsroom: Any) -> Ledger:
    return Ledger(settings, newsroom.db)


async def _signed_unlogged(desk: Any, **content: Any) -> UUID:
    """Signed, and nobody has sequenced it yet."""
    item: UUID = await desk.newsroom.in_state(State.FINAL_REVIEW, **content)
    sha256 = await desk.newsroom.revision(item)
    manifest = distribute.renditions.manifest_sha256([])
    facts = {"revision_sha256": sha256, "manifest_sha256": manifest, "problems": []}
    await desk.newsroom.send(item, Event.MEDIA_READY, SYSTEM, facts=facts)
    await desk.newsroom.send(item, Event.APPROVE, "chief")
    return item


class _PrefectAway:
    """Nothing can be asked of it."""

    def __getattr__(self, name: str) -> Any:
        async def refuse(*given: Any, **more: Any) -> None:
            raise httpx.ConnectError("refused")

        return refuse


async def test_log_goes_on_while_prefect_is_away_and_a_lease_has_run_out(
    desk: Any, settings: Settings
) -> None:
    item = await _signed_unlogged(desk, destinations=("app",))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    async with desk.newsroom.db.transaction() as session:
        lapse = text("UPDATE outbox SET leased_until = now() - interval '1 s' WHERE id = :id")
        await (await session.connection()).execute(lapse, {"id": fence.outbox_id})
    last = (await desk.newsroom.send(item, Event.DELIVERY_HANDED_OFF, SYSTEM)).version
    with pytest.raises(httpx.ConnectError):
        await Dispatcher(settings, desk.newsroom.db, _PrefectAway()).turn()  # type: ignore[arg-type]
    async with desk.newsroom.db.transaction() as session:
        assert await is_in_log(session, item, last)


@pytest.mark.usefixtures("plain_tasks")
async def test_distribution_waits_until_the_sign_off_is_in_the_log(
    desk: Any, platforms: Any, ledger: Ledger
) -> None:
    ((name, platform),) = (await platforms("one")).items()
    item = await _signed_unlogged(desk, destinations=(name,))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    with pytest.raises(NotYet) as later:
        await distribute.distribute.fn(item, 1, fence.outbox_id, fence.attempt)
    assert (later.value.delay_s, platform.published) == (1.0, [])
    assert (await desk.deliveries(item))[name].state == "pending"
    row = await desk.row(fence.outbox_id)
    assert (row.finished_at, row.has_failed) == (None, False)
    assert await ledger.sequence() > 0
    fence = await desk.claim(fence.outbox_id)
    await distribute.distribute.fn(item, 1, fence.outbox_id, fence.attempt)
    assert len(platform.published) == 1


async def test_turn_of_the_dispatcher_sequences_before_it_starts_what_is_due(
    desk: Any, newsroom: Any, set_up: Settings
) -> None:
    seen: list[bool] = []

    class Prefect:
        async def read_flow_runs(self, **given: Any) -> list[Any]:
            return []

        async def read_deployment_by_name(self, name: str) -> Any:
            return type("Deployment", (), {"id": UUID(int=0)})

        async def create_flow_run_from_deployment(self, *given: Any, **parameters: Any) -> Any:
            async with newsroom.db.transaction() as session:
                seen.append(await is_in_log(session, item, (await desk.item(item)).version))
            return type("Run", (), {"id": UUID(int=1)})

    item = await _signed_unlogged(desk)
    dispatcher = Dispatcher(set_up, newsroom.db, Prefect())  # type: ignore[arg-type]
    await dispatcher.turn()
    assert seen
    assert all(seen)


async def test_log_that_may_not_go_on_is_reported_and_nothing_else_stops(
    newsroom: Any, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await newsroom.draft()
    await Ledger(settings, newsroom.db).sequence()
    await newsroom.draft()
    strange = Ledger(settings.model_copy(update={"ledger_key": tmp_path / "other"}), newsroom.db)
    assert await strange.sequence() == 0
    assert "--new-key" in caplog.text
    assert await Ledger(settings, newsroom.db).sequence() == 1


def _place(ledger: Ledger, kind: str) -> Any:
    return next((name, copy) for name, copy in ledger.places().items() if name.startswith(kind))


async def _copy_all(ledger: Ledger, kind: str) -> int:
    count = 0
    while some := await ledger.copy_some(*_place(ledger, kind)):
        count += some
    return count


async def test_checkpoints_are_copied_into_the_folder_whole_and_once(newsroom: Any, ledger: Ledger) -> None:
    for _ in range(25):
        await newsroom.draft()
        await ledger.sequence()
    assert await _copy_all(ledger, "folder") >= 25
    assert await _copy_all(ledger, "folder") == 0
    copies = list(read_copies(ledger.settings.home / "checkpoints"))
    leaves = [leaf_hash(entry) for each in copies for entry in each.entries]
    head = TreeHead.open(copies[-1].note, load_signer(ledger.settings.ledger_key_file).verifier)
    assert (head.size, head.root) == (len(leaves), root_of(leaves))


async def test_copy_in_the_bucket_is_locked_against_everybody(
    newsroom: Any, ledger: Ledger, settings: Settings
) -> None:
    await newsroom.draft()
    await ledger.sequence()
    assert await _copy_all(ledger, "bucket") >= 1
    assert await _copy_all(ledger, "bucket") == 0
    size = int(str(await _scalar(newsroom, "SELECT max(size) FROM checkpoint")))
    secret = settings.s3_secret_key
    assert secret is not None
    client = Minio(
        str(settings.s3_endpoint).removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=secret.get_secret_value(),
        secure=False,
        region="us-east-1",
    )
    for suffix in ("note", "leaves"):
        key = checkpoint_key(f"{size:012d}.{suffix}")
        version = client.stat_object(LEDGER, key).version_id
        with pytest.raises(S3Error) as refused:
            client.remove_object(LEDGER, key, version_id=version)
        assert refused.value.code == "AccessDenied"
        assert client.get_object(LEDGER, key, version_id=version).data


async def _scalar(newsroom: Any, statement: str) -> Any:
    async with newsroom.db.transaction() as session:
        return await (await session.connection()).scalar(text(statement))


@pytest.fixture
def receiver() -> Iterator[Any]:
    """A webhook's receiver on this machine; `status` is what it answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            server.got.append(json.loads(body))  # type: ignore[attr-defined]
            self.send_response(server.status)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *given: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status = [], 204  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_copies_for_a_webhook_are_guarded_and_repeated_until_taken(
    newsroom: Any, settings: Settings, receiver: Any
) -> None:
    address = f"http://127.0.0.1:{receiver.server_address[1]}"
    given = {"ledger_webhook": f"{address}/log"}
    ledger = Ledger(settings.model_copy(update=given), newsroom.db)
    await newsroom.draft()
    await ledger.sequence()
    with pytest.raises(AddressRefused):
        await _copy_all(ledger, "webhook")
    given["allowed_private_hosts"] = (address.removeprefix("http://"),)  # type: ignore[assignment]
    ledger = Ledger(settings.model_copy(update=given), newsroom.db)
    receiver.status = 503
    with pytest.raises(CopyRefused):
        await _copy_all(ledger, "webhook")
    receiver.status = 204
    receiver.got.clear()
    count = await _copy_all(ledger, "webhook")
    assert [each["size"] for each in receiver.got] == sorted({each["size"] for each in receiver.got})
    assert len(receiver.got) == count
    leaves = [leaf_hash(bytes.fromhex(entry)) for each in receiver.got for entry in each["entries"]]
    verifier = load_signer(settings.ledger_key_file).verifier
    assert TreeHead.open(receiver.got[-1]["note"], verifier).root == root_of(leaves)


async def test_place_that_fails_keeps_neither_the_others_nor_the_sequencer_waiting(
    newsroom: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.ledger._LOOK_AGAIN_S", 0.05)
    ledger = Ledger(settings, newsroom.db)
    tried = asyncio.Event()

    async def broken(*given: Any) -> bool:
        tried.set()
        raise StoreUnavailable("away")

    monkeypatch.setattr("flows.ledger.put_locked", broken)
    copying = asyncio.create_task(ledger.copy_forever())
    try:
        async with asyncio.timeout(20):
            await newsroom.draft()
            assert await ledger.sequence() >= 1
            await tried.wait()
            size = await _scalar(newsroom, "SELECT max(size) FROM checkpoint")
            note = settings.home / "checkpoints" / f"{size:012d}.note"
            while not note.exists():
                await asyncio.sleep(0.02)
    finally:
        copying.cancel()
        await asyncio.wait([copying])
    assert not await _scalar(
        newsroom, f"SELECT count(*) FROM checkpoint_copy WHERE place LIKE 'bucket%' AND size = {size}"
    )
