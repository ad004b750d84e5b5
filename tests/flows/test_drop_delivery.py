"""A destination that is a drop folder, by the flows as they run: rendered, put there once, taken back."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows import distribute, intake, render, retract
from states.events import Effect, Event
from storage.credentials import seal_credential
from storage.destinations import add_destination
from storage.tables import Destination
from tests.platforms.simulators.sshd import MISSING, SSHD, Sshd, start_sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("plain_tasks"),
    pytest.mark.skipif(SSHD is None, reason=MISSING),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An SFTP server of a newspaper."""
    running = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture
async def drop(desk: Any, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> str:
    """The drop folder as a destination, its key encrypted, its host on the administrator's list."""
    monkeypatch.setenv("SANSHEN_ALLOWED_PRIVATE_HOSTS", "localhost")
    name = f"print-{uuid4().hex[:6]}"
    secret = seal_credential(desk.settings, server.private_key)
    row = Destination(id=name, platform="print_drop", name="报纸", settings=server.settings(), secret=secret)
    async with desk.newsroom.db.transaction() as session:
        await add_destination(session, row)
    return name


async def _signed(desk: Any, drop: str, still: Any) -> UUID:
    newsroom = desk.newsroom
    item: UUID = (await newsroom.draft(destinations=(drop,), title="新桥通车")).id
    await desk.add_file(item, still(61))
    await newsroom.send(item, Event.SUBMIT, "writer")
    await _run(desk, intake.intake, Effect.INTAKE, item)
    for who in ("duty", "head"):
        await newsroom.send(item, Event.CLAIM, who)
        await newsroom.send(item, Event.APPROVE, who)
        if who == "duty":
            await _run(desk, render.render, Effect.RENDER, item)
    await newsroom.send(item, Event.CLAIM, "chief")
    await desk.sign(item)
    return item


async def _run(desk: Any, flow: Any, effect: Effect, item: UUID) -> None:
    fence = await desk.take(effect, item)
    sha256 = await desk.newsroom.revision(item)
    await flow.fn(item, sha256, fence.outbox_id, fence.attempt)


async def test_piece_is_put_there_once_and_taken_back(desk: Any, server: Sshd, drop: str, still: Any) -> None:
    item = await _signed(desk, drop, still)
    number = (await desk.item(item)).revision_number
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await distribute.distribute.fn(item, number, fence.outbox_id, fence.attempt)
    delivery = (await desk.deliveries(item))[drop]
    assert (delivery.state, delivery.message) == ("confirmed", None)
    names = server.names()
    assert {name.rsplit(".", 1)[1] for name in names} == {"jpg", "html", "json", "xml"}
    assert "新桥通车" in next(server.drop.glob("*.xml")).read_text("utf-8")
    await desk.newsroom.send(item, Event.RETRACT, "chief", reason="数字有误")
    fence = await desk.take(Effect.RETRACT, item)
    await retract.retract.fn(item, fence.outbox_id, fence.attempt)
    assert (await desk.deliveries(item))[drop].state == "retracted"
    assert [name.rsplit(".", 2)[1:] for name in server.names()] == [["retracted", "xml"]]


async def test_lost_key_is_a_refusal_in_words_and_nothing_goes_out(
    desk: Any, server: Sshd, drop: str, still: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in server.drop.iterdir():
        path.unlink()
    item = await _signed(desk, drop, still)
    monkeypatch.setenv("SANSHEN_CREDENTIALS_KEY", str(tmp_path / "another.key"))
    fence = await desk.take(Effect.DISTRIBUTE, item)
    await distribute.distribute.fn(
        item, (await desk.item(item)).revision_number, fence.outbox_id, fence.attempt
    )
    delivery = (await desk.deliveries(item))[drop]
    assert delivery.state == "refused"
    assert "渠道的密钥解不开" in delivery.message["zh"]
    assert server.names() == []
