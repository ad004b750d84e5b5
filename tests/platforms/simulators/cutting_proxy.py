"""A TCP proxy that cuts a connection after so many bytes to the server, or when the server says something."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# Given all bytes so far to the server and from it: is it time to cut?
Cut = Callable[[bytes, bytes], bool]


@dataclass
class Proxy:
    """A running proxy. `cut` may be changed while it runs; None lets all pass."""

    port: int = 0
    cut_after_bytes: int | None = None
    cut: Cut | None = None
    is_silent: bool = False  # in the place of a cut: the server's words no longer pass
    connections: int = 0
    bytes_up: int = 0
    said: list[bytearray] = field(default_factory=list)


@asynccontextmanager
async def cutting_proxy(to_port: int) -> AsyncIterator[Proxy]:
    """A proxy on this machine in front of a port of it."""
    proxy = Proxy()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await _serve(proxy, to_port, reader, writer)
        finally:
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _serve(
    proxy: Proxy, to_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    proxy.connections += 1
    there, back = await asyncio.open_connection("127.0.0.1", to_port)
    up, down = bytearray(), bytearray()
    proxy.said.append(up)
    ways = [
        asyncio.create_task(_pass(proxy, reader, back, up, (up, down))),
        asyncio.create_task(_pass(proxy, there, writer, down, (up, down))),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for each in (writer, back):
            each.transport.abort()


async def _pass(
    proxy: Proxy,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    seen: bytearray,
    both: tuple[bytearray, bytearray],
) -> None:
    up, down = both
    while data := await reader.read(16_384):
        if seen is up:
            proxy.bytes_up += len(data)
        if len(seen) < 100_000:
            seen += data
        is_over = proxy.cut_after_bytes is not None and proxy.bytes_up >= proxy.cut_after_bytes
        if is_over or (proxy.cut is not None and proxy.cut(bytes(up), bytes(down))):
            if not proxy.is_silent:
                return
            await asyncio.Event().wait()
        writer.write(data)
        await writer.drain()
