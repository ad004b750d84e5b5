"""`sanshen reconcile` as a person types it: words, JSON, exit status."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from storage.assets import add_asset
from storage.keys import ASSETS, asset_key
from storage.objects import Objects
from storage.settings import Settings
from storage.tables import Asset

pytestmark = pytest.mark.slow

Run = Callable[..., Any]


@pytest.fixture
def run(
    newsroom: Any, own_gateway: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_apart: Any
) -> Run:
    """run("--json", …): the command's result, on this module's database and store."""
    secret = own_gateway.s3_secret_key
    assert secret is not None
    for name, value in {
        "SANSHEN_HOME": str(tmp_path),
        "SANSHEN_DATABASE_URL": newsroom.db.url,
        "SANSHEN_S3_ENDPOINT": str(own_gateway.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(own_gateway.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value(),
        "LANG": "en_US.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str) -> Any:
        found: list[Any] = []
        run_apart(lambda: found.append(CliRunner().invoke(app, ["reconcile", *arguments])))
        return found[0]

    return command


async def test_differences_end_with_one_and_are_told_in_words_and_as_json(
    run: Run, newsroom: Any, own_gateway: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run().exit_code == 0
    item, data = (await newsroom.draft()).id, b"sent in"
    sha256 = hashlib.sha256(data).hexdigest()
    key = asset_key(sha256)
    async with newsroom.db.transaction() as session:
        await add_asset(
            session,
            Asset(submission_id=item, sha256=sha256, size_bytes=len(data), filename="a.png", object_key=key),
        )
    missing = run()
    assert missing.exit_code == 1
    assert f"✗ missing: {ASSETS}/{key} · submission {item}" in missing.output
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert f"✗ 缺失: {ASSETS}/{key}" in run().output
    await Objects(own_gateway).put_bytes(ASSETS, key, b"sent it", "image/png")
    assert run().exit_code == 0
    deep = run("--hashes", "--json")
    assert deep.exit_code == 1
    told = json.loads(deep.output)
    assert (told["wrong_hash"], told["hashed"], told["mended"]) == (1, 1, 0)
    assert told["findings"][0]["found_sha256"] == hashlib.sha256(b"sent it").hexdigest()


async def test_store_that_is_away_ends_with_two(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANSHEN_S3_ENDPOINT", "http://127.0.0.1:9")
    done = run()
    assert done.exit_code == 2, done.output
