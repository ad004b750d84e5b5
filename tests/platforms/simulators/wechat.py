"""The WeChat official account's API as its documents describe it (read 2026-11-22), in memory, as an ASGI app.

It refuses what the platform refuses, its clock is set by hand, and it fails where it is told to. Where the documents
are silent it does the worse thing: a draft stays until its task has ended and can be submitted twice meanwhile.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MEGABYTE = 1024 * 1024
MINUTE_S, DAY_S = 60.0, 86_400.0
QUOTAS = {  # "接口调用频次限制说明", a day, new accounts
    "/cgi-bin/draft/add": 1000,
    "/cgi-bin/draft/delete": 1000,
    "/cgi-bin/draft/batchget": 1000,
    "/cgi-bin/freepublish/submit": 100,
    "/cgi-bin/freepublish/get": 100,
    "/cgi-bin/freepublish/delete": 10,
    "/cgi-bin/freepublish/getarticle": 100,
    "/cgi-bin/freepublish/batchget": 100,
}
_MAGIC = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp"}
_CROP = re.compile(r"(?:[01](?:\.\d{1,6})?_){3}[01](?:\.\d{1,6})?")


_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")


class Fault(StrEnum):
    """What goes wrong with a request; "after" means that it was carried out all the same."""

    CUT_BEFORE = "cut before accept"
    CUT_AFTER = "cut after accept"
    SLOW_BEFORE = "slow, before accept"
    SLOW_AFTER = "slow, after accept"
    ERROR_500_BEFORE = "500 before accept"
    ERROR_500_AFTER = "500 after accept"
    HTTP_429 = "429"
    QUOTA = "45009"
    BUSY_BEFORE = "-1 before accept"
    BUSY_AFTER = "-1 after accept"
    WRONG_BODY_BEFORE = "wrong body before accept"
    WRONG_BODY_AFTER = "wrong body after accept"
    EMPTY_AFTER = "an empty object after accept"
    TOKEN_EXPIRED = "42001"
    TOKEN_REVOKED = "40001"


class Refusal(Exception):
    """An error code of the platform."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Article:
    """A published article, for good in `Simulator.articles`."""

    article_id: str
    publish_id: str
    news: dict[str, Any]
    url: str
    is_deleted: bool = False
    is_banned: bool = False


@dataclass
class Task:
    publish_id: str
    media_id: str
    news: dict[str, Any]
    ends_at: float
    verdict: int
    article: Article | None = None


@dataclass
class Simulator:
    """One official account. `now` is its clock; `faults` maps the number of a request, from 1 on, to what fails."""

    app_id: str = "wx0123456789abcdef"
    secret: str = "5ecret0f7he4ccount"
    now: float = 1_000_000.0
    publishing_s: float = 30.0
    verdict: int = 0  # how the next task ends: 0 published, 2 originality, 3 failure, 4 review
    is_verified: bool = True
    is_listed: bool = True  # the caller's address is on the account's list
    draft_check: int = 0  # 53503, 53504 or 53505: what the next submit is told
    minute_quota: int | None = None
    list_lag_s: float = 0.0  # how long a published article is missing from the list
    slow_s: float = 0.0  # how long a slow request takes before the caller is taken to have given up
    faults: dict[int, Fault] = field(default_factory=dict)
    before: Callable[[str], None] | None = None  # called with each path, before anything else
    calls: list[str] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)  # token -> its end
    materials: dict[str, str] = field(default_factory=dict)  # media_id -> type
    hosted: set[str] = field(default_factory=set)
    drafts: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    articles: list[Article] = field(default_factory=list)
    used: Counter[tuple[str, int]] = field(default_factory=Counter)
    forced_at: list[float] = field(default_factory=list)
    token_calls: list[dict[str, Any]] = field(default_factory=list)
    _ids: int = 0

    @property
    def live(self) -> list[Article]:
        """What readers see."""
        self._tick()
        return [each for each in self.articles if not each.is_deleted and not each.is_banned]

    def revoke_tokens(self) -> None:
        """As another system does that asks for a token by force."""
        self.tokens.clear()

    def settle(self, seconds: float = 3600.0) -> None:
        """Let time pass, so that every task ends."""
        self.now += seconds
        self._tick()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        path = request.url.path
        await request.body()
        self.calls.append(path)
        if self.before is not None:
            self.before(path)
        fault = self.faults.get(len(self.calls))
        response = await self._failing(fault, request) if fault else await self._answer(request)
        await response(scope, receive, send)

    async def _failing(self, fault: Fault, request: Request) -> Response:
        if fault.endswith("after accept"):
            await self._answer(request)
        if fault in (Fault.SLOW_BEFORE, Fault.SLOW_AFTER):
            await asyncio.sleep(self.slow_s)
            raise httpx.ReadTimeout("slow")
        if fault in (Fault.CUT_BEFORE, Fault.CUT_AFTER):
            raise httpx.ReadError("cut")
        answers: dict[Fault, Response] = {
            Fault.ERROR_500_BEFORE: Response("no", 500),
            Fault.ERROR_500_AFTER: Response("no", 500),
            Fault.HTTP_429: Response("slower", 429, headers={"Retry-After": "17"}),
            Fault.QUOTA: _error(45009, "reach max api daily quota limit"),
            Fault.BUSY_BEFORE: _error(-1, "system error"),
            Fault.BUSY_AFTER: _error(-1, "system error"),
            Fault.WRONG_BODY_BEFORE: Response("<html>gateway</html>"),
            Fault.WRONG_BODY_AFTER: Response('{"errcode":0,"publish_'),
            Fault.EMPTY_AFTER: JSONResponse({}),
            Fault.TOKEN_EXPIRED: _error(42001, "access_token expired"),
            Fault.TOKEN_REVOKED: _error(40001, "invalid credential, access_token is invalid or not latest"),
        }
        return answers[fault]

    async def _answer(self, request: Request) -> Response:
        self._tick()
        try:
            return JSONResponse(await self._handle(request))
        except Refusal as refusal:
            return _error(refusal.code, f"{refusal} rid: 6744a1b2-0d2c1f5e-7a9b3c1d")

    async def _handle(self, request: Request) -> dict[str, Any]:
        path = request.url.path
        if request.method != "POST":
            raise Refusal(43002, "require POST method")
        if path == "/cgi-bin/stable_token":
            return self._stable_token(await _object(request))
        self._check_token(request.query_params.get("access_token"))
        self._count(path)
        if path == "/cgi-bin/material/add_material":
            return await self._add_material(request)
        if path == "/cgi-bin/media/uploadimg":
            return await self._upload_image(request)
        handlers = {
            "/cgi-bin/draft/add": self._draft_add,
            "/cgi-bin/draft/delete": self._draft_delete,
            "/cgi-bin/draft/batchget": self._draft_list,
            "/cgi-bin/freepublish/submit": self._submit,
            "/cgi-bin/freepublish/get": self._task_state,
            "/cgi-bin/freepublish/delete": self._delete,
            "/cgi-bin/freepublish/getarticle": self._get_article,
            "/cgi-bin/freepublish/batchget": self._published_list,
        }
        if path not in handlers:
            raise Refusal(40066, "invalid url")
        if path.startswith("/cgi-bin/freepublish/") and not self.is_verified:
            raise Refusal(48001, "api unauthorized")
        return handlers[path](await _object(request))

    # -- token and limits ---------------------------------------------------------------------------------------

    def _stable_token(self, body: dict[str, Any]) -> dict[str, Any]:
        self.token_calls.append(body)
        if body.get("grant_type") != "client_credential":
            raise Refusal(40002, "invalid grant_type")
        if body.get("appid") != self.app_id:
            raise Refusal(40013, "invalid appid")
        if body.get("secret") != self.secret:
            raise Refusal(40125, "invalid appsecret")
        if not self.is_listed:
            raise Refusal(40164, "invalid ip 203.0.113.7, not in whitelist")
        if body.get("force_refresh"):
            if len(self.forced_at) >= 20 or (self.forced_at and self.now - self.forced_at[-1] < 30):
                raise Refusal(45009, "reach max api daily quota limit")
            self.forced_at.append(self.now)
            self.tokens.clear()
        token = next((each for each, end in self.tokens.items() if end - self.now > 300), None)
        if token is None:
            token = self._next("token-", 3)
            self.tokens[token] = self.now + 7200
        return {"access_token": token, "expires_in": int(self.tokens[token] - self.now)}

    def _check_token(self, token: str | None) -> None:
        if not token:
            raise Refusal(41001, "access_token missing")
        if token not in self.tokens:
            raise Refusal(40001, "invalid credential, access_token is invalid or not latest")
        if self.tokens[token] <= self.now:
            raise Refusal(42001, "access_token expired")

    def _count(self, path: str) -> None:
        minute, day = ("minute", int(self.now // MINUTE_S)), (path, int(self.now // DAY_S))
        if self.minute_quota is not None and self.used[minute] >= self.minute_quota:
            raise Refusal(45011, "api minute-quota reach limit, must slower, retry next minute")
        if self.used[day] >= QUOTAS.get(path, 100_000):
            raise Refusal(45009, "reach max api daily quota limit")
        self.used[minute] += 1
        self.used[day] += 1

    # -- material -----------------------------------------------------------------------------------------------

    async def _add_material(self, request: Request) -> dict[str, Any]:
        kind = request.query_params.get("type", "")
        data, form = await _file(request)
        limits = {"image": 10 * MEGABYTE, "voice": 2 * MEGABYTE, "video": 10 * MEGABYTE, "thumb": 64 * 1024}
        if kind not in limits:
            raise Refusal(40004, "invalid media type")
        if len(data) > limits[kind]:
            raise Refusal(45001, "media size out of limit")
        if kind == "image" and form is None:
            raise Refusal(40005, "invalid file type")
        if kind == "thumb" and form != "jpg":
            raise Refusal(40005, "invalid file type")
        media_id = self._next("material-")
        self.materials[media_id] = kind
        return {"media_id": media_id, "url": f"http://mmbiz.qpic.cn/material/{media_id}"}

    async def _upload_image(self, request: Request) -> dict[str, Any]:
        data, form = await _file(request)
        if form not in ("jpg", "png"):
            raise Refusal(40005, "invalid file type")
        if len(data) >= MEGABYTE:
            raise Refusal(40009, "invalid image size")
        url = f"http://mmbiz.qpic.cn/mmbiz_{form}/{self._next('image-')}/0?from=appmsg"
        self.hosted.add(url)
        return {"url": url, "errcode": 0, "errmsg": "ok"}

    # -- drafts -------------------------------------------------------------------------------------------------

    def _draft_add(self, body: dict[str, Any]) -> dict[str, Any]:
        articles = body.get("articles")
        if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
            raise Refusal(44003, "empty news data")
        kept = [self._news(each) for each in articles]
        media_id = self._next("draft-")
        self.drafts[media_id] = kept[0]
        return {"media_id": media_id}

    def _news(self, news: dict[str, Any]) -> dict[str, Any]:
        title, content = news.get("title") or "", news.get("content") or ""
        if not title:
            raise Refusal(40227, "title is empty")
        if not content:
            raise Refusal(44003, "empty news data")
        for code, name, limit in ((45003, "title", 32), (45110, "author", 16), (45004, "digest", 128)):
            if len(news.get(name) or "") > limit:
                raise Refusal(code, f"{name} size out of limit")
        if len(content) >= 20_000 or len(content.encode()) >= MEGABYTE:
            raise Refusal(45002, "content size out of limit")
        if len((news.get("content_source_url") or "").encode()) > 1024:
            raise Refusal(45005, "url size out of limit")
        if self.materials.get(news.get("thumb_media_id") or "") != "image":
            raise Refusal(40007, "invalid media_id")
        for name in ("pic_crop_235_1", "pic_crop_1_1"):
            if news.get(name) and not _CROP.fullmatch(news[name]):
                raise Refusal(47001, "data format error")
        cleaned = _Cleaner(self.hosted)
        cleaned.feed(content)
        return {**news, "content": "".join(cleaned.kept)}

    def _draft_delete(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.drafts.pop(body.get("media_id") or "", None) is None:
            raise Refusal(40007, "invalid media_id")
        return {"errcode": 0, "errmsg": "ok"}

    def _draft_list(self, body: dict[str, Any]) -> dict[str, Any]:
        items = [
            {"media_id": key, "content": {"news_item": [news]}, "update_time": int(self.now)}
            for key, news in reversed(self.drafts.items())
        ]
        return _page(items, body)

    # -- publication --------------------------------------------------------------------------------------------

    def _submit(self, body: dict[str, Any]) -> dict[str, Any]:
        media_id = body.get("media_id") or ""
        if media_id not in self.drafts:
            raise Refusal(40007, "invalid media_id")
        if self.draft_check:
            raise Refusal(self.draft_check, "the draft did not pass")
        publish_id = self._next("22475")
        news, ends_at = self.drafts[media_id], self.now + self.publishing_s
        self.tasks[publish_id] = Task(publish_id, media_id, news, ends_at, self.verdict)
        # The document of the call has a number here, its example a text.
        return {"errcode": 0, "errmsg": "ok", "publish_id": int(publish_id), "msg_data_id": publish_id}

    def _tick(self) -> None:
        for task in self.tasks.values():
            if task.ends_at <= self.now and task.article is None and task.verdict == 0:
                number = self._next("")
                task.article = Article(
                    f"b5O2OUs25HBxRceL7hfReg-{number}",
                    task.publish_id,
                    task.news,
                    f"http://mp.weixin.qq.com/s/{number}",
                )
                self.articles.append(task.article)
                self.drafts.pop(task.media_id, None)

    def _task_state(self, body: dict[str, Any]) -> dict[str, Any]:
        task = self.tasks.get(str(body.get("publish_id") or ""))
        if task is None:
            raise Refusal(40097, "invalid args")
        answer: dict[str, Any] = {"publish_id": task.publish_id, "fail_idx": []}
        if task.ends_at > self.now:
            return {**answer, "publish_status": 1}
        if task.article is None:
            return {**answer, "publish_status": task.verdict, "fail_idx": [1]}
        if task.article.is_banned:
            return {**answer, "publish_status": 6}
        if task.article.is_deleted:
            return {**answer, "publish_status": 5}
        item = [{"idx": 1, "article_url": task.article.url}]
        return {
            **answer,
            "publish_status": 0,
            "article_id": task.article.article_id,
            "article_detail": {"count": 1, "item": item},
        }

    def _article(self, body: dict[str, Any]) -> Article:
        found = next((each for each in self.articles if each.article_id == body.get("article_id")), None)
        if found is None:
            raise Refusal(53600, "Article ID 无效")
        return found

    def _delete(self, body: dict[str, Any]) -> dict[str, Any]:
        article = self._article(body)
        if article.is_deleted:
            raise Refusal(53600, "Article ID 无效")
        article.is_deleted = True
        return {"errcode": 0, "errmsg": "ok"}

    def _get_article(self, body: dict[str, Any]) -> dict[str, Any]:
        article = self._article(body)
        return {"news_item": [{**article.news, "url": article.url, "is_deleted": article.is_deleted}]}

    def _published_list(self, body: dict[str, Any]) -> dict[str, Any]:
        shown = [
            each
            for each in reversed(self.articles)
            if not each.is_deleted and self.tasks[each.publish_id].ends_at + self.list_lag_s <= self.now
        ]
        items = [
            {
                "article_id": each.article_id,
                "content": {"news_item": [{**each.news, "url": each.url, "is_deleted": False}]},
                "update_time": int(self.now),
            }
            for each in shown
        ]
        return _page(items, body)

    def _next(self, prefix: str, digits: int = 5) -> str:
        self._ids += 1
        return f"{prefix}{self._ids:0{digits}d}"


class _Cleaner(HTMLParser):
    """Keeps the body without script, event handlers, and images that the platform does not host."""

    def __init__(self, hosted: set[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.hosted, self.kept, self._is_script = hosted, [], False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "video", "audio"):
            self._is_script = tag == "script"
            return
        if tag == "img" and dict(attrs).get("src") not in self.hosted:
            return
        shown = "".join(
            f' {name}="{value}"' for name, value in attrs if not name.startswith("on") and name != "href"
        )
        self.kept.append(f"<{tag}{shown}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._is_script = False
        elif tag not in ("iframe", "video", "audio"):
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._is_script:
            self.kept.append(data)

    def handle_entityref(self, name: str) -> None:
        self.kept.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.kept.append(f"&#{name};")


def _page(items: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
    offset, count = body.get("offset"), body.get("count")
    if not isinstance(offset, int) or not isinstance(count, int) or not 1 <= count <= 20:
        raise Refusal(40097, "invalid args")
    page = items[offset : offset + count]
    if body.get("no_content"):
        for item in page:
            item["content"]["news_item"] = [
                {key: value for key, value in news.items() if key != "content"}
                for news in item["content"]["news_item"]
            ]
    return {"total_count": len(items), "item_count": len(page), "item": page}


async def _object(request: Request) -> dict[str, Any]:
    data = await request.body()
    if _ESCAPE.search(data):
        raise Refusal(
            40033, "invalid charset. please check your request, if include \\uxxxx will create fail!"
        )
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(47001, "data format error")
    return body


async def _file(request: Request) -> tuple[bytes, str | None]:
    """The uploaded file and its form, by its first bytes."""
    async with request.form() as form:
        media = form.get("media")
        if media is None or isinstance(media, str) or not media.filename:
            raise Refusal(41005, "media data missing")
        data = await media.read()
    if not data:
        raise Refusal(44001, "empty media data")
    return data, next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def _error(code: int, message: str) -> JSONResponse:
    return JSONResponse({"errcode": code, "errmsg": message})
