"""ETags and what clients say about them (RFC 9110 section 13.1).

The tag of a submission is its version; that of an administrator's small record is the hash of what is shown.
"""

import hashlib
import re
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from api.problems import ApiProblem, invalid_field
from states.text import Text

IfMatch = Annotated[
    str | None,
    Header(description='The ETag that you saw, as in `"7"`. `*` is not accepted.', examples=['"7"']),
]
IfNoneMatch = Annotated[str | None, Header(description="ETags that you have; 304 when one is current.")]

_ONE_TAG = re.compile(r'(W/)?"([^"]*)"')
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_NEVER = -1  # fits no version, so the answer is 412 with the current one


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def seen_version(if_match: str | None) -> int | None:
    """The version that the client saw, None where it does not say.

    A weak tag never matches (RFC 9110 section 13.1.1). Raises ApiProblem for `*` and for what is not one
    entity tag.
    """
    if if_match is None:
        return None
    if if_match.strip() == "*":
        raise _required(
            "If-Match 不能用 *，请给出读到的 ETag。", "`*` is not accepted: give the ETag that you read."
        )
    found = _ONE_TAG.fullmatch(if_match.strip())
    if found is None:
        raise invalid_field(
            "If-Match", '应为一个带引号的 ETag，例如 "7"。', 'This must be one quoted ETag, such as "7".'
        )
    is_weak, tag = found.groups()
    return int(tag) if not is_weak and _VERSION.fullmatch(tag) else _NEVER


def required_version(if_match: str | None) -> int:
    """As `seen_version`; ApiProblem 428 where the client does not say (RFC 6585 section 3)."""
    seen = seen_version(if_match)
    if seen is None:
        raise _required(
            "请在 If-Match 头中给出读到的 ETag，以免覆盖他人的修改。",
            "Give the ETag that you read in the If-Match header, so that nobody's change is overwritten.",
        )
    return seen


def content_tag(shown: BaseModel) -> str:
    """The strong entity tag of a record that has no version of its own."""
    return f'"{hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:32]}"'


def require_current(if_match: str | None, current: BaseModel) -> None:
    """Nothing, when the client saw the record as it is now. The caller holds the record against other writers.

    Raises ApiProblem: 428 where the client does not say, 412 with the current tag where it saw another one.
    """
    if if_match is None or if_match.strip() == "*":
        required_version(if_match)
    tag = content_tag(current)
    if if_match != tag:
        text = Text(
            "您看到的已被他人改过。请重新读取，核对后再改。",
            "Somebody changed it after you read it. Read it again, and then change it.",
        )
        raise ApiProblem("stale-version", text, ETag=tag)


def has_current(if_none_match: str | None, current: str) -> bool:
    """Whether the client has the current representation (weak comparison)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or current.removeprefix("W/") in tags


def _required(zh: str, en: str) -> ApiProblem:
    return ApiProblem("precondition-required", Text(zh, en))
