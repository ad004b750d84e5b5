"""The one way adapters call a platform's JSON or multipart API: checked, bounded, and clear about what it means.

What goes wrong becomes one of three outcomes: Refused, TryLater (certainly not accepted, or harmless to repeat) and
Unknown (may have been accepted). The words are ours alone: an address, a body or an answer may carry a token.
"""

import asyncio
import io
import json
import logging
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from platforms.frame import Outcome, Refused, Tools, TryLater, Unknown
from platforms.net import CONNECT_TIMEOUT_S, TOTAL_TIMEOUT_S, AddressRefused, NameNotResolved
from states.text import Text

# Its line for every request holds the whole address, and some platforms want the token there.
logging.getLogger("httpx").setLevel(logging.WARNING)

LONGEST_WAIT_S = 86_400.0  # a receiver may ask for a pause, not park a delivery for ever
MAX_ANSWER_BYTES = 1024 * 1024
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})


class CallFailed(Exception):
    """The call brought no usable answer; `outcome` says what that means for the delivery, in our own words."""

    def __init__(self, outcome: Refused | TryLater | Unknown) -> None:
        super().__init__(outcome.text.en)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `is_final`: it cannot be undone, so a break in it is Unknown, never a reason to repeat it.

    `query` and `headers` may hold tokens. At most one of `json`, or `form` with `files` (field -> name, bytes, type).
    """

    method: str
    url: str
    is_final: bool = False
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes, str]] | None = None
    timeout_s: float = TOTAL_TIMEOUT_S

    def __repr__(self) -> str:
        return f"Request({self.method})"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with a status below 500 and no redirect; 4xx is the caller's to read."""

    status: int
    body: bytes
    is_final: bool
    retry_after_s: float | None

    def object(self) -> dict[str, Any]:
        """The JSON object in the body. Raises CallFailed where there is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        if self.status >= 400:
            raise CallFailed(_turned_away(self.status))
        raise CallFailed(broken_off(is_final=self.is_final, text=_NOT_UNDERSTOOD))

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


async def call(tools: Tools, request: Request) -> Answer:
    """The answer to one call, within `timeout_s` in all and MAX_ANSWER_BYTES, redirects not followed.

    Raises CallFailed: Refused where the address must not be called or redirects, TryLater where nothing was
    accepted (not reached, 425, 429) or the call is harmless, Unknown where a final call broke off or met a 5xx.
    """
    failed: Outcome
    try:
        async with asyncio.timeout(request.timeout_s):
            await tools.check_url(request.url)
            return await _send(tools.http, request)
    except AddressRefused as error:
        failed = Refused(error.text)
    except NameNotResolved as error:
        failed = TryLater(error.text)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        failed = Refused(_NO_ADDRESS)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        failed = TryLater(_NOT_REACHED)
    except (httpx.TransportError, TimeoutError):
        failed = broken_off(is_final=request.is_final)
    # Raised out here, so that no error of httpx, which holds the request, hangs on as its context.
    raise CallFailed(failed)


def broken_off(*, is_final: bool, text: Text | None = None) -> TryLater | Unknown:
    """What a call without a usable answer means: a final one may have been accepted, any other is repeated."""
    if is_final:
        return Unknown(_MAY_BE_THERE)
    return TryLater(text or _CUT_OFF)


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3: seconds or a date), at most LONGEST_WAIT_S; None
    where it is absent or unreadable.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else None


async def _send(client: httpx.AsyncClient, request: Request) -> Answer:
    built = _built(client, request)
    response = await client.send(built, stream=True, follow_redirects=False)
    try:
        _raise_for_status(response, is_final=request.is_final)
        body = await _bounded(response)
    finally:
        await response.aclose()
    if body is None:
        raise CallFailed(broken_off(is_final=request.is_final, text=_NOT_UNDERSTOOD))
    wait_s = retry_after_s(response.headers.get("Retry-After"))
    return Answer(response.status_code, body, request.is_final, wait_s)


def _built(client: httpx.AsyncClient, request: Request) -> httpx.Request:
    headers = {"User-Agent": "Sanshen", "Accept-Encoding": "identity", **(request.headers or {})}
    content = None
    if request.json is not None:
        # Not \u escapes: WeChat shows them to readers as they are.
        content = json.dumps(request.json, ensure_ascii=False, separators=(",", ":")).encode()
        headers["Content-Type"] = "application/json; charset=utf-8"
    return client.build_request(
        request.method,
        request.url,
        params=request.query,
        headers=headers,
        content=content,
        data=request.form,
        files=_in_pieces(request.files),
        timeout=httpx.Timeout(request.timeout_s, connect=min(CONNECT_TIMEOUT_S, request.timeout_s)),
    )


def _in_pieces(files: Mapping[str, tuple[str, bytes, str]] | None) -> dict[str, Any] | None:
    # As a file it is sent in small pieces; as bytes, every layer down to the socket would copy the whole of it.
    if files is None:
        return None
    return {field: (name, io.BytesIO(data), type_) for field, (name, data, type_) in files.items()}


def _raise_for_status(response: httpx.Response, *, is_final: bool) -> None:
    status = response.status_code
    wait_s = retry_after_s(response.headers.get("Retry-After"))
    if status in (425, 429):  # by their definition the request was not processed
        raise CallFailed(TryLater(_busy(status), wait_s))
    if status == 408 or status >= 500:
        raise CallFailed(Unknown(_MAY_BE_THERE) if is_final else TryLater(_busy(status), wait_s))
    if not (response.is_success or status >= 400):
        raise CallFailed(Unknown(_MAY_BE_THERE) if is_final else Refused(_redirected(status)))


async def _bounded(response: httpx.Response) -> bytes | None:
    """The body; None where it is too large or packed in a way that was not asked for."""
    raw = b""
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            return None
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packing in ("identity", ""):
        return raw
    if packing not in _COMPRESSED:
        return None
    try:  # a small compressed answer must not grow without bounds
        body = zlib.decompressobj(wbits=47).decompress(raw, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        return None
    return body if len(body) <= MAX_ANSWER_BYTES else None


def _busy(status: int) -> Text:
    return Text(
        zh=f"平台暂不接收（HTTP {status}），稍后自动再试。",
        en=f"The platform cannot take it now (HTTP {status}). Retrying.",
    )


def _redirected(status: int) -> Text:
    return Text(
        zh=f"平台要求转到别的地址（HTTP {status}），不予跟随。请管理员核对接口地址和网络出口。",
        en=f"The platform redirects (HTTP {status}), which is not followed. Have an administrator check the "
        "address of the API and the way out of the network.",
    )


def _turned_away(status: int) -> Refused:
    return Refused(
        Text(
            zh=f"平台拒绝了调用，且没有说明原因（HTTP {status}）。请管理员核对接口地址、权限和密钥。",
            en=f"The platform refused the call without a reason (HTTP {status}). Have an administrator check "
            "address, permissions and secret.",
        )
    )


_NO_ADDRESS = Text(
    zh="平台接口的地址不可用。请管理员核对该渠道的设置。",
    en="The address of the platform's API is not usable. Have an administrator check the destination.",
)
_NOT_REACHED = Text(
    zh="连不上平台，内容尚未送出，稍后自动再试。持续出现时请检查网络和证书。",
    en="The platform could not be reached; nothing was sent. Retrying. If it goes on, check network and "
    "certificate.",
)
_CUT_OFF = Text(
    zh="平台没有答复完整，这一步可以安全重做，稍后自动再试。",
    en="The platform's answer broke off. This step is safe to repeat. Retrying.",
)
_NOT_UNDERSTOOD = Text(
    zh="平台的答复无法读取，这一步可以安全重做，稍后自动再试。",
    en="The platform's answer could not be read. This step is safe to repeat. Retrying.",
)
_MAY_BE_THERE = Text(
    zh="已发出，但没有得到可靠答复：平台可能已经收下，不会自动重发。请先查询或到平台核实。",
    en="It was sent and no reliable answer came: the platform may have it, so it is not sent again by itself. "
    "Look it up, or look there first.",
)
