"""Making one rendition: encode, store its files, and note them. What is made already is not made again."""

import asyncio
import tempfile
from pathlib import Path

from flows.context import Work
from media.probe import Probe
from media.profiles import Profile
from media.render import Rendered, render
from storage import renditions
from storage.keys import RENDITIONS, rendition_key
from storage.renditions import Wanted

_UPLOADS_AT_ONCE = 8


async def make_rendition(work: Work, wanted: Wanted, profile: Profile, source: Path, probe: Probe) -> None:
    """Make and store one rendition, unless it is there. Raises what `media.render` raises."""
    async with work.transaction() as session:
        if await renditions.is_ready(session, wanted.key):
            return
    with tempfile.TemporaryDirectory(prefix="sanshen-render-") as folder:
        rendered = await render(source, probe, profile, Path(folder))
        await _store(work, wanted, rendered)
    files = [
        {
            "role": file.role,
            "name": file.name,
            "object_key": rendition_key(wanted.key, file.name),
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in rendered.files
    ]
    async with work.transaction() as session:
        await renditions.put_ready(session, wanted, files, rendered.measured)


async def _store(work: Work, wanted: Wanted, rendered: Rendered) -> None:
    gate = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def put(name: str, path: Path, media_type: str) -> None:
        async with gate:
            await work.objects.put_file(RENDITIONS, rendition_key(wanted.key, name), path, media_type)

    await asyncio.gather(*(put(file.name, file.path, file.media_type) for file in rendered.files))
