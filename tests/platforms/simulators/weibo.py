"""Weibo's open API as its documents describe it (read 2026-11-22), in memory, as an ASGI app.

It refuses what the platform refuses: limits, foreign links, topics, repeats, expired tokens, too many posts.
"""

import ipaddress
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.platforms.simulators.faults import Faulty

_LINK = re.compile(r"https?://[!-~]+")
_TOPIC = re.compile(r"#[^#]+#")
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
PARAMETER, MISSING, EXPIRED, TOO_OFTEN, REPEATED, LATE = 10008, 10016, 21327, 20016, 20019, 20032


class Refusal(Exception):
    """An error code of the platform."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class Post:
    """A post, for good in `Simulator.posts`."""

    id: int
    text: str
    created_at: float
    pictures: int = 0
    annotations: list[Any] = field(default_factory=list)
    is_deleted: bool = False

    def shown(self) -> dict[str, Any]:
        """As the platform gives it: links shortened, the time in its own form."""
        moment = datetime.fromtimestamp(self.created_at, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y")
        text = _LINK.sub("http://t.cn/A6xYz123", self.text)
        shown = {
            "id": self.id,
            "idstr": str(self.id),
            "mid": str(self.id),
            "text": text,
            "created_at": moment,
        }
        return shown | ({"annotations": self.annotations} if self.annotations else {})


@dataclass
class Simulator(Faulty):
    """One app with one account."""

    uid: str = "1804549454"
    token: str = "2.00s3cretT0ken"
    token_until: float = 1_795_000_000.0 + 30 * 86_400
    safe_domain: str = "example.org"
    is_commercial: bool = True  # may use the commercial calls
    posts_an_hour: int | None = None
    list_lag_s: float = 0.0
    list_max: int = 100
    is_late: bool = False  # it accepts, and gives no id
    pictures: set[str] = field(default_factory=set)
    posts: list[Post] = field(default_factory=list)

    @property
    def live(self) -> list[Post]:
        """What readers see."""
        return [post for post in self.posts if not post.is_deleted]

    async def answer(self, request: Request) -> Response:
        calls = {
            ("POST", "/2/statuses/share.json"): self._share,
            ("POST", "/2/statuses/upload_pic/biz.json"): self._upload_pic,
            ("POST", "/2/statuses/upload_url_text/biz.json"): self._upload_url_text,
            ("GET", "/2/statuses/user_timeline.json"): self._user_timeline,
            ("GET", "/2/statuses/show.json"): self._show,
            ("POST", "/2/statuses/destroy.json"): self._destroy,
        }
        path = request.url.path
        try:
            async with request.form() as form:
                given = form if request.method == "POST" else FormData(request.query_params)
                if (request.method, path) not in calls:
                    raise Refusal(10020)
                _require(given.get("access_token") == self.token, 21316)
                _require(self.now < self.token_until, EXPIRED)
                _require(self.is_commercial or not path.endswith("/biz.json"), 10014)
                return JSONResponse(await calls[request.method, path](given))
        except Refusal as refusal:
            error = {"request": path, "error_code": refusal.code, "error": f"no, {self.token}"}
            return JSONResponse(error, 403 if refusal.code < 20000 or refusal.code == EXPIRED else 400)

    async def _share(self, form: FormData) -> dict[str, Any]:
        text = self._text(form)
        _require(not _TOPIC.search(text), PARAMETER)
        hosts = [urlsplit(link).hostname or "" for link in _LINK.findall(text)]
        _require(len(hosts) > 0 and all(f".{host}".endswith(f".{self.safe_domain}") for host in hosts), 20018)
        pictures = 1 if "pic" in form else 0
        if pictures:
            await _picture(form)
        return self._post(text, pictures)

    async def _upload_pic(self, form: FormData) -> dict[str, Any]:
        await _picture(form)
        pic_id = f"6b8bbc0egw1e{len(self.pictures):04d}"
        self.pictures.add(pic_id)
        return {"pic_id": pic_id, "thumbnail_pic": f"http://ww3.sinaimg.cn/thumbnail/{pic_id}.jpg"}

    async def _upload_url_text(self, form: FormData) -> dict[str, Any]:
        text = self._text(form)
        ids = str(form.get("pic_id", "")).split(",")
        _require(0 < len(ids) <= 9 and set(ids) <= self.pictures, PARAMETER)
        notes = str(form.get("annotations", "[]"))
        _require(len(notes) <= 512, PARAMETER)
        return self._post(text, len(ids), json.loads(notes))

    def _text(self, form: FormData) -> str:
        text = str(form.get("status", ""))
        _require(text != "", 20008)
        halves = len(text.encode("utf-16-le")) // 2 + sum(
            2 if c > "\uffff" else 1 for c in text if c > "\xff"
        )
        _require((halves + 1) // 2 <= 140, 20012)
        try:
            ipaddress.ip_address(str(form.get("rip", "")))
        except ValueError:
            raise Refusal(MISSING) from None
        _require(not self.live or self.live[-1].text != text, REPEATED)
        recent = [post for post in self.posts if post.created_at > self.now - 3600]
        _require(self.posts_an_hour is None or len(recent) < self.posts_an_hour, TOO_OFTEN)
        return text

    def _post(self, text: str, pictures: int, annotations: list[Any] | None = None) -> dict[str, Any]:
        post = Post(3504803600500000 + len(self.posts), text, self.now, pictures, annotations or [])
        self.posts.append(post)
        _require(not self.is_late, LATE)
        return post.shown() | {"user": {"idstr": self.uid}}

    async def _user_timeline(self, query: FormData) -> dict[str, Any]:
        _require(query.get("uid") == self.uid, 10005)
        listed = [post for post in self.live if post.created_at + self.list_lag_s <= self.now]
        listed.sort(key=lambda post: -post.created_at)
        count = min(int(str(query.get("count", "20"))), 100, self.list_max)
        return {"statuses": [post.shown() for post in listed[:count]], "total_number": len(listed)}

    async def _show(self, query: FormData) -> dict[str, Any]:
        return self._by_id(query).shown()

    async def _destroy(self, form: FormData) -> dict[str, Any]:
        post = self._by_id(form)
        post.is_deleted = True
        return post.shown()

    def _by_id(self, form: FormData) -> Post:
        found = next((post for post in self.live if str(post.id) == form.get("id")), None)
        if found is None:
            raise Refusal(20101)
        return found


async def _picture(form: FormData) -> None:
    file = form.get("pic")
    _require(isinstance(file, UploadFile), 20007)
    data = await file.read()
    _require(data.startswith(_PICTURES), 20005)
    _require(len(data) < 5 * 1024 * 1024, 20006)


def _require(is_good: bool, code: int) -> None:
    if not is_good:
        raise Refusal(code)
