"""A load generator light enough not to be what is measured: keep-alive HTTP/1.1 over raw sockets."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shot:
    """One request, ready to be sent."""

    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came back: how long everything took, and the statuses."""

    seconds: float
    statuses: dict[int, int]

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds


def shot(path: str, body: bytes, token: str | None = None) -> Shot:
    """A JSON POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return Shot(("\r\n".join(lines) + "\r\n\r\n").encode(), body)


async def fire(port: int, shots: Sequence[Shot], connections: int) -> Result:
    """Send all shots over a few connections, each waiting for its answer before the next."""
    statuses: dict[int, int] = {}
    waiting = iter(shots)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in waiting:
            writer.write(each.head + each.body)
            status = await _answer(reader)
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Result(time.perf_counter() - started, statuses)


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length.split(":")[1]))
    return int(head.split(" ", 2)[1])
