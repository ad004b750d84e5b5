"""One file into a drop folder: under a temporary name, whole, and only then under its own."""

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import TypeVar

import asyncssh

from platforms.connecting import LinkFailed
from platforms.frame import Refused, Tools
from platforms.sftp_session import STALL_S, Session
from platforms.sftp_words import NOT_AS_SIGNED
from platforms.sidecar import DropFile

PART_BYTES = 4 * 1024 * 1024
TEMPORARY = ".part"
SYNC_S = 600.0  # ten gigabytes on a slow disk
_T = TypeVar("_T")


async def place(session: Session, file: DropFile, tools: Tools) -> None:
    """The file is there, whole, under its name. A part that an earlier attempt left is gone on with.

    The name stands for the content, so a file of this name and size is the right one. Raises LinkFailed where the
    store's bytes are not those that were signed, asyncssh.Error and OSError where the server or the way breaks.
    """
    if await size_of(session, file.name) == file.size_bytes:
        return
    await stage(session, file, tools)
    await rename(session, file)


async def stage(session: Session, file: DropFile, tools: Tools) -> None:
    """The file is there, whole, under its temporary name.

    Never cut to nothing first, and gone on with by the size of what was opened, not of what the name meant before:
    two may write at once, one may rename meanwhile, and what both write is the same.
    """
    handle = await _opened(session, file)
    try:
        there = (await bounded(handle.stat())).size or 0
        await _fill(handle, file, tools, _from(there))
        await _sync(handle)
        if (await bounded(handle.stat())).size != file.size_bytes:
            raise asyncssh.SFTPFailure("the size is not that of the file")
    finally:
        await _closed(handle)


async def _opened(session: Session, file: DropFile) -> asyncssh.SFTPClientFile:
    there = await size_of(session, file.name + TEMPORARY)
    if there is not None and there > file.size_bytes:  # not ours
        await remove(session, file.name + TEMPORARY)
    path = session.path(file.name + TEMPORARY)
    return await bounded(session.sftp.open(path, asyncssh.FXF_WRITE | asyncssh.FXF_CREAT, encoding=None))


def _from(there_bytes: int) -> int:
    """Where to go on. A part's requests may arrive out of order, so the last part begun may have holes; those
    before it were acknowledged in full before it began.
    """
    return (there_bytes - 1) // PART_BYTES * PART_BYTES if there_bytes else 0


async def _fill(handle: asyncssh.SFTPClientFile, file: DropFile, tools: Tools, first: int) -> None:
    digest = hashlib.sha256()
    for offset in range(0, file.size_bytes, PART_BYTES):
        data = await _read(file, offset, min(PART_BYTES, file.size_bytes - offset), tools)
        await asyncio.to_thread(digest.update, data)
        if offset >= first:
            await bounded(handle.write(data, offset))
    if digest.hexdigest() != file.sha256:
        raise LinkFailed(Refused(NOT_AS_SIGNED))


async def _read(file: DropFile, offset: int, size_bytes: int, tools: Tools) -> bytes:
    if not file.object_key:
        return file.data[offset : offset + size_bytes]
    data = await tools.read_part(file.object_key, offset, size_bytes)
    if len(data) != size_bytes:
        raise LinkFailed(Refused(NOT_AS_SIGNED))
    return data


async def _sync(handle: asyncssh.SFTPClientFile) -> None:
    try:
        await bounded(handle.fsync(), SYNC_S)
    except asyncssh.SFTPOpUnsupported:
        return  # an extension of OpenSSH; a server without it keeps what it acknowledged as well as it can


async def _closed(handle: asyncssh.SFTPClientFile) -> None:
    try:
        await bounded(handle.close())
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        return  # the error that ended the work goes on


async def rename(session: Session, file: DropFile) -> None:
    """From the temporary name to its own, in the place of what may be there. Another who was first did it as well."""
    part, final = session.path(file.name + TEMPORARY), session.path(file.name)
    try:
        try:
            await bounded(session.sftp.posix_rename(part, final))
        except asyncssh.SFTPOpUnsupported:
            await _plain_rename(session, file)
    except asyncssh.SFTPNoSuchFile:
        if await size_of(session, file.name) != file.size_bytes:
            raise


async def _plain_rename(session: Session, file: DropFile) -> None:
    # SFTP 3 does not rename onto a name that is taken.
    await remove(session, file.name)
    await bounded(session.sftp.rename(session.path(file.name + TEMPORARY), session.path(file.name)))


async def size_of(session: Session, name: str) -> int | None:
    """The size in bytes of a file in the folder; None where there is none."""
    try:
        attributes = await bounded(session.sftp.stat(session.path(name)))
    except asyncssh.SFTPNoSuchFile:
        return None
    return attributes.size


async def remove(session: Session, name: str) -> bool:
    """Remove a file of the folder; whether there was one."""
    try:
        await bounded(session.sftp.remove(session.path(name)))
    except asyncssh.SFTPNoSuchFile:
        return False
    return True


async def names_of(session: Session, base: str) -> tuple[str, ...]:
    """The media and texts of a drop that are there, half ones too; none where the folder may not be listed."""
    try:
        names = await bounded(session.sftp.listdir(session.folder))
    except asyncssh.SFTPPermissionDenied:
        return ()
    return tuple(str(name) for name in names if str(name).startswith(f"{base}_"))


async def bounded(work: Awaitable[_T], within_s: float = STALL_S) -> _T:
    """The result of one request; TimeoutError where the server is silent."""
    async with asyncio.timeout(within_s):
        return await work
