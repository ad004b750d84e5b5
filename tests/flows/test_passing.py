"""A store that is away and disks that are full: work waits for them as long as it takes, and no file is blamed."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from flows import intake
from flows.context import backoff_s, working
from flows.passing import NoRoom, blame_full_disk, check_room
from media.errors import EncodeFailed
from media.sample import make_still
from states.events import Effect, Event
from states.text import Text
from storage.errors import StoreAway, StoreFull, StoreUnavailable
from storage.tables import OutboxRow

pytestmark = pytest.mark.slow
SAID = Text("转码失败。", "The encoder failed.")


def _fill_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 * 2**20))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every disk of this machine says that it is full."""
    _fill_disks(monkeypatch)


@pytest.mark.parametrize(
    ("error", "is_given_up"),
    [
        (StoreAway("MaxRetryError"), False),
        (StoreFull("500"), False),
        (NoRoom("no room"), False),
        (StoreUnavailable("AccessDenied", "AccessDenied"), True),
    ],
)
async def test_last_attempt_is_not_the_last_where_waiting_is_all_there_is_to_do(
    desk: Any, newsroom: Any, error: Exception, is_given_up: bool
) -> None:
    fence = (await desk.work(Effect.INTAKE, (await newsroom.draft()).id)).fence
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    with pytest.raises(type(error)):
        async with working(fence.outbox_id, 6):
            raise error
    row = await desk.row(fence.outbox_id)
    assert (row.has_failed, row.finished_at is not None) == (is_given_up, is_given_up)
    assert row.last_error == f"{type(error).__name__}: {error}"
    assert row.leased_until is None


def test_a_month_of_waiting_still_has_a_delay() -> None:
    assert backoff_s(10_000) == 300


async def test_intake_on_a_full_disk_refuses_no_file_and_passes_when_there_is_room(
    desk: Any, newsroom: Any, plain_tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = (await newsroom.draft()).id
    await make_still(tmp_path / "still.jpg", width=320, height=240)
    await desk.add_file(item, tmp_path / "still.jpg")
    await newsroom.send(item, Event.SUBMIT, "writer")
    fence = await desk.take(Effect.INTAKE, item)
    await desk.change(OutboxRow, fence.outbox_id, attempt=6)
    sha256 = await newsroom.revision(item)
    with monkeypatch.context() as full:
        _fill_disks(full)
        with pytest.raises(NoRoom):
            await intake.intake.fn(item, sha256, fence.outbox_id, 6)
    assert (await desk.assets(item))["still.jpg"].intake == "waiting"
    assert not (await desk.row(fence.outbox_id)).has_failed
    again = await desk.claim(fence.outbox_id)
    await intake.intake.fn(item, sha256, again.outbox_id, again.attempt)
    assert (await desk.assets(item))["still.jpg"].intake == "passed"


def test_tool_that_failed_on_a_full_disk_says_nothing_of_the_file(tmp_path: Path) -> None:
    blame_full_disk(EncodeFailed(SAID, "Invalid data found when processing input"), tmp_path)
    with pytest.raises(NoRoom, match="disk space"):
        blame_full_disk(EncodeFailed(SAID, "Error writing trailer: No space left on device"), tmp_path)


def test_room_is_asked_for_before_a_file_is_fetched(tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(NoRoom):
        check_room(tmp_path)
    with pytest.raises(NoRoom):
        blame_full_disk(EncodeFailed(SAID, "exit status 1"), tmp_path)
