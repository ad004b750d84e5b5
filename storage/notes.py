"""C2SP signed notes with Ed25519, and the two statements that the log signs: checkpoints and heads of items.

Formats: c2sp.org/signed-note and c2sp.org/tlog-checkpoint (read 2026-07); keys are spelled as Go's
golang.org/x/mod/sumdb/note spells them.
"""

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from states.merkle import HASH_BYTES
from states.text import Text
from storage.errors import StorageError
from storage.key_files import private_text

_ED25519 = b"\x01"
_MOST_SIGNATURES = 100  # as Go's implementation; the specification asks for 16 at least
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_SIGNATURE_LINE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_HEAD = "sanshen item head v1"  # with spaces, so it is no origin: a head never passes for a checkpoint


class NoteInvalid(StorageError):
    """A signed note or a key that is not what it should be; nothing in it may be believed."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(Text(zh, en))


@dataclass(frozen=True, slots=True)
class Verifier:
    """Who signs, for those who check: `name+hash+base64`."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """The inverse of `str`. Raises NoteInvalid."""
        name, key_id, key = _key_parts(text.strip())
        verifier = cls(name, key)
        if key_id != verifier.key_id.hex():
            raise NoteInvalid("验证公钥的编号与公钥不符。", "The verifier key's hash does not fit its key.")
        return verifier


@dataclass(frozen=True, slots=True)
class Signer:
    """The log's key. `str` of its verifier may be shown to anybody; the key itself is never shown."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, _private(self.seed).public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The text, which must end with a newline, as a signed note."""
        _check_text(text)
        signature = _private(self.seed).sign(text.encode())
        return f"{text}\n— {self.name} {_base64(self.verifier.key_id + signature)}\n"

    def encoded(self) -> str:
        """`PRIVATE+KEY+name+hash+base64`, as it stands in the key file."""
        key_id = self.verifier.key_id.hex()
        return f"PRIVATE+KEY+{self.name}+{key_id}+{_base64(_ED25519 + self.seed)}"

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """The inverse of `encoded`. Raises NoteInvalid, which does not quote the key."""
        prefix, found, rest = text.strip().partition("PRIVATE+KEY+")
        if prefix or not found:
            raise NoteInvalid("这不是签名私钥。", "This is no signer key (PRIVATE+KEY+…).")
        name, key_id, seed = _key_parts(rest)
        signer = cls(name, seed)
        if key_id != signer.verifier.key_id.hex():
            raise NoteInvalid("签名私钥的编号与私钥不符。", "The signer key's hash does not fit its key.")
        return signer


# To make a key costs as much as to sign with it.
_private = lru_cache(maxsize=8)(Ed25519PrivateKey.from_private_bytes)
_public = lru_cache(maxsize=8)(Ed25519PublicKey.from_public_bytes)


def _key_parts(text: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    key = _from_base64(encoded)
    if not is_key_name(name) or len(key) != 1 + HASH_BYTES or key[:1] != _ED25519:
        raise NoteInvalid(
            "密钥格式应为 名称+编号+base64（Ed25519）。", "A key is name+hash+base64, with an Ed25519 key."
        )
    return name, key_id, key[1:]


def is_key_name(name: str) -> bool:
    """Whether a key may be called so: something, without spaces and without a plus."""
    return bool(re.fullmatch(r"[^\s+\x00-\x20\x7f]+", name))


def new_signer(name: str | None = None) -> Signer:
    """A new key. Without a name the log is called `sanshen/` and eight random digits: no two alike."""
    return Signer(name or f"sanshen/{secrets.token_hex(4)}", secrets.token_bytes(HASH_BYTES))


def load_signer(path: Path, origin: str | None = None) -> Signer:
    """The key in this file, made at the first call and readable by its owner only; `origin` names a new one.

    Several processes may call it at once. Raises NoteInvalid for a file that holds no key, OSError.
    """
    return Signer.parse(private_text(path, lambda: new_signer(origin).encoded()) + "\n")


def open_note(note: str, verifier: Verifier) -> str:
    """The text of a note that this key has signed. Raises NoteInvalid for any other note."""
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    if not separator or not signatures.endswith("\n"):
        raise NoteInvalid("签名文书格式不正确。", "This is no signed note.")
    _check_text(text)
    lines = signatures[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise NoteInvalid("签名文书的签名过多。", "The note has too many signatures.")
    found = [signature for line in lines if (signature := _signature_of(line, verifier)) is not None]
    if not found:
        raise NoteInvalid(
            f"签名文书没有 {verifier.name} 的签名。", f"The note is not signed by {verifier.name}."
        )
    for signature in found:
        try:
            _public(verifier.public_key).verify(signature, text.encode())
        except InvalidSignature as error:
            raise NoteInvalid(
                f"{verifier.name} 的签名无效：文书被改动过，或签名是伪造的。",
                f"The signature of {verifier.name} does not hold: the note was changed or forged.",
            ) from error
    return text


def _signature_of(line: str, verifier: Verifier) -> bytes | None:
    """The signature in a line when it claims to be this key's; None for a line of another key."""
    parts = _SIGNATURE_LINE.fullmatch(line)
    if parts is None:
        raise NoteInvalid("签名行格式不正确。", "A signature line of the note is malformed.")
    name, encoded = parts.groups()
    signature = _from_base64(encoded)
    if len(signature) < 5 or not is_key_name(name):
        raise NoteInvalid("签名行格式不正确。", "A signature line of the note is malformed.")
    return signature[4:] if (name, signature[:4]) == (verifier.name, verifier.key_id) else None


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteInvalid(
            "签名文书含有控制字符或没有换行结尾。",
            "A note's text ends with a newline and holds no control character.",
        )


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says: so many entries, under this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text to be signed (c2sp.org/tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"

    @classmethod
    def open(cls, note: str, verifier: Verifier) -> "TreeHead":
        """What a checkpoint says, once its signature holds. Raises NoteInvalid."""
        origin, size, root = _lines(open_note(note, verifier), 3)
        head = cls(origin, _count(size), _from_base64(root))
        if origin != verifier.name or len(head.root) != HASH_BYTES:
            raise NoteInvalid("这不是本日志的检查点。", "This is no checkpoint of this log.")
        return head


@dataclass(frozen=True, slots=True)
class ItemHead:
    """As of `log_size` entries, the item has exactly `item_seq` events, and the last one has this hash."""

    origin: str
    submission_id: UUID
    item_seq: int
    hash: bytes
    log_size: int

    def text(self) -> str:
        """The text to be signed."""
        return f"{_HEAD}\n{self.origin}\n{self.submission_id}\n{self.item_seq}\n{self.hash.hex()}\n{self.log_size}\n"

    @classmethod
    def open(cls, note: str, verifier: Verifier) -> "ItemHead":
        """What the statement says, once its signature holds. Raises NoteInvalid."""
        kind, origin, submission, seq, hash_, size = _lines(open_note(note, verifier), 6)
        if kind != _HEAD or origin != verifier.name or not re.fullmatch("[0-9a-f]{64}", hash_):
            raise NoteInvalid("这不是本日志的稿件末端声明。", "This is no item head of this log.")
        try:
            return cls(origin, UUID(submission), _count(seq), bytes.fromhex(hash_), _count(size))
        except ValueError as error:
            raise NoteInvalid("稿件编号不正确。", "The item head names no submission.") from error


def _lines(text: str, count: int) -> list[str]:
    lines = text[:-1].split("\n")
    if len(lines) != count:  # extension lines are of no use here, and the specification advises against them
        raise NoteInvalid("签名文书的行数不正确。", "The note has not the lines that it should have.")
    return lines


def _count(text: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text):
        raise NoteInvalid("签名文书中的数目不正确。", "A number in the note is malformed.")
    return int(text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("base64 编码不正确。", "Something in it is no base64.") from error
    if _base64(data) != text:  # bits behind the end: the same bytes could be spelled in two ways
        raise NoteInvalid("base64 编码不正确。", "Something in it is no base64.")
    return data
