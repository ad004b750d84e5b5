"""The demo's receiver: takes what is signed and fresh, each delivery once."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.receiver import Receiver
from platforms.webhook import sign

pytestmark = pytest.mark.slow

SECRET = "between us"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "received.jsonl"


@pytest.fixture
def address(log: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    receiver = Receiver(port, SECRET, log)
    yield f"http://127.0.0.1:{port}/"
    receiver.close()


def _post(address: str, body: bytes, **changed: Any) -> int:
    timestamp = str(changed.pop("timestamp", int(time.time())))
    headers = {
        "X-Sanshen-Delivery": "d-1",
        "X-Sanshen-Timestamp": timestamp,
        "X-Sanshen-Signature": sign(SECRET, timestamp, body),
    } | {f"X-Sanshen-{name}": value for name, value in changed.items()}
    return httpx.post(address, content=body, headers=headers, trust_env=False).status_code


def _received(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


BODY = json.dumps({"headline": "新桥通车", "altIds": [{"role": "delivery", "value": "d-1"}]}).encode()


def test_signed_delivery_is_taken_and_written_down(address: str, log: Path) -> None:
    assert _post(address, BODY) == 204
    ((got),) = _received(log)
    assert (got["delivery"], got["body"]["headline"]) == ("d-1", "新桥通车")


def test_repeat_is_answered_alike_and_taken_once(address: str, log: Path) -> None:
    assert [_post(address, BODY) for _ in range(3)] == [204, 204, 204]
    assert len(_received(log)) == 1


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}"])
def test_signed_body_that_names_no_delivery_is_turned_away(address: str, log: Path, body: bytes) -> None:
    assert _post(address, body) == 400
    assert _post(address, BODY) == 204  # the same id, well-formed, is no repeat
    assert len(_received(log)) == 1


@pytest.mark.parametrize(
    "changed",
    [{"Signature": "v1=00"}, {"Delivery": ""}, {"timestamp": 1_000_000_000}, {"Timestamp": "soon"}],
    ids=["forged", "nameless", "old", "no time"],
)
def test_what_is_not_signed_or_not_fresh_is_turned_away(address: str, log: Path, changed: Any) -> None:
    assert _post(address, BODY, **changed) == 401
    assert _received(log) == []


def test_copied_request_under_another_id_is_turned_away(address: str, log: Path) -> None:
    """The id in the headers is not signed; the one in the body is."""
    assert _post(address, BODY, Delivery="d-2") == 401
    assert _received(log) == []
