"""Calls to Weibo's open API: posting with and without pictures, listing, showing, deleting."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from platforms.calling import Answer, CallFailed, Request, broken_off, call
from platforms.frame import DestinationConfig, Refused, Tools
from platforms.story import StoryFile
from platforms.weibo_codes import NO_SUCH_POST, meaning, read_code
from states.text import Text

PUBLIC_URL = "https://api.weibo.com"
COMMERCIAL_URL = "https://c.api.weibo.com"
UPLOAD_TIMEOUT_S = 60.0  # less than 5 MB over a line of 1 Mbit/s
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to post as, and how; the token stays out of the repr."""

    tools: Tools = field(repr=False)
    uid: str
    rip: str  # the address of who posts, which the platform asks for
    is_commercial: bool
    safe_domain: str
    url: str
    commercial_url: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, destination: DestinationConfig, tools: Tools) -> "Account":
        """The account of a destination. Raises CallFailed where a setting is missing."""
        given = destination.settings
        api, domain = given.get("api", "share"), given.get("safe_domain", "").strip(".").lower()
        is_complete = given.get("uid", "").isdigit() and given.get("rip") and destination.secret
        if not is_complete or api not in ("share", "commercial") or (api == "share" and not domain):
            raise CallFailed(Refused(_NOT_SET_UP))
        gateway = given.get("api_url", "").rstrip("/")
        return cls(
            tools,
            given["uid"],
            given["rip"],
            api == "commercial",
            domain,
            gateway or PUBLIC_URL,
            gateway or COMMERCIAL_URL,
            destination.secret or "",
        )


@dataclass(frozen=True, slots=True)
class Post:
    """A post as Weibo lists it; `mark` holds our delivery ids in it."""

    id: str
    text: str
    created_at: datetime
    marks: tuple[str, ...]


async def share(account: Account, text: str, picture: StoryFile | None) -> str:
    """The id of the new post with at most one picture; it cannot be undone by sending again. Raises CallFailed."""
    url, form = f"{account.url}/2/statuses/share.json", _form(account, status=text, rip=account.rip)
    if picture is None:
        return _id(await _ask(account, Request("POST", url, is_final=True, form=form)), is_final=True)
    return _id(await _send_picture(account, url, form, picture, is_final=True), is_final=True)


async def upload_picture(account: Account, picture: StoryFile) -> str:
    """The picture id of an uploaded picture, which nobody sees before a post has it. Raises CallFailed."""
    url = f"{account.commercial_url}/2/statuses/upload_pic/biz.json"
    value = (await _send_picture(account, url, _form(account), picture)).get("pic_id")
    if isinstance(value, str) and value.isascii() and value.isalnum() and len(value) <= 100:
        return value
    raise CallFailed(broken_off(is_final=False, text=_NOT_AS_DOCUMENTED))


async def post_pictures(account: Account, text: str, picture_ids: Sequence[str], mark: str) -> str:
    """The id of the new post with uploaded pictures, marked as ours. Raises CallFailed."""
    form = _form(
        account,
        status=text,
        pic_id=",".join(picture_ids),
        annotations=json.dumps([{"sanshen": mark}], separators=(",", ":")),
        rip=account.rip,
    )
    url = f"{account.commercial_url}/2/statuses/upload_url_text/biz.json"
    return _id(await _ask(account, Request("POST", url, is_final=True, form=form)), is_final=True)


async def own_posts(account: Account) -> tuple[tuple[Post, ...], bool]:
    """The account's latest posts, the newest first, and whether these are all it has. Raises CallFailed."""
    query = {"access_token": account.token, "uid": account.uid, "count": str(_PAGE), "trim_user": "1"}
    value = await _ask(account, Request("GET", f"{account.url}/2/statuses/user_timeline.json", query=query))
    listed, total = value.get("statuses"), value.get("total_number")
    if not isinstance(listed, list):
        raise CallFailed(broken_off(is_final=False, text=_NOT_AS_DOCUMENTED))
    posts = tuple(_post(item) for item in listed)
    return posts, isinstance(total, int) and total <= len(posts)


async def exists(account: Account, post_id: str) -> bool:
    """Whether Weibo still shows the post. Raises CallFailed."""
    query = {"access_token": account.token, "id": post_id}
    url = f"{account.url}/2/statuses/show.json"
    return await _unless_gone(account, Request("GET", url, query=query))


async def destroy(account: Account, post_id: str) -> None:
    """Delete the post; one that is gone already is no error. Raises CallFailed."""
    url = f"{account.url}/2/statuses/destroy.json"
    await _unless_gone(account, Request("POST", url, form=_form(account, id=post_id)))


def _form(account: Account, **values: str) -> dict[str, str]:
    return {"access_token": account.token, **values}


async def _send_picture(
    account: Account, url: str, form: Mapping[str, str], picture: StoryFile, *, is_final: bool = False
) -> dict[str, Any]:
    data = await account.tools.read_part(picture.object_key, 0, picture.size_bytes)
    if len(data) != picture.size_bytes:
        raise CallFailed(Refused(_SHORT_FILE))
    files = {"pic": ("picture.jpg", data, picture.media_type)}
    request = Request("POST", url, is_final, form=form, files=files, timeout_s=UPLOAD_TIMEOUT_S)
    return await _ask(account, request)


async def _ask(account: Account, request: Request) -> dict[str, Any]:
    answer = await call(account.tools, request)
    value = answer.object()
    if "error_code" in value or answer.status >= 400:
        raise CallFailed(meaning(read_code(value.get("error_code")), answer))
    return value


async def _unless_gone(account: Account, request: Request) -> bool:
    answer: Answer = await call(account.tools, request)
    value = answer.object()
    if "error_code" not in value and answer.status < 400:
        _id(value)
        return True
    code = read_code(value.get("error_code"))
    if code != NO_SUCH_POST:
        raise CallFailed(meaning(code, answer))
    return False


def _id(value: Mapping[str, Any], *, is_final: bool = False) -> str:
    found = str(value.get("idstr") or value.get("id") or "")
    if found.isascii() and found.isdigit() and len(found) <= 30:
        return found
    raise CallFailed(broken_off(is_final=is_final, text=_NOT_AS_DOCUMENTED))


def _post(item: object) -> Post:
    value = item if isinstance(item, dict) else {}
    try:
        created_at = datetime.strptime(str(value.get("created_at")), "%a %b %d %H:%M:%S %z %Y")
    except ValueError:
        created_at = None
    if (
        created_at is None
    ):  # a post that cannot be dated might be ours: nothing may be concluded from the list
        raise CallFailed(broken_off(is_final=False, text=_NOT_AS_DOCUMENTED))
    notes = value.get("annotations")
    notes = notes if isinstance(notes, list) else []
    marks = tuple(str(note["sanshen"]) for note in notes if isinstance(note, dict) and "sanshen" in note)
    return Post(_id(value), str(value.get("text", "")), created_at, marks)


_NOT_SET_UP = Text(
    zh="微博渠道设置不全：uid、rip、access_token 必填，api 为 share 或 commercial，share 还要 safe_domain。"
    "请管理员补全后重新投递。",
    en="The Weibo destination is not complete: uid, rip and the access token; api is share or commercial, and share "
    "needs safe_domain. Complete it, then retry.",
)
_SHORT_FILE = Text(
    zh="存储中的图片比登记的短，没有发出。请重新转码后再投递。",
    en="The stored picture is shorter than recorded; nothing was posted. Render it again, then retry.",
)
_NOT_AS_DOCUMENTED = Text(
    zh="微博的答复与接口文档不符，这一步可以安全重做，稍后自动再试。",
    en="Weibo's answer is not as documented. This step is safe to repeat. Retrying.",
)
