"""The keys of one installation: made once, kept in a file that only its owner can read."""

import json
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deployments.stack.errors import SecretsUnreadable
from deployments.stack.home import write_private
from states.text import Text

SECRETS_FILE = "secrets.json"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every key of the embedded stack; each is URL-safe text."""

    postgres_password: str
    sanshen_password: str  # of the role that owns our tables
    sanshen_app_password: str  # of the application's login
    prefect_password: str
    s3_access_key: str
    s3_secret_key: str
    s3_write_jwt_key: str
    s3_read_jwt_key: str
    s3_filer_write_jwt_key: str
    s3_filer_read_jwt_key: str

    def __repr__(self) -> str:
        return "Secrets(…)"


def load_secrets(home: Path) -> Secrets:
    """The keys of this home; what is missing is made and kept. SecretsUnreadable if the file is damaged."""
    path = home / SECRETS_FILE
    known = _read(path) if path.exists() else {}
    keys = Secrets(**{field.name: known.get(field.name) or _new_key() for field in fields(Secrets)})
    if asdict(keys) != known:
        write_private(path, json.dumps(asdict(keys), indent=2) + "\n")
    return keys


def _new_key() -> str:
    # Hexadecimal: it stands in URLs, env files and SQL without quoting.
    return secrets.token_hex(20)


def _read(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SecretsUnreadable(_damaged(path)) from error
    if not isinstance(known, dict):
        raise SecretsUnreadable(_damaged(path))
    return {name: value for name, value in known.items() if name in _NAMES and isinstance(value, str)}


_NAMES = frozenset(field.name for field in fields(Secrets))


def _damaged(path: Path) -> Text:
    return Text(
        zh=f"密钥文件 {path} 已损坏。请从备份恢复；数据库和对象存储只认原来的密钥。",
        en=f"The file of keys {path} is damaged. Restore it from a backup: the database and the object "
        "store accept only the old keys.",
    )
