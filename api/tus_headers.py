"""The headers of tus 1.0.0 (tus.io/protocols/resumable-upload, read 2026-11-22), as plain values."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from api.problems import ApiProblem, invalid_field
from states.text import Text

VERSION = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration,concatenation"
ALGORITHMS: Mapping[str, Callable[[], Any]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}
_NUMBER = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"[!-+\--~]{1,100}")  # visible ASCII without the comma
_LAST_ID = re.compile(r"(?:https?://[^/\s]+)?/[^\s?#]*/tus/([0-9a-fA-F-]{36})")
_MOST_METADATA = 8192
_MOST_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the body of one request must come to."""

    algorithm: str
    digest: bytes


def bad_header(name: str, zh: str, en: str) -> ApiProblem:
    """The problem of a header that is missing or cannot be read: 400, as the protocol has it."""
    return ApiProblem("bad-request", Text(f"{name}：{zh}", f"{name}: {en}"))


def check_version(headers: Mapping[str, str]) -> None:
    """Nothing, or 412 where the client speaks no version that we do."""
    if headers.get("tus-resumable") != VERSION:
        text = Text(
            f"请在 Tus-Resumable 头中给出 {VERSION}。", f"Send the header Tus-Resumable with {VERSION}."
        )
        raise ApiProblem("tus-version", text, Tus_Version=VERSION)


def number(headers: Mapping[str, str], name: str) -> int:
    """A header that is a plain whole number. Raises ApiProblem 400."""
    given = headers.get(name, "").strip()
    if not _NUMBER.fullmatch(given):
        raise bad_header(name, "应为非负整数。", "this must be a whole number, 0 or more.")
    return int(given)


def upload_length(headers: Mapping[str, str]) -> int:
    """The size of a new upload in bytes. Raises ApiProblem 400, also where it is to be told later."""
    if "upload-defer-length" in headers:
        raise bad_header(
            "Upload-Defer-Length",
            "创建时必须给出 Upload-Length。",
            "give Upload-Length when you create the upload.",
        )
    return number(headers, "Upload-Length")


def metadata(given: str | None) -> dict[str, str]:
    """`Upload-Metadata` as names and values. Raises ApiProblem 400."""
    if given is None or not given.strip():
        return {}
    if len(given) > _MOST_METADATA:
        raise _bad_metadata()
    found: dict[str, str] = {}
    for pair in given.split(","):
        name, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(name) or name in found:
            raise _bad_metadata()
        found[name] = _decoded(value.strip())
    return found


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _bad_metadata() from error


def _bad_metadata() -> ApiProblem:
    return bad_header(
        "Upload-Metadata",
        "应为“名称 Base64 值”，以逗号分隔，名称不重复。",
        "this must be names, each with its value in Base64 (UTF-8), by commas; no name twice.",
    )


def checksum(given: str | None) -> Checksum | None:
    """`Upload-Checksum`; None where there is none. Raises ApiProblem 400."""
    if given is None:
        return None
    algorithm, _, value = given.strip().partition(" ")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in ALGORITHMS or len(digest) != ALGORITHMS[algorithm]().digest_size:
        names = ", ".join(ALGORITHMS)
        raise bad_header(
            "Upload-Checksum",
            f"应为 {names} 之一及其 Base64 值。",
            f"this must be one of {names}, and its value in Base64.",
        )
    return Checksum(algorithm, digest)


def concat(given: str | None) -> tuple[str | None, list[str]]:
    """`Upload-Concat`: (None, []), ("partial", []), or ("final", ids in order). Raises ApiProblem 400."""
    if given is None:
        return None, []
    kind, _, addresses = given.strip().partition(";")
    if kind == "partial" and not addresses:
        return "partial", []
    found = [_LAST_ID.fullmatch(each) for each in addresses.split()]
    ids = [_id(each.group(1)) for each in found if each is not None]
    if (
        kind != "final"
        or not ids
        or None in found
        or None in ids
        or not len(set(ids)) == len(ids) <= _MOST_PARTS
    ):
        raise bad_header(
            "Upload-Concat",
            "应为 partial，或 final; 后接各部分的地址。",
            "this must be `partial`, or `final;` and the addresses of the parts, each once.",
        )
    return "final", [str(each) for each in ids]


def _id(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def submission_of(given: Mapping[str, str]) -> UUID:
    """The submission that the metadata name. Raises InvalidFields."""
    found = _id(given.get("submission_id", ""))
    if found is None:
        raise invalid_field(
            "Upload-Metadata.submission_id",
            "请给出稿件编号，或改用 /api/v1/submissions/{id}/tus。",
            "Name the submission here, or create at /api/v1/submissions/{id}/tus.",
        )
    return found


def http_date(at: datetime) -> str:
    """A moment as HTTP writes it (RFC 9110 section 5.6.7)."""
    return format_datetime(at, usegmt=True)
