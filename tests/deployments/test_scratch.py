"""Temporary files of runs: nothing of a worker that is gone stays, nothing of a living one is touched."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deployments.scratch import Scratch, remove_left_over


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_runs_are_their_own_and_go_with_the_worker(temporary: Path) -> None:
    scratch = Scratch()
    first, second = scratch.folder(), scratch.folder()
    assert first != second
    (first / "half.mp4").write_bytes(b"half")
    scratch.close()
    assert list(temporary.iterdir()) == []
    scratch.close()  # twice is no error


def test_worker_that_was_killed_leaves_nothing_to_the_next(temporary: Path) -> None:
    code = (
        f"import os, signal, tempfile; tempfile.tempdir = {str(temporary)!r}\n"
        "from deployments.scratch import Scratch\n"
        "scratch = Scratch(); (scratch.folder() / 'half.mp4').write_bytes(b'half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = temporary.iterdir()
    scratch = Scratch()
    scratch.folder()
    assert not left.exists()
    scratch.close()


def test_folder_of_a_living_worker_and_what_is_not_ours_stay(temporary: Path) -> None:
    scratch = Scratch()
    mine = scratch.folder()
    (temporary / "sanshen-worker-without-a-lock").mkdir()
    (temporary / "something-else").mkdir()
    remove_left_over(temporary)
    assert mine.exists()
    assert (temporary / "sanshen-worker-without-a-lock").exists()
    assert (temporary / "something-else").exists()
    scratch.close()
