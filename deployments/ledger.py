"""What `sanshen ledger` does: verify, sign, prove, erase."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from storage.database import Database
from storage.erasure import erase_person, erase_value
from storage.findings import Against, Findings
from storage.log import newest_checkpoint, sequence_waiting
from storage.notes import NoteInvalid, Verifier, load_signer
from storage.proofs import proof_of
from storage.settings import Settings
from storage.verify import verify_ledger


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    db = Database(url, pool_size=1)
    try:
        yield db
    finally:
        await db.close()


def verifier_key(settings: Settings) -> str:
    """The key for those who check, as text; the key is made if there is none. Raises NoteInvalid."""
    return str(load_signer(settings.ledger_key_file, settings.ledger_origin).verifier)


async def verify(
    settings: Settings, keys: Sequence[str], checkpoint: Path | None, copies: Path | None
) -> Findings:
    """Replay the record against the keys (by default this installation's), and what was kept elsewhere.

    Without a folder the copies of this home are used, if it has some. Raises NoteInvalid, CopyUnreadable, OSError.
    """
    against = _against(settings, keys, checkpoint, copies)
    async with _database(settings.require_database_url()) as db:
        return await verify_ledger(db, against)


def _against(
    settings: Settings, keys: Sequence[str], checkpoint: Path | None, copies: Path | None
) -> Against:
    if not keys and not settings.ledger_key_file.exists():  # a key made now would have signed nothing
        raise NoteInvalid(
            f"没有密钥文件 {settings.ledger_key_file}，请用 --key 给出验证公钥。",
            f"There is no key file {settings.ledger_key_file}; give the verifier key with --key.",
        )
    own = settings.home / "checkpoints"
    return Against(
        keys=tuple(Verifier.parse(key) for key in keys or [verifier_key(settings)]),
        checkpoint=None if checkpoint is None else checkpoint.read_text(encoding="utf-8"),
        copies=copies or (own if own.is_dir() else None),
    )


async def checkpoint(settings: Settings, *, is_new_key: bool) -> str | None:
    """Put what waits into the log; the newest checkpoint as a note, None for an empty log. Raises LogDamaged."""
    signer = load_signer(settings.ledger_key_file, settings.ledger_origin)
    async with _database(settings.require_database_url()) as db:
        await sequence_waiting(db, signer, is_new_key=is_new_key)
        async with db.transaction() as session:
            return await newest_checkpoint(session)


async def proof(settings: Settings, submission_id: UUID, since: int | None) -> dict[str, Any]:
    """The proof of a submission as JSON values. Raises NotInLogYet, NoSuchCheckpoint."""
    async with _database(settings.require_database_url()) as db, db.transaction() as session:
        return await proof_of(session, submission_id, since)


async def erase(settings: Settings, username: str) -> int:
    """Erase a person from the record, with the owner's login; from how many events. Raises NotFound."""
    async with _database(settings.require_owner_url()) as db, db.transaction() as session:
        return await erase_person(session, username)


async def erase_field(settings: Settings, submission_id: UUID, item_seq: int, name: str) -> None:
    """Erase the reason or the comment of one event. Raises NothingToErase."""
    async with _database(settings.require_owner_url()) as db, db.transaction() as session:
        await erase_value(session, submission_id, item_seq, name)
