"""A signed POST of the story as ninjs JSON to an address that the newsroom set up."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from platforms.calling import retry_after_s
from platforms.frame import (
    Addresses,
    Confirmed,
    DestinationConfig,
    Outcome,
    Platform,
    Problem,
    Refused,
    SettingsRefused,
    Tools,
    TryLater,
    missing_renditions,
    refuse_missing,
)
from platforms.net import CONNECT_TIMEOUT_S, TOTAL_TIMEOUT_S, AddressError, AddressRefused, NameNotResolved
from platforms.ninjs import ninjs
from platforms.story import PUBLIC_PROFILES, WHERE_POSSIBLE, Story, legal_text
from states.text import Text

REPLAY_WINDOW_S = 300
LEAST_SECRET_CHARACTERS = 16
KEPT_RESPONSE_BYTES = 2048
SHOWN_CHARACTERS = 500  # well short of what is kept: a key cut at the end of it is not shown
_TIMEOUT = httpx.Timeout(TOTAL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature header of these exact bytes: `v1=` and hex HMAC-SHA256 over `timestamp.body`."""
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={mac.hexdigest()}"


def verify_signature(secret: str, timestamp: str, body: bytes, signature: str, now_s: float) -> bool:
    """For receivers: whether the signature fits and the timestamp is within five minutes of `now_s`.

    `signature` may hold several, separated by commas, so that a secret can be changed without a gap.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now_s - int(timestamp)) > REPLAY_WINDOW_S:
        return False
    expected = sign(secret, timestamp, body).encode()
    return any(hmac.compare_digest(expected, part.strip().encode()) for part in signature.split(","))


class WebhookPlatform(Platform):
    """Any receiver of ours or of a partner. Settings: `url`; the secret signs. No limits are known."""

    name = "webhook"
    label = Text(zh="签名推送（Webhook）", en="Signed webhook")
    # The item links to the public files, so it needs what the app needs.
    renditions = PUBLIC_PROFILES
    where_possible = WHERE_POSSIBLE
    is_idempotent = True  # the receiver knows a repeat by its delivery id

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    async def check_settings(self, destination: DestinationConfig, addresses: Addresses) -> None:
        """An address that may be called, and a secret of 16 characters or more."""
        if "url" not in destination.settings:
            raise SettingsRefused("settings.url", Text("请填写接收地址。", "Give the receiver's address."))
        if len(destination.secret or "") < LEAST_SECRET_CHARACTERS:
            raise SettingsRefused("secret", _NO_SECRET)
        try:
            await addresses.check_url(destination.settings["url"])
        except AddressError as error:
            raise SettingsRefused("settings.url", error.text) from error

    def check(self, story: Story) -> tuple[Problem, ...]:  # noqa: ARG002 - nothing to hold it against
        """Nothing: what the receiver accepts is not known beforehand."""
        return ()

    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """POST the story. Confirmed on 2xx, Refused on 3xx and 4xx, TryLater on all that may pass."""
        missing = missing_renditions(self, story)
        if missing:
            return refuse_missing(missing)
        return await self._post(ninjs(story, tools.site), destination, delivery_id, tools)

    async def retract(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """POST the story as cancelled, under `<delivery id>.retract`, which no receiver takes for a repeat."""
        canceled = ninjs(replace(story, status="canceled"), tools.site)
        return await self._post(canceled, destination, f"{delivery_id}.retract", tools)

    async def _post(
        self, item: dict[str, Any], destination: DestinationConfig, key: str, tools: Tools
    ) -> Outcome:
        url, secret = destination.settings.get("url", ""), destination.secret
        if not url or not secret:
            return Refused(_NOT_SET_UP)
        body = _body(item, key)
        headers = _headers(key, secret, body, str(int(self._clock())))
        return await _attempt(tools, url, body, headers, _keys_in(url, secret))


async def _attempt(
    tools: Tools, url: str, body: bytes, headers: dict[str, str], hidden: tuple[str, ...]
) -> Outcome:
    # Errors of httpx may repeat the URL, which may carry a key: only our own words go on.
    try:
        async with asyncio.timeout(TOTAL_TIMEOUT_S):
            await tools.check_url(url)
            return await _send(tools.http, url, body, headers, hidden)
    except AddressRefused as error:
        return Refused(error.text)
    except NameNotResolved as error:
        return TryLater(error.text)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return Refused(_NOT_SET_UP)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
        return TryLater(_NOT_REACHED)
    except (httpx.TransportError, TimeoutError):
        return TryLater(_CUT_OFF)


def _body(item: dict[str, Any], key: str) -> bytes:
    # The delivery id is in the body too, and so under the signature: a copied request under another id
    # in its headers can be told from a new delivery.
    signed = item | {"altIds": [{"role": "delivery", "value": key}]}
    return legal_text(json.dumps(signed, ensure_ascii=False, separators=(",", ":"))).encode()


def _headers(key: str, secret: str, body: bytes, timestamp: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Sanshen",
        "Idempotency-Key": key,
        "X-Sanshen-Delivery": key,
        "X-Sanshen-Timestamp": timestamp,
        "X-Sanshen-Signature": sign(secret, timestamp, body),
    }


async def _send(
    client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str], hidden: tuple[str, ...]
) -> Outcome:
    request = client.build_request("POST", url, content=body, headers=headers, timeout=_TIMEOUT)
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        if response.is_success:  # its body is not needed, and a cut in it takes nothing back
            return Confirmed(external_id=headers["X-Sanshen-Delivery"], url=None)
        said = _without(await _excerpt(response), hidden)
        return _outcome(response.status_code, response.headers, said)
    finally:
        await response.aclose()


def _keys_in(url: str, secret: str) -> tuple[str, ...]:
    # Error pages like to repeat the path, and a webhook's path or query is often its password.
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return (secret,)
    parts = (secret, url, parsed.raw_path.decode(), parsed.path, *parsed.params.values())
    return tuple(sorted({part for part in parts if len(part) > 3}, key=len, reverse=True))


def _without(said: str, hidden: tuple[str, ...]) -> str:
    for key in hidden:
        said = said.replace(key, "***")
    return said[:SHOWN_CHARACTERS]


async def _excerpt(response: httpx.Response) -> str:
    kept = b""
    try:
        async for chunk in response.aiter_raw():  # raw: a small compressed answer must not grow here
            kept += chunk[: KEPT_RESPONSE_BYTES - len(kept)]
            if len(kept) >= KEPT_RESPONSE_BYTES:
                break
    except (httpx.TransportError, httpx.StreamError):
        kept += b" ..."  # cut off, or read before; the status line is known, and that is enough
    return kept.decode(errors="replace")


def _outcome(status: int, headers: httpx.Headers, excerpt: str) -> Outcome:
    said = f"HTTP {status}: {legal_text(excerpt).strip()}".rstrip(": ")
    if status in (408, 425, 429) or status >= 500:
        text = Text(
            zh=f"对方暂不接收，稍后自动再送。{said}", en=f"The receiver cannot take it now. Retrying. {said}"
        )
        return TryLater(text, retry_after_s(headers.get("Retry-After")))
    if status < 400:
        text = Text(
            zh=f"对方要求转到别的地址，不予跟随。请把渠道地址改为最终地址。{said}",
            en=f"The receiver redirects, which is not followed. Set the final address. {said}",
        )
        return Refused(text)
    text = Text(
        zh=f"对方拒收。请与接收方核对地址、密钥和内容，再重新投递。{said}",
        en=f"The receiver refused it. Check address, secret and content with them, then retry. {said}",
    )
    return Refused(text)


_NOT_SET_UP = Text(
    zh="该推送渠道缺少可用的地址（url）或密钥。请管理员补全后重新投递。",
    en="The webhook has no usable url or no secret. Ask an administrator to complete it, then retry.",
)
_NOT_REACHED = Text(
    zh="连不上对方主机，内容尚未送出，稍后自动再送。持续出现时请检查地址、证书和网络。",
    en="The receiver could not be reached; nothing was sent. Retrying. "
    "If it goes on, check address, certificate and network.",
)
_CUT_OFF = Text(
    zh="送出后没有等到答复。对方按投递编号去重，稍后自动再送。",
    en="No answer came after sending. The receiver knows repeats by the delivery id. Retrying.",
)
_NO_SECRET = Text(
    "请填写签名密钥，至少 16 个字符。", "Give the secret that signs what is sent, of 16 characters at least."
)
