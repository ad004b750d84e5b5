"""Making one rendition: encode, store its files, and note them. What is made already is not made again."""

import asyncio
import tempfile
from pathlib import Path

from flows.context import Work
from media.probe import Probe
from media.profiles import Profile
from media.render import Rendered, RenderedFile, render
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
            "object_key": _object_key(wanted, file),
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in rendered.files
    ]
    async with work.transaction() as session:
        await renditions.put_ready(session, wanted, files, rendered.measured)


def _object_key(wanted: Wanted, file: RenderedFile) -> str:
    # Two runs may make the same rendition at once, and an encoder need not give the same bytes twice: named
    # by their content, neither's files replace those that the other has noted, and that may be signed by now.
    return rendition_key(wanted.key, f"{file.sha256[:16]}/{file.name}")


async def _store(work: Work, wanted: Wanted, rendered: Rendered) -> None:
    gate = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def put(file: RenderedFile) -> None:
        async with gate:
            await work.objects.put_file(RENDITIONS, _object_key(wanted, file), file.path, file.media_type)

    await asyncio.gather(*(put(file) for file in rendered.files))
