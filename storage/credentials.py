"""The credentials of destinations, encrypted at rest. Their key lies in a file beside the database, never in it.

Fernet (AES-128-CBC and HMAC-SHA256, github.com/fernet/spec) of the package `cryptography`. The file holds a key a
line: the first one encrypts, all decrypt, so that a key can be changed by putting a new one above it.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlmodel import col, select

from states.text import Text
from storage.database import Database
from storage.errors import StorageError
from storage.key_files import private_text
from storage.settings import Settings
from storage.tables import Destination

_SEALED = "sealed:1:"


class CredentialsUnreadable(StorageError):
    """What is stored was encrypted with a key that is not in the file, or the file holds no key."""


def seal_credential(settings: Settings, plain: str) -> str:
    """As it is stored. The key is made at the first call. Raises CredentialsUnreadable, OSError."""
    return _SEALED + _keys(settings).encrypt(plain.encode()).decode()


def open_credential(settings: Settings, stored: str) -> str:
    """The inverse; what an older version stored is given as it is. Raises CredentialsUnreadable, OSError."""
    if not stored.startswith(_SEALED):
        return stored
    if not settings.credentials_key_file.exists():  # a key made now would open nothing
        raise _unreadable(settings)
    try:
        return _keys(settings).decrypt(stored.removeprefix(_SEALED)).decode()
    except InvalidToken as error:
        raise _unreadable(settings) from error


async def seal_all(db: Database, settings: Settings) -> list[str]:
    """Encrypt what an older version stored, and what an older key encrypted. Returns the ids of those whose key is
    lost: they stay as they are, and what is sent there is refused in words; everything else goes on.
    """
    lost = []
    async with db.transaction() as session:
        rows = list(
            await session.exec(
                select(Destination).where(col(Destination.secret).is_not(None)).with_for_update()
            )
        )
        for row in rows:
            try:
                row.secret = seal_credential(settings, open_credential(settings, row.secret or ""))
            except CredentialsUnreadable:
                lost.append(row.id)
    return lost


def _keys(settings: Settings) -> MultiFernet:
    text = private_text(settings.credentials_key_file, lambda: Fernet.generate_key().decode())
    try:
        return MultiFernet([Fernet(line) for line in text.split()])
    except ValueError as error:
        raise _unreadable(settings) from error


def _unreadable(settings: Settings) -> CredentialsUnreadable:
    path = settings.credentials_key_file
    return CredentialsUnreadable(
        Text(
            f"渠道的密钥解不开：{path} 不是加密它们时用的文件。请从备份恢复该文件，或重新填写各渠道的密钥。",
            f"The destinations' credentials cannot be decrypted: {path} is not the file they were encrypted with. "
            "Restore it from a backup, or enter the credentials anew.",
        )
    )
