"""A backup of an older version: restored as it was, then upgraded, and its ledger and proofs hold."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from benchmarks.ledger import write_stories
from deployments.stack import postgres_copy
from deployments.stack.postgres import cluster_in
from deployments.stack.secrets import load_secrets
from deployments.stack.temporary_postgres import temporary_postgres
from storage.backup import DATABASE, INVENTORY, KEYS, seal
from storage.backup_moment import moment
from storage.database import Database
from storage.log import sequence_waiting
from storage.migrations import alembic_config
from storage.notes import load_signer
from storage.settings import Settings

pytestmark = pytest.mark.slow

OLDER, EVENTS, STORIES = "0008", 300, 30  # before retention, search and the station's files


@pytest.fixture
def older_database(postgres_url: str, run_apart: Callable[[Callable[[], None]], None]) -> Iterator[str]:
    """An empty database as that version left it, with the login of its owner."""
    name = f"older_{uuid4().hex[:12]}"

    async def tell(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(statement)
        await connection.close()

    run_apart(lambda: asyncio.run(tell(f"CREATE DATABASE {name}")))
    url = postgres_url.replace("/sanshen?", f"/{name}?")
    run_apart(lambda: command.upgrade(alembic_config(url), OLDER))
    yield url
    run_apart(lambda: asyncio.run(tell(f"DROP DATABASE {name} WITH (FORCE)")))


async def _backup(url: str, home: Path, folder: Path) -> dict[str, Any]:
    """What the older version would have written, of a log with stories in it."""
    (folder / KEYS).mkdir(parents=True)
    settings, db = Settings(home=home, database_url=url), Database(url, 2)
    try:
        await write_stories(url, EVENTS)
        await sequence_waiting(db, load_signer(settings.ledger_key_file, settings.ledger_origin))
    finally:
        await db.close()
    async with moment(url) as (snapshot, facts):
        await postgres_copy.dump(url, snapshot, folder / DATABASE)
    (folder / KEYS / "ledger.key").write_bytes(settings.ledger_key_file.read_bytes())
    (folder / INVENTORY).write_bytes(b"-")
    seal(folder, {"sanshen": "0.1", **facts})
    return facts


async def test_backup_of_an_older_schema_is_upgraded_and_its_proofs_hold(
    older_database: str, own_gateway: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, folder = tmp_path / "old", tmp_path / "new", tmp_path / "backup"
    old.mkdir()
    facts = await _backup(older_database, old, folder)
    assert (facts["schema"], facts["events"]) == (OLDER, EVENTS)
    secret = own_gateway.s3_secret_key
    assert secret is not None
    for name, value in {
        "SANSHEN_HOME": str(new),
        "SANSHEN_S3_ENDPOINT": str(own_gateway.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(own_gateway.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value(),
        "LANG": "en_US.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    # Apart: it handles signals, which the main thread alone may.
    restoring = [sys.executable, "-m", "deployments.cli", "restore", str(folder)]
    done = subprocess.run(restoring, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"✓ Ledger: {facts['log_size']} entries, {EVENTS} events" in done.stdout
    assert f"✓ {STORIES} proofs verified offline" in done.stdout
    assert await _schema(new) > OLDER


async def _schema(home: Path) -> str:
    """The schema of the database in a home, which has what came after `OLDER`."""
    keys = load_secrets(home)
    (home / "postgres" / "superuser.password").write_text(keys.postgres_password)
    with temporary_postgres(home / "postgres"):
        # It gave the roles its own password.
        url = cluster_in(home / "postgres").url("sanshen", keys.postgres_password, "sanshen")
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("SELECT count(*) FROM retention_rule") > 0
            return str(await connection.fetchval("SELECT version_num FROM alembic_version"))
        finally:
            await connection.close()
