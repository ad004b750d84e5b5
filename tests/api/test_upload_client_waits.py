"""The upload client while server or store are full, busy or away: it says so, waits, and goes on by itself."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[2] / "api" / "web"
SCRIPT = Path(__file__).parent / "upload_js" / "waits.mjs"
NODE = shutil.which("node")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(NODE is None, reason="node is not installed")]
WHOLE = ["hashing", "sending", "finishing", "done"]


def _run(folder: Path, failures: dict[str, list[int]]) -> dict[str, Any]:
    shutil.copytree(WEB, folder / "web", ignore=shutil.ignore_patterns("vendor"))
    shutil.copy(SCRIPT, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    command = [str(NODE), SCRIPT.name, json.dumps(failures)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _states(found: dict[str, Any]) -> list[str]:
    """One after the other, without repeats."""
    states = [state for state, _, _ in found["seen"]]
    return [state for at, state in enumerate(states) if at == 0 or states[at - 1] != state]


def test_nothing_that_fails_is_nothing_to_say(tmp_path: Path) -> None:
    found = _run(tmp_path, {})
    assert (found["ended"], _states(found), found["sent"]) == ("done", WHOLE, [1, 2])
    assert {zh for _, zh, _ in found["seen"]} == {None}


@pytest.mark.parametrize(
    ("step", "state_after"), [("begin", "hashing"), ("look", "sending"), ("complete", "finishing")]
)
def test_full_store_is_waited_for_in_the_servers_words(tmp_path: Path, step: str, state_after: str) -> None:
    found = _run(tmp_path, {step: [507, 507]})
    assert found["ended"] == "done"
    at = _states(found).index("stalled")
    assert _states(found)[at + 1] == state_after
    assert ["stalled", "存储空间已满", "no space left"] in found["seen"]
    # The words go when the waiting does.
    assert (found["sent"], found["problem"]) == ([1, 2], None)
    assert all(zh is None for state, zh, _ in found["seen"] if state not in ("stalled", "offline"))


@pytest.mark.parametrize("status", [500, 503, 507, 429])
def test_store_that_takes_no_part_is_waited_for_and_each_part_arrives_once(
    tmp_path: Path, status: int
) -> None:
    found = _run(tmp_path, {"part": [status] * 7})
    assert (found["ended"], found["sent"]) == ("done", [1, 2])
    words = [(zh, en) for state, zh, en in found["seen"] if state == "stalled"]
    assert words
    assert all(str(status) in zh and "不会丢失" in zh and "not lost" in en for zh, en in words)


@pytest.mark.parametrize("step", ["begin", "part", "complete"])
def test_no_answer_is_waited_for_and_said(tmp_path: Path, step: str) -> None:
    found = _run(tmp_path, {step: [0, 0]})
    assert (found["ended"], found["sent"]) == ("done", [1, 2])
    assert any(state == "offline" and "自动继续" in zh for state, zh, _ in found["seen"])
    assert "stalled" not in _states(found)


def test_refusal_is_the_end(tmp_path: Path) -> None:
    found = _run(tmp_path, {"complete": [409]})
    assert (found["ended"], _states(found)[-1]) == ("no space left", "failed")
