"""One message to one SMTP server: encrypted, logged in, and clear about whether it was handed over."""

import asyncio
import base64
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPResponseException

from platforms.connecting import LinkFailed, checked_socket, port_of, said
from platforms.frame import DestinationConfig, Refused, Tools, TryLater, Unknown
from platforms.mail_words import (
    CUT_OFF,
    MAY_BE_OUT,
    NO_LOGIN,
    NO_TLS,
    NOT_TRUSTED,
    not_logged_in,
    not_now,
    not_set_up,
    turned_away,
)

REPLY_S = 60.0
FINAL_REPLY_S = 600.0  # RFC 5321, section 4.5.3.2.6: shorter, and a slow server sends it twice
PORTS = {"tls": 465, "starttls": 587}
_CHUNK_BYTES = 64 * 1024
_ADDRESS = re.compile(r"[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z0-9-]{2,63}")

MakeTls = Callable[[], ssl.SSLContext]


@dataclass(frozen=True, slots=True)
class MailSettings:
    """A destination's settings, read and found usable."""

    host: str
    port: int
    security: str
    sender: str
    recipients: tuple[str, ...]
    user: str
    password: str = field(repr=False)
    max_bytes: int | None = None

    @property
    def hidden(self) -> tuple[str, ...]:
        """Every form in which the password crosses the line."""
        forms = (self.password, f"\0{self.user}\0{self.password}")
        return (self.password, *(base64.b64encode(form.encode()).decode() for form in forms if self.password))


def mail_settings(destination: DestinationConfig) -> MailSettings:
    """The settings `host`, `security` (`tls`, or `starttls`), `port` (465 or 587), `from`, `to` (addresses with
    commas between), `user` (none: no login) and `max_bytes` (only below the platform's own budget); the secret is the
    password. Raises LinkFailed with a refusal that names what is amiss.
    """
    settings = {name: value.strip() for name, value in destination.settings.items()}
    security = settings.get("security", "") or "tls"
    user, most = settings.get("user", ""), settings.get("max_bytes", "")
    recipients = tuple(dict.fromkeys(re.split(r"[,;\s]+", settings.get("to", "").strip(",; "))))
    port = port_of(settings.get("port", ""), PORTS.get(security, 0))
    for name, is_usable in (
        ("host", bool(settings.get("host"))),
        ("security", security in PORTS),
        ("port", 0 < port < 65_536),
        ("from", bool(_ADDRESS.fullmatch(settings.get("from", "")))),
        ("to", all(_ADDRESS.fullmatch(each) for each in recipients)),
        ("user", user.isprintable()),
        ("secret", bool(destination.secret) or not user),
        ("max_bytes", not most or (most.isascii() and most.isdigit() and len(most) < 12)),
    ):
        if not is_usable:
            raise LinkFailed(Refused(not_set_up(name)))
    return MailSettings(
        settings["host"],
        port,
        security,
        settings["from"],
        recipients,
        user,
        (destination.secret or "") if user else "",
        int(most) if most else None,
    )


async def send(
    settings: MailSettings, message: bytes, tools: Tools, make_tls: MakeTls
) -> Refused | TryLater | Unknown | None:
    """None: the server has taken it for every recipient. Otherwise nobody has it, or, Unknown, all may have it."""
    tls = await asyncio.to_thread(make_tls)
    try:
        opened = await checked_socket(tools, settings.host, settings.port)
    except LinkFailed as failed:
        return failed.outcome
    client = SMTP(
        hostname=settings.host,
        sock=opened,
        use_tls=settings.security == "tls",
        start_tls=False,
        tls_context=tls,
        local_hostname=settings.sender.rpartition("@")[2],
        timeout=REPLY_S,
    )
    try:
        await _ready(client, settings)
        await _begin(client, settings, len(message))
        await _body(client, message)
    except LinkFailed as failed:
        return failed.outcome
    except (SMTPException, OSError) as error:
        return _meaning(error, settings.hidden)
    else:
        return await _end(client, settings)
    finally:
        client.close()


async def _ready(client: SMTP, settings: MailSettings) -> None:
    await client.connect()
    await client.ehlo()
    if settings.security == "starttls":
        if not client.supports_extension("starttls"):
            raise LinkFailed(Refused(NO_TLS))
        await client.starttls()
        await client.ehlo()
    if not settings.user:
        return
    if not client.supported_auth_methods:
        raise LinkFailed(Refused(NO_LOGIN))
    await client.login(settings.user, settings.password)


async def _begin(client: SMTP, settings: MailSettings, size_bytes: int) -> None:
    """The envelope. One recipient turned away, and nobody gets it: the mail can then be sent again to all."""
    options = []
    if client.supports_extension("size"):
        options.append(f"SIZE={size_bytes}")  # RFC 1870: so that it is refused now, and not after the sending
    await client.mail(settings.sender, options=options)
    for recipient in settings.recipients:
        await client.rcpt(recipient)
    answer = await client.execute_command(b"DATA")
    if answer.code != 354:
        raise SMTPResponseException(answer.code, answer.message)


async def _body(client: SMTP, message: bytes) -> None:
    """All but the line that ends it. What breaks here was never handed over (RFC 5321, section 4.1.1.4)."""
    stuffed = re.sub(rb"(?m)^\.", b"..", message)
    if not stuffed.endswith(b"\r\n"):
        stuffed += b"\r\n"
    for at in range(0, len(stuffed), _CHUNK_BYTES):
        if client.protocol is None:
            raise ConnectionResetError
        client.protocol.write(stuffed[at : at + _CHUNK_BYTES])
        async with asyncio.timeout(REPLY_S):
            while _waiting_bytes(client):  # noqa: ASYNC110 - a transport has no event for "all is written"
                await asyncio.sleep(0.002)


def _waiting_bytes(client: SMTP) -> int:
    transport = client.protocol.transport if client.protocol else None
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    return cast(asyncio.WriteTransport, transport).get_write_buffer_size()


async def _end(client: SMTP, settings: MailSettings) -> Refused | TryLater | Unknown | None:
    """The line that ends it, and what the server says to it: from here on, no answer means that it may be out."""
    try:
        answer = await client.execute_command(b".", timeout=FINAL_REPLY_S)
    except (SMTPException, OSError):
        return Unknown(MAY_BE_OUT)
    if not 200 <= answer.code < 300:
        if not 400 <= answer.code < 600:
            return Unknown(MAY_BE_OUT)
        return _meaning(SMTPResponseException(answer.code, answer.message), settings.hidden)
    with suppress(SMTPException, OSError):  # it is taken, whatever comes after
        await client.quit(timeout=5)
    return None


def _meaning(error: SMTPException | OSError, hidden: tuple[str, ...]) -> Refused | TryLater:
    """What an error before the end means: nothing was handed over."""
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(
        error.__cause__, ssl.SSLCertVerificationError
    ):
        return Refused(NOT_TRUSTED)
    if not isinstance(error, SMTPResponseException):
        return TryLater(CUT_OFF)
    words = said(f"{error.code} {error.message}", hidden)
    if not 500 <= error.code < 600:
        return TryLater(not_now(words))
    return Refused(not_logged_in(words) if isinstance(error, SMTPAuthenticationError) else turned_away(words))
