"""`sanshen backup`: database, keys, checkpoints and a list of the objects, while the system runs."""

import gzip
import json
import os
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from deployments.people import admin_password_file
from deployments.stack import postgres_copy
from deployments.stack.addresses import with_owner_address
from deployments.stack.secrets import SECRETS_FILE
from flows.reconcile import Reconciler
from storage.backup import CHECKPOINTS, DATABASE, INVENTORY, KEYS, Manifest, seal
from storage.backup_moment import DatabaseAt, moment
from storage.notes import load_signer
from storage.objects import Objects
from storage.reconcile import Expected
from storage.settings import Settings


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup: where, and what its manifest says."""

    folder: Path
    manifest: Manifest


async def make_backup(settings: Settings, into: Path) -> Made:
    """Write a backup into a new folder below `into`, closed to others; it has its name only when it is whole.

    Raises CopyFailed, NoteInvalid, StoreUnavailable, OSError.
    """
    settings = with_owner_address(settings)
    at = datetime.now(UTC)
    folder = into / f"sanshen-{at:%Y%m%dT%H%M%SZ}"
    draft = folder.with_name(f".{folder.name}.part")
    _open_folder(draft)
    _copy_keys(settings, draft / KEYS)
    # Before the database: the copies are then of a log that the dump has whole.
    _copy_checkpoints(settings, draft / CHECKPOINTS)
    async with moment(settings.require_owner_url()) as (snapshot, facts):
        await postgres_copy.dump(settings.require_owner_url(), snapshot, draft / DATABASE)
        listed = await _list_objects(settings, snapshot, draft / INVENTORY)
    about = {"made_at": at.isoformat(timespec="seconds"), "sanshen": version("sanshen"), **facts, **listed}
    manifest = seal(draft, about)
    draft.rename(folder)
    return Made(folder, manifest)


def _open_folder(draft: Path) -> None:
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.mkdir(mode=0o700)


def _copy_keys(settings: Settings, into: Path) -> None:
    into.mkdir(mode=0o700)
    load_signer(settings.ledger_key_file, settings.ledger_origin)  # a new installation may not have one yet
    _copy_private(settings.ledger_key_file, into / "ledger.key")
    if settings.credentials_key_file.exists():
        _copy_private(settings.credentials_key_file, into / "credentials.key")
    for path in (settings.home / SECRETS_FILE, admin_password_file(settings.home)):
        if path.exists():
            _copy_private(path, into / path.name)


def _copy_private(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(source.read_bytes())


def _copy_checkpoints(settings: Settings, target: Path) -> None:
    folder = settings.home / "checkpoints"
    notes = sorted(folder.glob("[0-9]*.note"))  # a copy with a note is whole
    with tarfile.open(target, "w") as archive:
        for note in notes:
            for path in (note.with_suffix(".leaves"), note):
                if path.exists():
                    archive.add(path, arcname=path.name)


async def _list_objects(settings: Settings, snapshot: str, target: Path) -> dict[str, int]:
    """Every object that the database names, a JSON object a line; how many, and their bytes as far as known."""
    db = DatabaseAt(settings.require_owner_url(), snapshot)
    objects, size_bytes = 0, 0
    try:
        with gzip.open(target, "wt", encoding="utf-8") as file:
            async for each in _named(Reconciler(db, Objects(settings), datetime.now(UTC))):
                line = {
                    "bucket": each.bucket,
                    "key": each.key,
                    "size_bytes": each.size_bytes,
                    "sha256": each.sha256,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                objects, size_bytes = objects + 1, size_bytes + (each.size_bytes or 0)
    finally:
        await db.close()
    return {"objects": objects, "objects_bytes": size_bytes}


async def _named(reconciler: Reconciler) -> AsyncIterator[Expected]:
    for expected in reconciler.expected().values():
        async for each in expected:
            yield each
