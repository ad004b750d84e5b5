"""Making renditions once: whoever takes a key makes it and keeps its files, everybody else waits for the result."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from flows.context import Work
from media.render import Rendered, RenderedFile
from storage import live, making, renditions
from storage.errors import LeaseLost
from storage.keys import RENDITIONS, rendition_key
from storage.object_writes import store_file
from storage.renditions import Wanted
from storage.stored import StoredObject

_UPLOADS_AT_ONCE = 8
_LOOK_AGAIN_S = 0.5

Make = Callable[[Sequence[Wanted]], Awaitable[None]]


async def make_once(work: Work, wanted: Sequence[Wanted], make: Make) -> None:
    """Have all of these made. `make` gets those that nobody else is making; it is called again for what another
    worker let go of without a result. Returns when each is ready, or was given to `make`.

    We make all that we took before we wait, so two that want overlapping sets cannot wait for each other, and
    no transaction is open meanwhile. Raises what `make` raises, and LeaseLost.
    """
    rest = list(wanted)
    while rest:
        async with work.transaction() as session:
            share = await making.take(session, work.fence, (each.key for each in rest))
        ours = [each for each in rest if each.key in share.ours]
        if ours:
            await _make(work, ours, make)
        rest = [each for each in rest if each.key in share.theirs]
        if rest:
            await asyncio.sleep(_LOOK_AGAIN_S)


async def _make(work: Work, ours: Sequence[Wanted], make: Make) -> None:
    try:
        await make(ours)
    finally:  # what was not made is free for others at once, unless we were cut off: then the lease frees it
        with suppress(LeaseLost):
            async with work.transaction() as session:
                for each in sorted(ours, key=lambda each: each.key):
                    await making.give_back(session, work.fence, each.key)


async def keep(work: Work, wanted: Wanted, rendered: Rendered) -> None:
    """Put a finished rendition's files into the store and note them, unless somebody took the key over meanwhile."""
    await _store(work, wanted, rendered)
    files = [
        {
            "role": file.role,
            "name": file.name,
            "object_key": _object_key(wanted, file),
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in rendered.files
    ]
    async with work.transaction() as session:
        if await making.give_back(session, work.fence, wanted.key):
            await renditions.put_ready(session, wanted, files, rendered.measured)
            for submission_id in await renditions.users_of(session, wanted.key):
                await live.tell(session, "rendition", submission_id, _told(wanted, "ready"))


async def keep_failure(work: Work, wanted: Wanted, refusal: dict[str, str]) -> None:
    """Note that a rendition cannot be made of this source, and why, so that the others go on."""
    async with work.transaction() as session:
        if await making.give_back(session, work.fence, wanted.key):
            await renditions.put_failed(session, wanted.key, refusal)
            for submission_id in await renditions.users_of(session, wanted.key):
                await live.tell(session, "rendition", submission_id, _told(wanted, "failed"))


def _told(wanted: Wanted, state: str) -> dict[str, str]:
    return {"source_sha256": wanted.source_sha256, "profile": wanted.profile, "state": state}


def _object_key(wanted: Wanted, file: RenderedFile) -> str:
    # An encoder need not give the same bytes twice, and an attempt that lost its lease may still be storing:
    # named by their content, neither's files replace those that the other has noted, and that may be signed by now.
    return rendition_key(wanted.key, f"{file.sha256[:16]}/{file.name}")


async def _store(work: Work, wanted: Wanted, rendered: Rendered) -> None:
    gate = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def put(file: RenderedFile) -> None:
        async with gate:
            where, known = (RENDITIONS, _object_key(wanted, file)), StoredObject(file.sha256, file.size_bytes)
            await store_file(work.objects, where, file.path, file.media_type, known)

    await asyncio.gather(*(put(file) for file in rendered.files))
