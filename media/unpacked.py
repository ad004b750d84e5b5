"""An H5 package as a rendition: unpacked behind the guard, each file with the type that it will be served as."""

import asyncio
import shutil
from pathlib import Path

from media.documents import unpack_package
from media.errors import Malformed, NotMedia
from media.job import Job, Source
from media.made import Rendered, RenderedFile, read_file
from media.packages import Manifest
from media.page_types import page_type
from states.text import Text

# An object's key has at most 1,024 bytes (Amazon S3 user guide, "Naming Amazon S3 objects", read 2026-11-22),
# and ours stand before the file's name.
_MOST_NAME_BYTES = 800


async def unpack_page(source: Source, job: Job, folder: Path) -> Rendered:
    """The files of the package in `folder`, its first page at the head. What lay there before is removed.

    Raises what `media.documents.unpack_package` raises, NotMedia for a name that no store would take, and
    Malformed where what was written is not what was listed.
    """
    await asyncio.to_thread(_empty, folder)
    manifest = await unpack_package(source.path, folder)
    files = await asyncio.to_thread(_files, manifest, folder)
    measured = {
        "index": manifest.index,
        "file_count": len(files),
        "size_bytes": sum(file.size_bytes for file in files),
    }
    return Rendered(job.profile.name, files, measured)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _files(manifest: Manifest, folder: Path) -> tuple[RenderedFile, ...]:
    listed = {entry.name: entry.sha256 for entry in manifest.entries}
    for name in listed:
        if len(name.encode()) > _MOST_NAME_BYTES:
            raise NotMedia(_long_name(name))
    names = [manifest.index, *sorted(set(listed) - {manifest.index})]
    files = tuple(
        read_file(folder / name, folder, "index" if name == manifest.index else "part", page_type(name))
        for name in names
    )
    if {file.name: file.sha256 for file in files} != listed:
        raise Malformed(_CHANGED, "unpacked files differ from the list")
    return files


def _long_name(name: str) -> Text:
    shown = f"{name[:60]}…"
    return Text(
        f"压缩包中的“{shown}”路径过长。请缩短文件名后重新打包上传。",
        f"In the package, {shown!r} is too long a path. Shorten it, pack it again and upload it.",
    )


_CHANGED = Text(
    "压缩包解出的文件与清单不符，请重新打包上传。",
    "What was unpacked is not what the package lists; pack it again and upload it.",
)
