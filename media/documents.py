"""Has documents and H5 packages read, behind the guard. Opens none of them itself."""

import asyncio
from pathlib import Path

from media.guard import Operation, decode
from media.packages import Manifest
from media.word import WordDocument
from media.zips import MAX_UNPACKED_BYTES

_WORD = Operation("word", WordDocument)
_CHECK = Operation("package", Manifest)
_UNPACK = Operation("unpack", Manifest, file_bytes=MAX_UNPACKED_BYTES)


async def read_word(path: Path) -> WordDocument:
    """The text and the pictures of a .docx. Raises as `media.word.read_word` and `decode` do."""
    return await decode(_WORD, path)


async def read_package(path: Path) -> Manifest:
    """The files of an H5 package, nothing unpacked. Raises as `media.packages.check_package` and `decode` do."""
    return await decode(_CHECK, path)


async def unpack_package(path: Path, folder: Path) -> Manifest:
    """The files of an H5 package, written into an empty folder. What a failure leaves there counts for nothing."""
    absolute = await asyncio.to_thread(folder.resolve)
    return await decode(_UNPACK, path, writes=(absolute,), folder=absolute)
