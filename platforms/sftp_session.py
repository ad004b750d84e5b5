"""A session with a drop folder's server: the settings, the pinned host key, the login, and what errors mean."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncssh

from platforms.connecting import LinkFailed, checked_socket, port_of, said
from platforms.frame import DestinationConfig, Refused, Tools, TryLater
from platforms.sftp_words import (
    CUT_OFF,
    FOLDER_MISSING,
    NO_HANDSHAKE,
    NO_SFTP,
    NOT_LOGGED_IN,
    host_key_differs,
    not_set_up,
    not_taken,
    turned_away,
)

PORT = 22
LOGIN_S = 20.0
STALL_S = 60.0  # for one request, the longest of which carries a part of four mebibytes
CLOSE_S = 5.0
_OTHER_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


@dataclass(frozen=True, slots=True)
class DropSettings:
    """A destination's settings, read and found usable."""

    host: str
    port: int
    user: str
    folder: str
    host_keys: tuple[asyncssh.SSHKey, ...]
    password: str | None = field(repr=False)
    private_key: asyncssh.SSHKey | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session; `folder` is where the files go."""

    sftp: asyncssh.SFTPClient
    folder: str

    def path(self, name: str) -> str:
        """The path of a name in the drop folder."""
        return f"{self.folder}/{name}"


class _Pinned(asyncssh.SSHClient):
    """Trusts no key that was not pinned, and keeps which one was shown."""

    shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        self.shown = key.get_fingerprint()
        return False


def drop_settings(destination: DestinationConfig) -> DropSettings:
    """The settings `host`, `port` (22), `user`, `folder` and `host_key` (lines as `ssh-keyscan` prints them), and
    the secret: a private key in PEM, or else the password. Raises LinkFailed with a refusal that names what is amiss.
    """
    settings = destination.settings
    host, user = settings.get("host", "").strip(), settings.get("user", "").strip()
    folder = settings.get("folder", "").strip().rstrip("/") or ("/" if settings.get("folder") else "")
    port = port_of(settings.get("port", ""), PORT)
    for name, is_usable in (
        ("host", bool(host)),
        ("port", 0 < port < 65_536),
        ("user", bool(user) and user.isprintable()),
        ("folder", bool(folder) and folder.isprintable() and ".." not in folder.split("/")),
        ("secret", bool(destination.secret)),
    ):
        if not is_usable:
            raise LinkFailed(Refused(not_set_up(name)))
    password, private_key = _credential(destination.secret or "")
    keys = _host_keys(settings.get("host_key", ""))
    return DropSettings(host, port, user, folder, keys, password, private_key)


def _host_keys(lines: str) -> tuple[asyncssh.SSHKey, ...]:
    keys = []
    for line in lines.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        # `ssh-keyscan` and known_hosts put the host's name first.
        start = next((at for at, word in enumerate(words[:2]) if word.startswith(("ssh-", "ecdsa-"))), 0)
        try:
            keys.append(asyncssh.import_public_key(" ".join(words[start : start + 2])))
        except (asyncssh.KeyImportError, ValueError) as error:
            raise LinkFailed(Refused(not_set_up("host_key"))) from error
    if not keys:
        raise LinkFailed(Refused(not_set_up("host_key")))
    return tuple(keys)


def _credential(secret: str) -> tuple[str | None, asyncssh.SSHKey | None]:
    if "-----BEGIN" not in secret:
        return secret, None
    try:
        return None, asyncssh.import_private_key(secret.strip() + "\n")
    except (asyncssh.KeyImportError, ValueError):  # their words may repeat some of the key
        pass
    raise LinkFailed(Refused(not_set_up("secret")))


@asynccontextmanager
async def drop_session(destination: DestinationConfig, tools: Tools) -> AsyncIterator[Session]:
    """An open session. Raises LinkFailed for what goes wrong with it, then or later; of the body's own errors it
    takes those of SSH, SFTP and the network, and no others.
    """
    settings = drop_settings(destination)
    failed: Refused | TryLater
    try:
        connection = await _connection(settings, tools)
        try:
            async with asyncio.timeout(LOGIN_S):
                sftp = await connection.start_sftp_client(path_errors="surrogateescape")
            yield Session(sftp, settings.folder)
        finally:
            await _close(connection)
        return
    except asyncssh.ChannelOpenError:
        failed = Refused(NO_SFTP)
    except asyncssh.Error as error:
        failed = meaning(error, settings.password or "")
    except OSError:
        failed = TryLater(CUT_OFF)
    raise LinkFailed(failed)


async def _connection(settings: DropSettings, tools: Tools) -> asyncssh.SSHClientConnection:
    opened = await checked_socket(tools, settings.host, settings.port)
    pinned = _Pinned()
    failed: Refused | TryLater
    try:
        return await asyncssh.connect(
            settings.host,
            settings.port,
            sock=opened,
            client_factory=lambda: pinned,
            known_hosts=(list(settings.host_keys), [], []),
            server_host_key_algs=_algorithms(settings.host_keys),
            username=settings.user,
            password=settings.password,
            client_keys=[settings.private_key] if settings.private_key else None,
            # Nothing of this machine's own: no ~/.ssh/config, no agent, no keys, no Kerberos.
            config=None,
            agent_path=None,
            gss_host=None,
            login_timeout=LOGIN_S,
            keepalive_interval=15,
        )
    except asyncssh.HostKeyNotVerifiable:
        expected = ", ".join(key.get_fingerprint() for key in settings.host_keys)
        failed = Refused(host_key_differs(pinned.shown, expected))
    except asyncssh.KeyExchangeFailed:
        failed = Refused(NO_HANDSHAKE)
    except asyncssh.PermissionDenied:
        failed = Refused(NOT_LOGGED_IN)
    except (asyncssh.Error, OSError):
        failed = TryLater(CUT_OFF)
    except ValueError:  # a name or password that SSH cannot carry (RFC 4013)
        opened.close()
        failed = Refused(NOT_LOGGED_IN)
    raise LinkFailed(failed)


def _algorithms(pinned: Sequence[asyncssh.SSHKey]) -> list[str]:
    """The pinned kinds first, so that a server with several keys shows that one; then the others, so that a server
    with none of it shows another and is told apart from one that does not answer.
    """
    first = [name.decode() for key in pinned for name in key.sig_algorithms]
    return list(dict.fromkeys((*first, *_OTHER_ALGORITHMS)))


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await connection.wait_closed()
    except (TimeoutError, asyncssh.Error, OSError):
        connection.abort()


def meaning(error: asyncssh.Error, hidden: str) -> Refused | TryLater:
    """What an error of SSH or SFTP means for a drop, which is safe to repeat."""
    if not isinstance(error, asyncssh.SFTPError) or isinstance(error, _CUTS):
        return TryLater(CUT_OFF)
    if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath | asyncssh.SFTPNotADirectory):
        return Refused(FOLDER_MISSING)
    words = said(error.reason, (hidden,))
    if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPWriteProtect):
        return Refused(turned_away(words))
    return TryLater(not_taken(words))


_CUTS = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
