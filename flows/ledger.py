"""The dispatcher's share in the log: it sequences what waits, and copies checkpoints to other places.

Copying never keeps the sequencer waiting: each place has a loop of its own and is tried until it has all.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from platforms.net import guarded_client
from storage.database import Database
from storage.errors import StorageError
from storage.keys import LEDGER, checkpoint_key
from storage.log import sequence_waiting
from storage.log_copies import LOCKED_FOR, CheckpointCopied, mark_copied, to_be_copied, write_copy
from storage.notes import Signer, load_signer
from storage.object_writes import put_locked
from storage.objects import Objects
from storage.settings import Settings

_LOG = logging.getLogger("sanshen.ledger")
_LOOK_AGAIN_S = 3.0
_LONGEST_PAUSE_S = 300.0

Copy = Callable[[CheckpointCopied], Awaitable[None]]


class CopyRefused(Exception):
    """The receiver of the copies did not take one."""


@dataclass(slots=True)
class Ledger:
    """The log of one installation, as its dispatcher serves it."""

    settings: Settings
    db: Database
    _signer: Signer | None = None

    async def sequence(self) -> int:
        """Put everything that waits into the log; how many entries came in. A log that may not go on is reported
        and waits for a person; the newsroom's other work goes on.
        """
        try:
            return await sequence_waiting(self.db, self._key())
        except StorageError as error:
            _LOG.error("%s", error.text.en)
            return 0

    def _key(self) -> Signer:
        if self._signer is None:
            self._signer = load_signer(self.settings.ledger_key_file, self.settings.ledger_origin)
        return self._signer

    async def copy_forever(self) -> None:
        """Copy every checkpoint to every place, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for place, copy in self.places().items():
                group.create_task(self._copy_to(place, copy))

    def places(self) -> dict[str, Copy]:
        """Where copies lie. A folder is one of this host: another host's dispatcher has its own."""
        folder = (self.settings.home / "checkpoints").resolve()
        found: dict[str, Copy] = {
            f"folder {socket.gethostname()}:{folder}": lambda copied: asyncio.to_thread(
                write_copy, folder, copied
            ),
            f"bucket {LEDGER}": self._to_bucket,
        }
        if self.settings.ledger_webhook is not None:
            found[f"webhook {self.settings.ledger_webhook}"] = self._to_webhook
        return found

    async def _copy_to(self, place: str, copy: Copy) -> None:
        pause_s = _LOOK_AGAIN_S
        while True:
            try:
                if await self.copy_some(place, copy):
                    continue
                pause_s = _LOOK_AGAIN_S
            except (
                Exception
            ) as error:  # whatever it is: a place that fails keeps neither the log nor the others
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                why = str(error) or type(error).__name__
                _LOG.warning("checkpoints wait %.0f s for %s: %s", pause_s, place, why)
            await asyncio.sleep(pause_s)

    async def copy_some(self, place: str, copy: Copy) -> int:
        """Copy the next few checkpoints to this place; how many. No transaction is open while it copies."""
        async with self.db.transaction() as session:
            waiting = await to_be_copied(session, place)
        for copied in waiting:
            await copy(copied)
            async with self.db.transaction() as session:
                await mark_copied(session, place, copied.size)
        return len(waiting)

    async def _to_bucket(self, copied: CheckpointCopied) -> None:
        objects, until = Objects(self.settings), datetime.now(UTC) + LOCKED_FOR
        for name, data in copied.files().items():
            await put_locked(objects, (LEDGER, checkpoint_key(name)), data, until)

    async def _to_webhook(self, copied: CheckpointCopied) -> None:
        body = {
            "size": copied.size,
            "first": copied.first,
            "note": copied.note,
            "entries": [entry.hex() for entry in copied.entries],
        }
        async with guarded_client(self.settings.allowed_private_hosts) as http:
            answer = await http.post(str(self.settings.ledger_webhook), json=body)
        if not answer.is_success:
            raise CopyRefused(f"HTTP {answer.status_code}")
