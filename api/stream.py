"""`GET /api/v1/stream`: what happens to the pieces that one may see, as server-sent events (HTML standard, 9.2)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from api.asking import AskerApart, Held, Resources, Token
from api.live import Happening, Watcher
from api.openapi import API, problems
from states.access import can_see
from states.item import State
from states.roles import Actor
from storage.live import Moved, moves_after, newest_event_id
from storage.people import actor_by_token

router = APIRouter(prefix=API, tags=["stream"])

_KEEP_ALIVE_S = 15.0
_RECHECK_S = 2.0
_SLOWEST_S = 30.0
_MOST_MISSED = 1000
_RETRY_MS = 3000


class EventStream(StreamingResponse):
    """A stream whose reader is given up when it takes nothing for half a minute."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        """Send the events; raises TimeoutError, so that the server cuts the connection."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(_SLOWEST_S):
                await send(message)

        await super().stream_response(in_time)


@router.get(
    "/stream",
    summary="实时动态 · What happens, as it happens",
    response_class=EventStream,
    responses={
        200: {
            "description": "Server-sent events: `item` (a move: event, state, version), `rendition` (ready or "
            "failed), `progress` (percent), `reset` (too much was missed: read the lists again).",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems("invalid-request"),
    },
)
async def stream(
    token: Token,
    asker: AskerApart,
    held: Held,
    request: Request,
    last_event_id: Annotated[
        str | None,
        Header(
            max_length=20,
            pattern=r"^\d*$",
            description="Go on after this `id`; a browser sends it by itself.",
        ),
    ] = None,
) -> EventStream:
    """What happens to the pieces you may see, until you sign out.

    Moves carry an `id` and are sent again after a cut; some of the seconds before it may come twice, so compare
    `version`. Progress has no id and is gone when it was missed. A client that does not read is cut off.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.state.is_bare:
        return EventStream(iter(()), headers=headers)
    events = _events(_Reader(held, token, asker), int(last_event_id) if last_event_id else None)
    return EventStream(events, headers=headers)


@dataclass(slots=True)
class _Reader:
    """Who reads, with their rights as they were a moment ago."""

    held: Resources
    token: str
    actor: Actor | None
    checked_at: float = 0.0

    async def is_signed_in(self) -> bool:
        """Whether the sign-in still counts; asked of the database every two seconds at the most."""
        if self.actor is not None and time.monotonic() - self.checked_at > _RECHECK_S:
            async with self.held.db.transaction() as session:
                self.actor = await actor_by_token(session, self.token)
            self.checked_at = time.monotonic()
        return self.actor is not None

    def sees(self, state: State, author_id: str) -> bool:
        """Whether a piece in this state is theirs to see."""
        return self.actor is not None and can_see(state, author_id, self.actor)


async def _events(reader: _Reader, last_id: int | None) -> AsyncIterator[str]:
    held = reader.held
    async with held.live.watching(held.db) as watcher:
        yield f"retry: {_RETRY_MS}\n\n"
        again: set[int] = set()
        if last_id is not None:
            for text in filter(None, await _missed(reader, last_id, again)):
                yield text
        async for happening in _until_over(reader, watcher):
            if happening is None:
                yield ": keep-alive\n\n"
            elif not (isinstance(happening, Moved) and happening.id in again):
                text = _shown(reader, happening)
                if text:
                    yield text


async def _missed(reader: _Reader, last_id: int, again: set[int]) -> list[str]:
    """What happened since, and the ids of it; or the advice to begin anew."""
    async with reader.held.db.transaction() as session:
        moves = await moves_after(session, last_id, _MOST_MISSED + 1)
        newest_id = await newest_event_id(session)
    if len(moves) > _MOST_MISSED:
        return [_event("reset", {}, newest_id)]
    again.update(move.id for move in moves)
    return [_shown(reader, move) for move in moves]


async def _until_over(reader: _Reader, watcher: Watcher) -> AsyncIterator[Happening | None]:
    """What happens, None for a while in which nothing did; ends with the sign-in, the process, or a full queue."""
    while True:
        happening = await watcher.next(_KEEP_ALIVE_S)
        if watcher.is_cut_off or not await reader.is_signed_in():
            return
        yield happening


def _shown(reader: _Reader, happening: Happening) -> str:
    """The event for this reader; empty when it is none of theirs."""
    if not isinstance(happening, Moved):
        return (
            _event(happening.kind, happening.facts)
            if reader.sees(happening.state, happening.author_id)
            else ""
        )
    if not reader.sees(happening.target, happening.author_id):  # no move leads back to where fewer see it
        return ""
    facts = {
        "submission_id": str(happening.submission_id),
        "version": happening.version,
        "event": happening.event,
        "from": happening.source,
        "state": happening.target,
        "at": happening.at.isoformat(),
    }
    return _event("item", facts, happening.id)


def _event(kind: str, facts: dict[str, Any], event_id: int | None = None) -> str:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n"
