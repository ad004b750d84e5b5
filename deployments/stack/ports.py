"""Are the ports free that the parts will need, and which setting moves them."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from deployments.stack.errors import PortTaken
from states.text import Text


@dataclass(frozen=True, slots=True)
class WantedPort:
    """One port that a part will listen on, and the setting that moves it."""

    number: int
    setting: str
    host: str = "127.0.0.1"


def check_ports(wanted: Sequence[WantedPort]) -> None:
    """PortTaken for the first port that is out of range, wanted twice, or in use."""
    seen: dict[int, WantedPort] = {}
    for port in wanted:
        if problem := _problem(port, seen.get(port.number)):
            raise PortTaken(problem)
        seen[port.number] = port


def is_free(port: WantedPort) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError:
            return False
    return True


def _problem(port: WantedPort, earlier: WantedPort | None) -> Text | None:
    if not 0 < port.number < 65536:
        return Text(
            zh=f"端口 {port.number} 超出范围。请把 {port.setting} 改小（S3 还要用各端口加 10000）。",
            en=f"Port {port.number} is out of range. Give a smaller {port.setting} "
            "(S3 also uses each of its ports + 10000).",
        )
    if earlier is not None:
        return Text(
            zh=f"端口 {port.number} 同时被 {earlier.setting} 和 {port.setting} 要求。请改其中一个。",
            en=f"Port {port.number} is asked for by {earlier.setting} and by {port.setting}. Change one.",
        )
    return None if is_free(port) else _taken(port)


def _taken(port: WantedPort) -> Text:
    listener = _listener(port.number)
    who = Text(zh=f"（{listener}）", en=f" by {listener}") if listener else Text(zh="", en="")
    return Text(
        zh=f"端口 {port.number} 已被占用{who.zh}。请停掉它，或者设置 {port.setting} 换一个端口。",
        en=f"Port {port.number} is taken{who.en}. Stop that program, or set {port.setting} to another port.",
    )


def _listener(number: int) -> str | None:
    """Name and pid of the program on a port, where the system tells us."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == number and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except (psutil.Error, OSError):
        pass
    return None
