"""What failures of the store are taken for, and how long anybody waits for one."""

import asyncio
import errno
import shutil
import threading
from pathlib import Path

import pytest
import urllib3

from storage import store_calls
from storage.errors import StoreAway, StoreFull, StoreUnavailable
from storage.room import lacks_room
from storage.store_calls import Calls, pool
from storage.store_failures import from_answer, from_silence

GIB = 2**30


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "InternalError", StoreAway),
        (503, "SlowDown", StoreAway),
        (429, "", StoreAway),
        (408, "RequestTimeout", StoreAway),
        (507, "XMinioStorageFull", StoreFull),
        (507, "", StoreFull),
        (400, "XMinioAdminBucketQuotaExceeded", StoreFull),
        (403, "QuotaExceeded", StoreFull),
        (501, "NotImplemented", StoreUnavailable),
        (403, "AccessDenied", StoreUnavailable),
        (412, "PreconditionFailed", StoreUnavailable),
    ],
)
def test_answer_of_the_store_is_taken_for_what_it_is(
    status: int, code: str, kind: type[StoreUnavailable]
) -> None:
    error = from_answer(status, code, "words", None)
    assert type(error) is kind
    # What the callers act on: the store's own no, and never a failure that passes.
    assert error.code == (code if kind is StoreUnavailable else "")
    assert "words" in error.why


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (urllib3.exceptions.HTTPError("reset"), StoreAway),
        (ConnectionResetError("reset"), StoreAway),
        (TimeoutError(), StoreAway),
        (OSError(errno.ENOSPC, "No space left on device"), StoreFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StoreFull),
        (FileNotFoundError("source"), StoreUnavailable),
    ],
)
def test_call_without_an_answer_is_taken_for_what_it_is(
    error: Exception, kind: type[StoreUnavailable]
) -> None:
    assert type(from_silence(error, None)) is kind


@pytest.mark.parametrize(
    ("free", "total", "size", "lacks"),
    [
        (65 * 2**20, GIB, 0, False),
        (65 * 2**20, GIB, 2 * 2**20, True),
        (63 * 2**20, GIB, 0, True),
        (90 * GIB, 10_000 * GIB, 0, True),  # one percent, at which the embedded gateway stops
        (110 * GIB, 10_000 * GIB, 0, False),
        (110 * GIB, 10_000 * GIB, 50 * GIB, True),
    ],
)
def test_room_is_what_is_left_above_the_reserve(
    free: int, total: int, size: int, lacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=total, free=free))
    assert lacks_room(tmp_path, size) is lacks
    assert (type(from_answer(500, "InternalError", "", tmp_path)) is StoreFull) == lacks_room(tmp_path)


def test_folder_that_is_not_there_says_nothing_of_room(tmp_path: Path) -> None:
    assert type(from_answer(500, "InternalError", "", tmp_path / "none")) is StoreAway


async def test_call_waits_for_a_thread_only_so_long_and_gets_one_that_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_calls, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(store_calls, "_LONGEST_QUEUE_S", 0.05)
    calls, goes_on = Calls(), threading.Event()
    silent = [asyncio.create_task(calls.run(goes_on.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    silent[0].cancel()  # who asked has gone; the thread is as busy as before
    with pytest.raises(TimeoutError):
        await calls.run(lambda: 1)
    goes_on.set()
    assert await silent[1]
    assert [await calls.run(lambda: 1) for _ in range(5)] == [1] * 5


def test_store_that_was_silent_once_is_not_asked_again_and_one_that_hung_up_is() -> None:
    retries = pool().connection_pool_kw["retries"]
    silence = urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("store"), "/", "timed out")
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        retries.increment("GET", "/", error=silence)
    again = retries.increment("GET", "/", error=urllib3.exceptions.ProtocolError("reset"))
    assert (again.total, type(again)) == (1, type(retries))
    assert not retries.respect_retry_after_header  # a thread would sleep as long as the store says
