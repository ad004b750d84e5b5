"""The drill as a person would hold it: published stories by the score, backed up, lost, and back without a gap."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.archive import fill
from deployments.backup import make_backup
from storage.backup import open_backup
from storage.settings import Settings

pytestmark = pytest.mark.slow

STORIES = 60


async def test_sixty_stories_come_back_with_every_object_and_every_proof(
    fresh_database: str, own_gateway: Settings, as_owner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, secret = tmp_path / "old", own_gateway.s3_secret_key
    assert secret is not None
    for name, value in {
        "SANSHEN_S3_ENDPOINT": str(own_gateway.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(own_gateway.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value(),
        "LANG": "en_US.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    old.mkdir()
    settings = Settings(home=old, database_url=fresh_database, database_owner_url=as_owner(fresh_database))
    await fill(settings, STORIES)
    made = await make_backup(settings, tmp_path / "backups")
    assert open_backup(made.folder).about["objects"] >= 3 * STORIES
    shutil.rmtree(old)
    done = _restore(made.folder, tmp_path / "new", monkeypatch)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"✓ {STORIES} proofs verified offline" in done.stdout
    counts = r"✓ ([0-9]+) objects, .*: 0 missing, 0 orphaned.*, 0 wrong size, 0 wrong hash"
    (report,) = re.findall(counts, done.stdout)
    assert int(report) >= 3 * STORIES
    assert "✗" not in done.stdout


def _restore(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> "subprocess.CompletedProcess[str]":
    """Apart: it handles signals, which the main thread alone may."""
    monkeypatch.setenv("SANSHEN_HOME", str(home))
    command = [sys.executable, "-m", "deployments.cli", "restore", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
