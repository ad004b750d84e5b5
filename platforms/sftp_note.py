"""What our own store knows of a drop, for a playout takes away what it finds."""

import json
from dataclasses import asdict, dataclass

from platforms.frame import Tools


@dataclass(frozen=True, slots=True)
class Note:
    """The sidecar that a delivery was about to commit, and whether it was taken back before anybody took it."""

    base: str
    sidecar_sha256: str
    is_withdrawn: bool = False


async def noted(delivery_id: str, tools: Tools) -> Note | None:
    """The delivery's note; None where nothing of it was ever committed."""
    key = _key(delivery_id)
    return Note(**json.loads(await tools.read_object(key))) if await tools.has_private(key) else None


async def put_note(delivery_id: str, note: Note, tools: Tools) -> None:
    """Keep the note, in the place of an earlier one."""
    await tools.put_private(_key(delivery_id), json.dumps(asdict(note)).encode(), "application/json")


def _key(delivery_id: str) -> str:
    return f"handoffs/{delivery_id}/drop.json"
