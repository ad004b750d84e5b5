"""`sanshen restore`: a backup put into an empty installation, and the drill that shows that its proofs hold."""

import dataclasses
import functools
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from alembic.script import ScriptDirectory

from deployments.drill import drill
from deployments.people import admin_password_file
from deployments.preparations import PREPARATIONS
from deployments.stack import postgres_copy
from deployments.stack.addresses import embedded_parts, with_owner_address
from deployments.stack.assemble import Preparation, run_stack
from deployments.stack.errors import StackError
from deployments.stack.home import open_home
from deployments.stack.secrets import SECRETS_FILE
from states.text import Text
from storage.backup import CHECKPOINTS, DATABASE, KEYS, Manifest, open_backup
from storage.backup_moment import hold_back, is_empty
from storage.database import Database
from storage.migrations import alembic_config
from storage.settings import STACK_FILE, Settings

# A server that is not there: a restore needs none, and Prefect's own database is made anew at the next start.
_NO_PREFECT = "http://127.0.0.1:9/api"


class RestoreRefused(StackError):
    """A backup is put only where nothing is yet; nothing was changed."""


async def restore(settings: Settings, folder: Path, say: Callable[[Text], None]) -> int:
    """Restore, migrate, and prove; the exit status: 1 when it did not come up or a proof does not hold.

    Raises BackupDamaged and RestoreRefused before anything is changed.
    """
    manifest = open_backup(folder)
    _check_schema(manifest)
    await _check_empty(settings)
    home = open_home(settings.home)
    settings = settings.model_copy(update={"home": home, "prefect_api_url": _NO_PREFECT})
    _put_keys(settings, folder)
    steps = [
        Preparation(
            "restore",
            Text("恢复数据库", "Database restored"),
            functools.partial(_load, folder),
            ("postgres",),
        ),
        *(
            dataclasses.replace(each, after=("restore",) if each.name == "schema" else each.after)
            for each in PREPARATIONS
            if each.name in ("schema", "buckets")
        ),
    ]
    return await run_stack(
        settings, steps, lambda running: _after(running, manifest, say), exit_after=True, commands={}
    )


def _check_schema(manifest: Manifest) -> None:
    """A backup of a newer version has a schema that this one does not know."""
    script = ScriptDirectory.from_config(alembic_config(""))
    if manifest.about["schema"] in {each.revision for each in script.walk_revisions()}:
        return
    made_by = manifest.about["sanshen"]
    raise RestoreRefused(
        Text(
            zh=f"备份由更新的版本 {made_by} 制作。请先安装该版本，再恢复。",
            en=f"The backup was made by the newer version {made_by}. Install that version first, then restore.",
        )
    )


async def _check_empty(settings: Settings) -> None:
    home = settings.home.expanduser().resolve()
    names = (SECRETS_FILE, STACK_FILE, "postgres", "checkpoints")
    there = [home / name for name in names if (home / name).exists()]
    there += [key for key in (settings.ledger_key_file, settings.credentials_key_file) if key.exists()]
    if there:
        raise RestoreRefused(
            Text(
                zh=f"{there[0]} 已存在：只能恢复到空的安装。请用 SANSHEN_HOME 指定一个空目录；原目录请先妥善保留。",
                en=f"{there[0]} exists: a backup is restored into an empty installation only. Name an empty folder "
                "in SANSHEN_HOME, and keep the old one until you have checked the new.",
            )
        )
    if not embedded_parts(settings).postgres and not await is_empty(settings.require_owner_url()):
        raise RestoreRefused(
            Text(
                zh="SANSHEN_DATABASE_URL 指向的数据库不是空的：只能恢复到空的数据库。请另建一个数据库。",
                en="The database of SANSHEN_DATABASE_URL is not empty: a backup is restored into an empty one only. "
                "Have a new database made.",
            )
        )


def _put_keys(settings: Settings, folder: Path) -> None:
    targets = {
        "ledger.key": settings.ledger_key_file,
        "credentials.key": settings.credentials_key_file,
        SECRETS_FILE: settings.home / SECRETS_FILE,
        admin_password_file(settings.home).name: admin_password_file(settings.home),
    }
    for name, target in targets.items():
        if (folder / KEYS / name).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(mode=0o600)
            shutil.copyfile(folder / KEYS / name, target)
    if (folder / CHECKPOINTS).exists():
        copies = settings.home / "checkpoints"
        copies.mkdir(mode=0o700)
        with tarfile.open(folder / CHECKPOINTS) as archive:
            archive.extractall(copies, filter="data")


async def _load(folder: Path, settings: Settings) -> None:
    await postgres_copy.load(settings.require_owner_url(), folder / DATABASE)


async def _after(settings: Settings, manifest: Manifest, say: Callable[[Text], None]) -> None:
    """What waited to leave the house waits for a person; then the drill."""
    db = Database(with_owner_address(settings).require_owner_url(), pool_size=1)
    try:
        async with db.transaction() as session:
            held = await hold_back(session)
    finally:
        await db.close()
    if held:
        say(
            Text(
                f"⚠ {held} 项分发在备份时还没有完成，之后可能已经发出。已暂停，请到各平台核实后再逐项重新执行。",
                f"⚠ {held} hand-overs were not done at the time of the backup and may have gone out since. They are "
                "held: look on each platform, then start each again.",
            )
        )
    await drill(settings, manifest, say)
