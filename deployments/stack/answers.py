"""Does a server answer? One bare GET: a client library would cost more than the servers it asks."""

import asyncio


async def answers(port: int, path: str, *, host: str = "127.0.0.1", timeout_s: float = 5.0) -> bool:
    """Whether `GET path` on this machine answers 2xx within `timeout_s` seconds."""
    return (await http_status(port, path, host=host, timeout_s=timeout_s) or 0) // 100 == 2


async def http_status(port: int, path: str, *, host: str = "127.0.0.1", timeout_s: float = 5.0) -> int | None:
    """The HTTP status of one GET, or None when nothing that speaks HTTP answers in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _get(host, port, path)
    except (OSError, ValueError, IndexError):
        return None


async def _get(host: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
