"""The drill: a newsroom is backed up, its home destroyed, restored elsewhere, and its ledger and proofs hold."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from deployments.cli import app
from deployments.drill import DrillFailed, drill
from deployments.restore import RestoreRefused, restore
from deployments.stack.postgres import cluster_in
from deployments.stack.secrets import load_secrets
from deployments.stack.temporary_postgres import temporary_postgres
from states.events import Effect
from storage.backup import DATABASE, MANIFEST, BackupDamaged, Manifest, open_backup, seal
from storage.effects import enqueue
from storage.log_copies import to_be_copied, write_copy
from storage.settings import Settings

pytestmark = pytest.mark.slow

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "h"


@pytest.fixture
def run(book: Any, home: Path, gateway: Settings, monkeypatch: pytest.MonkeyPatch, run_apart: Any) -> Run:
    """run("backup", …): the command's result, on this module's database, with a home of this test's own."""
    secret = gateway.s3_secret_key
    assert secret is not None
    for name, value in {
        "SANSHEN_HOME": str(home),
        "SANSHEN_DATABASE_URL": book.newsroom.db.url,
        "SANSHEN_DATABASE_OWNER_URL": book.owner.url,
        "SANSHEN_S3_ENDPOINT": str(gateway.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(gateway.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": secret.get_secret_value(),
        "LANG": "en_US.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    home.mkdir()
    (home / "ledger.key").write_text(book.signer.encoded())

    def command(*arguments: object) -> Any:
        found: list[Any] = []
        run_apart(lambda: found.append(CliRunner().invoke(app, [*map(str, arguments)])))
        return found[0]

    return command


async def _backed_up(book: Any, run: Run, home: Path, into: Path) -> Path:
    """Two published stories, one of them after the last checkpoint, and its backup."""
    await book.published(title="第一篇")
    await book.sequence()
    async with book.newsroom.db.transaction() as session:
        for copied in await to_be_copied(session, f"nowhere {into}"):
            write_copy(home / "checkpoints", copied)
    await book.published(title="第二篇")
    done = run("backup", into)
    assert done.exit_code == 0, done.output
    assert "not encrypted" in done.output
    return Path(done.output.splitlines()[0])


@contextmanager
def _server_of(home: Path) -> Iterator[str]:
    """PostgreSQL on the data of a home, as its owner."""
    folder, keys = home / "postgres", load_secrets(home)
    (folder / "superuser.password").write_text(keys.postgres_password)
    with temporary_postgres(folder):
        # It gave the roles its own password.
        yield cluster_in(folder).url("sanshen", keys.postgres_password, "sanshen")


async def test_destroyed_home_is_restored_elsewhere_and_its_ledger_and_proofs_hold(
    book: Any, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await book.published(title="未发完")
    async with book.newsroom.db.transaction() as session:
        await enqueue(session, Effect.DISTRIBUTE, item, payload={"revision_number": 1})
    folder = await _backed_up(book, run, home, tmp_path / "backups")
    about = open_backup(folder).about
    assert about["events"] == await book.scalar("SELECT count(*) FROM event")
    assert (folder / "keys" / "ledger.key").read_text() == book.signer.encoded()
    assert stat.S_IMODE((folder / "keys" / "ledger.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    waiting = await book.scalar(
        "SELECT count(*) FROM outbox WHERE effect = 'distribute' AND finished_at IS NULL"
    )
    shutil.rmtree(home)
    new = tmp_path / "n"
    monkeypatch.setenv("SANSHEN_HOME", str(new))
    monkeypatch.delenv("SANSHEN_DATABASE_URL")
    monkeypatch.delenv("SANSHEN_DATABASE_OWNER_URL")
    # Apart: it handles signals, which the main thread alone may.
    command = [sys.executable, "-m", "deployments.cli", "restore", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"✓ Ledger: {about['log_size']} entries, {about['events']} events" in done.stdout
    assert re.search(r"✓ [1-9][0-9]* proofs verified offline", done.stdout)
    assert f"⚠ {waiting} hand-overs were not done" in done.stdout
    assert (new / "ledger.key").read_text() == book.signer.encoded()
    assert list((new / "checkpoints").glob("*.note"))
    with _server_of(new) as url:
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("SELECT count(*) FROM event") == about["events"]
            assert await connection.fetchval(
                "SELECT has_failed FROM outbox WHERE submission_id = $1 AND effect = 'distribute' ORDER BY id DESC",
                item,
            )
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute("UPDATE event SET at = now()")  # the triggers are back
        finally:
            await connection.close()
    again = run("restore", folder)
    assert again.exit_code != 0
    assert "empty installation only" in str(again.exception or again.output)


@pytest.mark.parametrize("damage", ["database", "manifest", "key", "unfinished"])
async def test_damaged_backup_is_refused_before_anything_is_restored(
    book: Any, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    folder = await _backed_up(book, run, home, tmp_path / "backups")
    if damage == "database":
        data = bytearray((folder / DATABASE).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / DATABASE).write_bytes(data)
    elif damage == "manifest":
        told = (folder / MANIFEST).read_text()
        (folder / MANIFEST).write_text(told.replace('"log_size": ', '"log_size": 1'))
    elif damage == "key":
        (folder / "keys" / "ledger.key").unlink()
    else:
        (folder / MANIFEST).unlink()
    new = tmp_path / "n"
    monkeypatch.setenv("SANSHEN_HOME", str(new))
    with pytest.raises(BackupDamaged):
        open_backup(folder)
    done = run("restore", folder)
    assert done.exit_code != 0
    assert not new.exists()


async def test_restore_into_a_database_that_is_not_empty_is_refused(
    book: Any, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await _backed_up(book, run, home, tmp_path / "backups")
    monkeypatch.setenv("SANSHEN_HOME", str(tmp_path / "n"))
    done = run("restore", folder)
    assert done.exit_code != 0
    assert not (tmp_path / "n").exists()


def _sealed(folder: Path, **about: object) -> Path:
    """A backup by its form, of any schema."""
    (folder / "keys").mkdir(parents=True)
    for name in (DATABASE, "objects.jsonl.gz", "keys/ledger.key"):
        (folder / name).write_bytes(b"-")
    seal(folder, about)
    return folder


async def test_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    folder = _sealed(tmp_path / "backup", schema="9999", sanshen="9.0")
    with pytest.raises(RestoreRefused, match=r"newer version 9\.0"):
        await restore(Settings(home=tmp_path / "n"), folder, lambda _: None)
    assert not (tmp_path / "n").exists()


async def test_ledger_other_than_the_manifest_says_fails_the_drill(book: Any, run: Run, home: Path) -> None:
    await book.published()
    await book.sequence()
    size = await book.scalar("SELECT max(size) FROM checkpoint")
    events = await book.scalar("SELECT count(*) FROM event")
    said: list[str] = []
    about = {"log_size": size, "events": events}
    await drill(Settings(), Manifest(about, {}), lambda words: said.append(words.en))
    assert said[0].startswith(f"✓ Ledger: {size} entries")
    with pytest.raises(DrillFailed):
        await drill(Settings(), Manifest(about | {"log_size": size + 1}, {}), lambda _: None)
    async with book.owner.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("ALTER TABLE event DISABLE TRIGGER USER"))
        await connection.execute(
            text("UPDATE event SET facts = '{\"x\": 1}' WHERE id = (SELECT max(id) FROM event)")
        )
    with pytest.raises(DrillFailed, match="changed"):
        await drill(Settings(), Manifest(about, {}), lambda _: None)
