"""Calls to Douyin's open API (open.douyin.com): signing in, uploading, creating, listing; and what its codes mean."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from platforms.calling import Answer, CallFailed, Request, broken_off, call
from platforms.douyin_codes import meaning, read_code
from platforms.douyin_limits import PART_ADVISED, PART_MIN
from platforms.frame import DestinationConfig, Refused, Tools
from platforms.story import StoryFile
from states.text import Text

PUBLIC_URL = "https://open.douyin.com"
# A file below the two together is sent in one piece: it would be a single part anyway.
PART_BYTES = PART_ADVISED.value or 0
PART_MIN_BYTES = PART_MIN.value or 0
UPLOAD_TIMEOUT_S = 180.0  # one part over a line of 1 Mbit/s
_PAGE = 20
_PAGES = 10


@dataclass(frozen=True, slots=True)
class Account:
    """A signed-in account: where to call, as whom, and with which token, which stays out of the repr."""

    tools: Tools = field(repr=False)
    url: str
    open_id: str = field(repr=False)
    access_token: str = field(repr=False)


async def sign_in(tools: Tools, destination: DestinationConfig) -> Account:
    """An access token for the refresh token, which the call leaves as it is. Raises CallFailed."""
    settings = destination.settings
    client_key, open_id = settings.get("client_key", ""), settings.get("open_id", "")
    if not client_key or not open_id or not destination.secret:
        raise CallFailed(Refused(_NOT_SET_UP))
    url = settings.get("api_url", PUBLIC_URL).rstrip("/")
    form = {
        "client_key": client_key,
        "grant_type": "refresh_token",
        "refresh_token": destination.secret,
    }
    data = _data(await call(tools, Request("POST", f"{url}/oauth/refresh_token/", form=form)))
    token = data.get("access_token")
    if not isinstance(token, str) or not _is_header(token):
        raise CallFailed(broken_off(is_final=False))
    return Account(tools, url, open_id, token)


async def upload_video(account: Account, file: StoryFile) -> str:
    """The video id of an uploaded file, in parts where it is large, of which one is in memory. Raises CallFailed."""
    if file.size_bytes < PART_BYTES + PART_MIN_BYTES:
        data = await _send_file(account, "upload_video", await _bytes(account, file, 0, file.size_bytes))
        return _id(_inner(data, "video"), "video_id")
    begun = await _ask(account, _video_call("init_video_part_upload"))
    upload = {"upload_id": _id(begun, "upload_id")}
    first = 0
    for number, size in enumerate(part_sizes(file.size_bytes), 1):  # they count from 1
        query = upload | {"part_number": str(number)}
        # No name holds a part, so that it is gone before the next is read.
        await _send_file(account, "upload_video_part", await _bytes(account, file, first, size), query)
        first += size
    data = await _ask(account, _video_call("complete_video_part_upload"), upload)
    return _id(_inner(data, "video"), "video_id")


async def upload_cover(account: Account, file: StoryFile) -> str:
    """The image id of an uploaded cover. Raises CallFailed."""
    data = await _send_file(account, "upload_image", await _bytes(account, file, 0, file.size_bytes))
    return _id(_inner(data, "image"), "image_id")


async def create_video(account: Account, video_id: str, cover_id: str, text: str) -> str:
    """The item id of the new post; the one call that cannot be undone. Raises CallFailed."""
    body = {"video_id": video_id, "text": text, "custom_cover_image_url": cover_id}
    data = await _ask(account, _video_call("create_video"), body=body, is_final=True)
    return _id(data, "item_id", is_final=True)


async def item_of(account: Account, item_id: str) -> dict[str, Any] | None:
    """What Douyin says of one of the account's videos; None where it does not list it. Raises CallFailed."""
    data = await _ask(account, _video_call("video_data"), body={"item_ids": [item_id]})
    return next((item for item in _items(data) if item.get("item_id") == item_id), None)


async def items_since(account: Account, since_s: float) -> AsyncIterator[dict[str, Any]]:
    """The account's videos created at or after this moment (seconds since 1970), as far as 200 of them.

    Raises CallFailed.
    """
    cursor = "0"
    for _ in range(_PAGES):
        query = {"cursor": cursor, "count": str(_PAGE)}
        data = await _ask(account, _video_call("video_list"), query, method="GET")
        items = _items(data)
        for item in items:
            # A pinned video is listed first however old it is: it is passed over, not the end.
            if _number(item.get("create_time")) >= since_s:
                yield item
        oldest = min(
            (_number(item.get("create_time")) for item in items if not item.get("is_top")), default=0
        )
        cursor = str(data.get("cursor", ""))
        if not data.get("has_more") or oldest < since_s or not cursor.isdigit():
            return


def part_sizes(size_bytes: int) -> tuple[int, ...]:
    """The sizes of the parts of a file: the advised size, and a rest too small for a part is the last one's."""
    count = max(size_bytes // PART_BYTES, 1)
    rest = size_bytes - count * PART_BYTES
    if rest >= PART_MIN_BYTES:
        return (*([PART_BYTES] * count), rest)
    return (*([PART_BYTES] * (count - 1)), PART_BYTES + rest)


async def _bytes(account: Account, file: StoryFile, first: int, size: int) -> bytes:
    data = await account.tools.read_part(file.object_key, first, size)
    if len(data) != size:
        raise CallFailed(Refused(_SHORT_FILE))
    return data


async def _send_file(
    account: Account, name: str, data: bytes, query: Mapping[str, str] | None = None
) -> dict[str, Any]:
    is_image = name == "upload_image"
    file = ("cover.jpg", data, "image/jpeg") if is_image else ("video.mp4", data, "video/mp4")
    request = Request(
        "POST",
        account.url + _video_call(name),
        query={"open_id": account.open_id, **(query or {})},
        headers={"access-token": account.access_token},
        files={"image" if is_image else "video": file},
        timeout_s=UPLOAD_TIMEOUT_S,
    )
    return _data(await call(account.tools, request))


async def _ask(
    account: Account,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    body: Mapping[str, Any] | None = None,
    is_final: bool = False,
) -> dict[str, Any]:
    request = Request(
        method,
        account.url + path,
        is_final,
        query={"open_id": account.open_id, **(query or {})},
        headers={"access-token": account.access_token},
        json=body if body is not None else ({} if method == "POST" else None),
    )
    return _data(await call(account.tools, request))


def _video_call(name: str) -> str:
    return f"/api/douyin/v1/video/{name}/"


def _data(answer: Answer) -> dict[str, Any]:
    """The answer's data. Raises CallFailed for a code, and where it is not of the documented form."""
    body = answer.object()
    data, extra = body.get("data"), body.get("extra")
    places = (data, extra) if isinstance(extra, dict) else (data,)
    codes = [read_code(place.get("error_code")) for place in places if isinstance(place, dict)]
    code = next((code for code in codes if code != 0), 0)
    if code:
        raise CallFailed(meaning(code, answer))
    if answer.status >= 400 or not codes or not isinstance(data, dict):
        raise CallFailed(broken_off(is_final=answer.is_final, text=_NOT_AS_DOCUMENTED))
    return data


def _inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _id(data: Mapping[str, Any], name: str, *, is_final: bool = False) -> str:
    value = data.get(name)
    if isinstance(value, str) and 0 < len(value) <= 200:
        return value
    raise CallFailed(broken_off(is_final=is_final, text=_NOT_AS_DOCUMENTED))


def _items(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    value = data.get("list")
    if not isinstance(value, list):
        raise CallFailed(broken_off(is_final=False, text=_NOT_AS_DOCUMENTED))
    return [item for item in value if isinstance(item, dict)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _is_header(token: str) -> bool:
    return 0 < len(token) <= 1000 and token.isascii() and token.isprintable()


_NOT_SET_UP = Text(
    zh="抖音渠道缺少 client_key、open_id 或 refresh_token。请管理员补全后重新投递。",
    en="The Douyin destination lacks client_key, open_id or the refresh token. Complete it, then retry.",
)
_SHORT_FILE = Text(
    zh="存储中的成品文件比登记的短，没有发出。请重新转码后再投递。",
    en="The stored rendition is shorter than recorded; nothing was posted. Render it again, then retry.",
)
_NOT_AS_DOCUMENTED = Text(
    zh="抖音的答复与接口文档不符，这一步可以安全重做，稍后自动再试。",
    en="Douyin's answer is not as documented. This step is safe to repeat. Retrying.",
)
