"""The guard on outbound addresses: only checked public addresses are called, and exactly those.

The address is checked after DNS and the connection goes to the very address that was checked, so a name
that answers differently the second time (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import httpx

from states.text import Text

CONNECT_TIMEOUT_S = 3.0
TOTAL_TIMEOUT_S = 15.0

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressError(Exception):
    """The address cannot be called."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text.en)
        self.code = code
        self.text = text


class AddressRefused(AddressError):
    """The address must not be called: not a public web address, and not on the allow list. Final."""


class NameNotResolved(AddressError):
    """The name has no address at the moment. Retryable."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address: the name as written, its port, and the IP addresses that may be connected to."""

    host: str
    port: int
    addresses: tuple[str, ...]


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Every IP address that the system gives for the name; OSError when there is none."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


async def resolve_public(
    url: str | httpx.URL, allowed_hosts: Collection[str] = (), resolver: Resolver = system_resolver
) -> Target:
    """The checked target of a URL.

    `allowed_hosts` holds `host` or `host:port` entries of an administrator: those may be private. Raises
    AddressRefused when the URL is not plain http(s) or any DNS answer is not a public unicast address,
    NameNotResolved when DNS has no answer. No message repeats the URL, which may carry a key.
    """
    return await _checked(*_host_and_port(url), allowed_hosts, resolver)


async def resolve_host(
    host: str, port: int, allowed_hosts: Collection[str] = (), resolver: Resolver = system_resolver
) -> Target:
    """As `resolve_public`, for a host that is spoken to in something other than HTTP."""
    try:
        spelled = httpx.URL(scheme="http", host=host.strip(), port=port)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise _refused_host() from error
    if not _HOST.fullmatch(spelled.raw_host.decode("ascii")) or not 0 < port < 65_536:
        raise _refused_host()
    return await _checked(spelled.raw_host.decode("ascii").strip("[]"), port, allowed_hosts, resolver)


async def _checked(host: str, port: int, allowed_hosts: Collection[str], resolver: Resolver) -> Target:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            addresses = tuple(await resolver(host, port))
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        raise _not_resolved(host) from error
    if not addresses:
        raise _not_resolved(host)
    if not _is_allowed(host, port, allowed_hosts):
        for address in addresses:
            if not is_public_address(address):
                raise _refused_address(host, port)
    return Target(host, port, addresses)


def is_public_address(address: str) -> bool:
    """Whether an IP address is a public unicast one; False for what cannot be read as an address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public_address(str(ip.ipv4_mapped))
        # 6to4, Teredo and NAT64 carry an IPv4 address inside; no receiver of ours is reached that way.
        if ip.sixtofour or ip.teredo or ip.is_site_local or ip in _NAT64:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/32")  # RFC 6052 and RFC 8215


# Read once in a process, and before a worker forks: the authorities take 25 ms.
_TLS = httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Checks every request (redirects too, were they followed) and connects to the checked address."""

    def __init__(
        self,
        allowed_hosts: Collection[str] = (),
        resolver: Resolver = system_resolver,
        verify: ssl.SSLContext = _TLS,
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._resolver = resolver
        # No idle connections: the pool knows them by IP only, and two names on one IP must not share TLS.
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response; AddressError before anything is sent, httpx errors as usual."""
        target = await resolve_public(request.url, self._allowed_hosts, self._resolver)
        *others, last = target.addresses
        for address in others:
            try:
                return await self._inner.handle_async_request(_pinned(request, target, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet: the next address of the same name
        return await self._inner.handle_async_request(_pinned(request, target, last))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


def guarded_client(allowed_hosts: Collection[str] = ()) -> httpx.AsyncClient:
    """The client for every call to the outside: guarded, no redirects, no proxy from the environment."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allowed_hosts),
        timeout=httpx.Timeout(TOTAL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        follow_redirects=False,
        trust_env=False,
    )


def _pinned(request: httpx.Request, target: Target, address: str) -> httpx.Request:
    # The Host header is already set from the name; SNI and the certificate check keep the name too.
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.host},
    )


# A name (RFC 1123, with the underscore of inner hosts), or an address; IPv6 with or without brackets.
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _host_and_port(url: str | httpx.URL) -> tuple[str, int]:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise _refused_form() from error
    if parsed.scheme not in _DEFAULT_PORTS or not parsed.host or parsed.userinfo:
        raise _refused_form()
    port = parsed.port if parsed.port is not None else _DEFAULT_PORTS[parsed.scheme]
    if not 0 < port < 65_536:
        raise _refused_form()
    return parsed.raw_host.decode("ascii").strip("[]"), port


def _is_allowed(host: str, port: int, allowed_hosts: Collection[str]) -> bool:
    spelled = f"[{host}]" if ":" in host else host
    names = {host, spelled, f"{spelled}:{port}"}
    return any(entry.strip().lower() in names for entry in allowed_hosts)


def _refused_form() -> AddressRefused:
    return AddressRefused(
        "address.form",
        Text(
            zh="地址须以 http:// 或 https:// 开头，有主机名，不含用户名和密码。请改正该发布渠道的地址。",
            en="The address must be http:// or https:// with a host and without user name or password. "
            "Correct the destination's address.",
        ),
    )


def _refused_host() -> AddressRefused:
    return AddressRefused(
        "address.host",
        Text(
            zh="主机名或端口不可用：只填主机名或 IP 地址，端口为 1 至 65535。请改正该发布渠道的设置。",
            en="The host or port is not usable: a host name or IP address alone, and a port from 1 to 65535. "
            "Correct the destination's settings.",
        ),
    )


def _refused_address(host: str, port: int) -> AddressRefused:
    return AddressRefused(
        "address.not_public",
        Text(
            zh=f"{host}:{port} 指向内网或保留地址，不能调用。确是本单位的主机时，请管理员把它加入允许名单。",
            en=f"{host}:{port} leads to a private or reserved address and is not called. If it is a host of "
            "your own, ask an administrator to put it on the allow list.",
        ),
    )


def _not_resolved(host: str) -> NameNotResolved:
    return NameNotResolved(
        "address.not_resolved",
        Text(
            zh=f"域名 {host} 暂时查不到地址。请检查拼写和网络，稍后再试。",
            en=f"The name {host} has no address at the moment. Check its spelling and the network, try later.",
        ),
    )
