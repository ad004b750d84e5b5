"""A real SMTP server (aiosmtpd) with a certificate of its own authority, a login, and a mailbox in memory."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "news@example.org", "c0rrect-horse-battery"


@dataclass
class Mailbox:
    """What the server has taken, and what it says where it is told to say something else."""

    port: int = 0
    taken: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)  # a command, or an address, to its answer

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails, parsed."""
        return [message_from_bytes(each, policy=default) for each in self.taken]  # type: ignore[misc]

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        """aiosmtpd's hook."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.says.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        """aiosmtpd's hook."""
        answer = self.says.get(address, "250 OK")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """aiosmtpd's hook: the mail is taken before the answer is given."""
        answer = self.says.get("DATA", "250 OK")
        if answer.startswith("2"):
            self.taken.append(envelope.content)
            self.recipients.append(envelope.rcpt_tos)
        return answer

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """aiosmtpd's authenticator."""
        login, password = data.login.decode(), data.password.decode()
        self.logins.append(mechanism)
        if (login, password) == (USER, PASSWORD):
            return AuthResult(success=True)
        # Some servers repeat what they were given.
        return AuthResult(success=False, handled=False, message=f"535 5.7.8 {login}:{password} is wrong")


@dataclass
class Authority:
    """A certificate authority of the test's own, and a server's certificate for `localhost`."""

    folder: Path

    def __post_init__(self) -> None:
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("test authority")
        authority = _certificate(name, name, key.public_key(), key, is_authority=True)
        (self.folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        own = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(_name("localhost"), name, own.public_key(), key, is_authority=False)
        pem = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.folder / "server.pem").write_bytes(pem + leaf.public_bytes(serialization.Encoding.PEM))

    def trusting(self) -> ssl.SSLContext:
        """What a client uses that knows this authority."""
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def serving(self) -> ssl.SSLContext:
        """What the server uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        return context


@asynccontextmanager
async def smtp_server(
    tls: ssl.SSLContext | None, *, is_wrapped: bool = False, size_limit: int = 33_554_432
) -> AsyncIterator[Mailbox]:
    """A server on this machine. `tls`: STARTTLS, or from the first byte where `is_wrapped`; None: neither."""
    mailbox = Mailbox()

    def session() -> SMTP:
        return SMTP(
            mailbox,
            hostname="localhost",
            tls_context=None if is_wrapped else tls,
            require_starttls=tls is not None and not is_wrapped,
            authenticator=mailbox.authenticate,
            auth_required=tls is not None and not is_wrapped,
            auth_require_tls=not is_wrapped,
            data_size_limit=size_limit,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if is_wrapped else None)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signed_by: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    alternatives = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by.public_key()), critical=False
        )
    )
    if not is_authority:
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(signed_by, hashes.SHA256())
