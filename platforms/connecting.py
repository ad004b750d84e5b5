"""A connection of another kind than HTTP: only to an address that was checked, and within a bounded time."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from platforms.frame import Addresses, Refused, SettingsRefused, Tools, TryLater
from platforms.net import CONNECT_TIMEOUT_S, AddressError, AddressRefused, NameNotResolved
from states.text import Text

SHOWN_CHARACTERS = 200


class Link(Protocol):
    """Where a server stands."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


class LinkFailed(Exception):
    """The server could not be worked with; `outcome` says what that means, in words without a secret."""

    def __init__(self, outcome: Refused | TryLater) -> None:
        super().__init__(outcome.text.en)
        self.outcome = outcome


async def check_link(read: Callable[[], Link], addresses: Addresses) -> None:
    """Nothing, or SettingsRefused: for what `read` refuses, or a server that must not be connected to."""
    try:
        link = read()
        await addresses.resolve(link.host, link.port)
    except LinkFailed as error:
        raise SettingsRefused("settings", error.outcome.text) from error
    except AddressError as error:
        raise SettingsRefused("settings.host", error.text) from error


async def checked_socket(tools: Tools, host: str, port: int) -> socket.socket:
    """A connected socket that does not block; each checked address is tried in turn. Raises LinkFailed."""
    failed: Refused | TryLater = TryLater(_NOT_REACHED)
    try:
        target = await tools.resolve(host, port)
    except AddressRefused as error:
        failed = Refused(error.text)
    except NameNotResolved as error:
        failed = TryLater(error.text)
    else:
        for address in target.addresses:
            connected = await _connected(address, target.port)
            if connected is not None:
                return connected
    raise LinkFailed(failed)


async def _connected(address: str, port: int) -> socket.socket | None:
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    opened.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(opened, (address, port))
    except OSError:  # TimeoutError is one
        opened.close()
        return None
    except BaseException:
        opened.close()
        raise
    return opened


def port_of(value: str, default: int) -> int:
    """The port in a setting, `default` where it is empty; 0, which no server has, where it is no number."""
    value = value.strip()
    if not value:
        return default
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 5 else 0


def said(words: str, hidden: tuple[str, ...]) -> str:
    """What a server said, in one line, cut short, without what it may have repeated of ours."""
    for secret in sorted(hidden, key=len, reverse=True):
        if secret:
            words = words.replace(secret, "***")
    shown = "".join(each if each.isprintable() else " " for each in words)
    return " ".join(shown.split())[:SHOWN_CHARACTERS]


_NOT_REACHED = Text(
    zh="连不上对方主机，内容尚未送出，稍后自动再试。持续出现时请检查地址、端口和网络。",
    en="The host could not be reached; nothing was sent. Retrying. If it goes on, check address, port and network.",
)
