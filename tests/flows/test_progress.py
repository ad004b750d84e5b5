"""Progress is told with pauses, only when it changed, and never holds up or fails the work."""

import asyncio

import pytest

from flows.artifacts import ProgressBar, show_table
from flows.progress import Teller


class Ears:
    """Keeps what was told; a pause ends when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[int] = []
        self.may_go_on = asyncio.Semaphore(0)
        self.is_pausing = asyncio.Event()
        monkeypatch.setattr(asyncio, "sleep", self._pause)

    async def __call__(self, percent: int) -> None:
        self.heard.append(percent)

    async def _pause(self, seconds: float) -> None:
        assert seconds == 1.0
        self.is_pausing.set()
        await self.may_go_on.acquire()

    async def next_pause(self) -> None:
        await self.is_pausing.wait()
        self.is_pausing.clear()


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Ears:
    return Ears(monkeypatch)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_many_notes_in_one_pause_are_told_once_as_the_newest(ears: Ears) -> None:
    teller = Teller(ears)
    task = asyncio.create_task(teller.run())
    teller.note(0.0)
    await ears.next_pause()
    for share in (0.101, 0.104, 0.2, 0.999):
        teller.note(share)
    assert ears.heard == [0]
    ears.may_go_on.release()
    await ears.next_pause()
    assert ears.heard == [0, 99]
    teller.note(0.9999)  # the same whole percent
    teller.note(0.5)  # a second try begins anew; nobody is told that it went back
    ears.may_go_on.release()
    await teller.finish()
    assert ears.heard == [0, 99]
    await _ended(task)


async def test_last_note_is_told_at_the_end_and_only_once(ears: Ears) -> None:
    teller = Teller(ears)
    teller.note(1.0)
    await teller.finish()
    await teller.finish()
    assert ears.heard == [100]


@pytest.mark.parametrize("share", [-3.0, 0.0, 1.0, 7.5])
async def test_share_beyond_its_bounds_stays_a_percentage(ears: Ears, share: float) -> None:
    teller = Teller(ears)
    teller.note(share)
    await teller.finish()
    assert ears.heard in ([0], [100])


async def test_who_cannot_be_told_fails_nothing() -> None:
    async def deaf(_: int) -> None:
        raise ConnectionError("Prefect is away")

    teller = Teller(deaf)
    teller.note(0.5)
    await teller.finish()


async def test_outside_of_a_run_nothing_is_shown_in_prefect() -> None:
    """And no server of Prefect's is started for it."""
    bar = ProgressBar("render-x", "成品")
    await bar.show(10)
    await bar.show(20)
    await show_table("renditions-x", [{"成品": "封面图"}], "稿件")
    assert bar._id is None
