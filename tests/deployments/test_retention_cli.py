"""`sanshen retention` as a person types it: it lists first, and removes only when asked to."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from storage.settings import Settings

pytestmark = pytest.mark.slow

Run = Callable[..., Any]


@pytest.fixture
def run(
    newsroom: Any, gateway: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_apart: Any
) -> Run:
    """run("--apply", …): the command's result, with a home of this test's own."""
    secret = gateway.s3_secret_key
    assert secret is not None
    for name, value in {
        "SANSHEN_HOME": str(tmp_path),
        "SANSHEN_DATABASE_URL": newsroom.db.url,
        "SANSHEN_S3_ENDPOINT": str(gateway.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(gateway.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value(),
        "LANG": "en_US.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str) -> Any:
        found: list[Any] = []
        run_apart(lambda: found.append(CliRunner().invoke(app, ["retention", *arguments])))
        return found[0]

    return command


def test_command_lists_first_and_removes_with_apply(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "worker.log.20250101T000000.000000Z"
    log.parent.mkdir()
    log.write_text("line\n")
    os.utime(log, (time.time() - 200 * 86_400,) * 2)
    listed = run()
    assert listed.exit_code == 0, listed.output
    assert log.name in listed.output
    assert "Nothing was changed" in listed.output
    assert log.exists()
    told = json.loads(run("--apply", "--rule", "drafts", "--json").output)
    assert (told["is_applied"], told["logs"]) == (True, [])
    assert log.exists()
    assert log.name in run("--apply", "--rule", "logs").output
    assert not log.exists()


def test_unknown_rule_is_refused(run: Run) -> None:
    assert run("--rule", "everything").exit_code != 0
