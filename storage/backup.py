"""What a backup is: a folder of files with a manifest that names each by its hash, so that damage is found first."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from states.ledger import canonical_sha256
from states.text import Text
from storage.errors import StorageError
from storage.stored import StoredObject

FORMAT = "sanshen-backup-1"
MANIFEST = "manifest.json"
DATABASE, CHECKPOINTS, INVENTORY = "database.dump", "checkpoints.tar", "objects.jsonl.gz"
KEYS = "keys"
_NEEDED = (DATABASE, INVENTORY, f"{KEYS}/ledger.key")
_CHUNK_BYTES = 1 << 20


class BackupDamaged(StorageError):
    """A backup that is not what was made; nothing was restored."""

    def __init__(self, folder: Path, zh: str, en: str) -> None:
        super().__init__(
            Text(
                f"备份 {folder} 已损坏：{zh}。什么都没有恢复，请改用另一份备份。",
                f"The backup {folder} is damaged: {en}. Nothing was restored; use another backup.",
            )
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `about` holds when, by which version, of which schema, and how much."""

    about: Mapping[str, Any]
    files: Mapping[str, StoredObject]


def seal(folder: Path, about: Mapping[str, Any]) -> Manifest:
    """Name every file of a finished backup in its manifest, which is written last: without it, it is none."""
    files = {name: _hashed(folder / name) for name in _names(folder)}
    for name in files:
        (folder / name).chmod(0o600)
    told = _told(about, files)
    told["sha256"] = canonical_sha256(told)
    path = folder / MANIFEST
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return Manifest(dict(about), files)


def open_backup(folder: Path) -> Manifest:
    """Read a manifest and every file that it names. Raises BackupDamaged, which names the first fault."""
    told = _read(folder)
    said = told.pop("sha256", None)
    if told.get("format") != FORMAT or canonical_sha256(told) != said:
        raise BackupDamaged(
            folder, f"{MANIFEST} 被改动或格式未知", f"{MANIFEST} was changed, or is of another format"
        )
    files = {
        name: StoredObject(str(file["sha256"]), int(file["size_bytes"]))
        for name, file in told["files"].items()
    }
    for name in (*_NEEDED, *files):
        if name not in files or not (folder / name).is_file():
            raise BackupDamaged(folder, f"缺少 {name}", f"{name} is missing")
        if _hashed(folder / name) != files[name]:
            raise BackupDamaged(folder, f"{name} 与清单的哈希不符", f"{name} is not the file of the manifest")
    return Manifest(told["about"], files)


def _told(about: Mapping[str, Any], files: Mapping[str, StoredObject]) -> dict[str, Any]:
    listed = {name: {"sha256": file.sha256, "size_bytes": file.size_bytes} for name, file in files.items()}
    return {"format": FORMAT, "about": dict(about), "files": listed}


def _read(folder: Path) -> dict[str, Any]:
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackupDamaged(
            folder,
            f"没有可读的 {MANIFEST}，或备份没有做完",
            f"it has no readable {MANIFEST}, or was not finished",
        ) from error
    if not isinstance(told, dict):
        raise BackupDamaged(folder, f"{MANIFEST} 不是清单", f"{MANIFEST} is no manifest")
    return told


def _names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            yield path.relative_to(folder).as_posix()


def _hashed(path: Path) -> StoredObject:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return StoredObject(digest.hexdigest(), size_bytes)
