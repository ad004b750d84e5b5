"""A database written to a file and read from one, by the programs of the PostgreSQL wheel."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from deployments.stack.errors import StackError
from deployments.stack.postgres import program
from states.text import Text

_SERVICE = "sanshen"


class CopyFailed(StackError):
    """The database could not be written to a file, or not read from one."""


async def dump(database_url: str, snapshot: str, file: Path) -> None:
    """Write the whole database, as the exported snapshot shows it. Raises CopyFailed.

    Without owners and grants: those are of an installation, and made anew where it is restored.
    """
    options = ("--format=custom", "--no-owner", "--no-acl", f"--snapshot={snapshot}", f"--file={file}")
    await _run("pg_dump", database_url, *options)


async def load(database_url: str, file: Path) -> None:
    """Fill an empty database from such a file, wholly or not at all. Raises CopyFailed."""
    options = ("--no-owner", "--no-acl", "--exit-on-error", "--single-transaction", str(file))
    await _run("pg_restore", database_url, *options)


async def _run(name: str, database_url: str, *options: str) -> None:
    with _service(database_url) as environment:
        process = await asyncio.create_subprocess_exec(
            program(name),
            f"--dbname=service={_SERVICE}",
            *options,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    if process.returncode:
        tail = said.decode(errors="replace")[-800:]
        raise CopyFailed(Text(zh=f"{name} 失败：\n{tail}", en=f"{name} failed:\n{tail}"))


@contextmanager
def _service(database_url: str) -> Iterator[dict[str, str]]:
    """The address in a file of our own (libpq's connection service file): a command line is everybody's to read."""
    parts = urlsplit(database_url)
    found = {
        "host": parts.hostname,
        "port": str(parts.port) if parts.port else None,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "dbname": unquote(parts.path.lstrip("/")) or None,
        **dict(parse_qsl(parts.query)),
    }
    lines = "".join(f"{name}={value}\n" for name, value in found.items() if value is not None)
    with tempfile.TemporaryDirectory(prefix="sanshen-copy-") as folder:
        path = Path(folder) / "service"
        path.touch(mode=0o600)
        path.write_text(f"[{_SERVICE}]\n{lines}", encoding="utf-8")
        yield {**os.environ, "PGSERVICEFILE": str(path)}
