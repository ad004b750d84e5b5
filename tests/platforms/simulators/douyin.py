"""Douyin's open API as its documents describe it (read 2026-11-22), in memory, as an ASGI app.

It refuses what the platform refuses: limits, the order of calls, expired tokens, too many calls.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.platforms.simulators.faults import Faulty

MEGABYTE = 1024 * 1024
DAY_S = 86_400.0
PARAMETER, TOKEN_INVALID, TOKEN_EXPIRED, MISMATCH, TOO_FAST = 28001007, 28001003, 28001008, 28001015, 28003018
REFRESH_EXPIRED, REFRESH_PARAMETER = 10010, 10005
IN_REVIEW, PUBLIC, UNFIT = 4, 5, 2


class Refusal(Exception):
    """An error code of the platform."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class Post:
    """A post, for good in `Simulator.posts`."""

    item_id: str
    video_id: str
    cover_id: str | None
    text: str
    created_at: float
    verdict: int
    is_top: bool = False
    is_deleted: bool = False


@dataclass
class Upload:
    begun_at: float
    parts: dict[int, int] = field(default_factory=dict)


@dataclass
class Simulator(Faulty):
    """One app with one account."""

    client_key: str = "ck0123456789"
    open_id: str = "0penId-0f-the-account"
    refresh_token: str = "rft.5ecret0f7he4ccount"
    refresh_until: float = 1_795_000_000.0 + 30 * DAY_S
    part_min: int = 5 * MEGABYTE
    direct_max: int = 128_000_000
    review_s: float = 300.0
    verdict: int = PUBLIC  # how the next review ends
    gives_state: bool = True  # until 2024-12-13
    list_lag_s: float = 0.0
    calls_a_minute: int | None = None
    codes: dict[str, int] = field(
        default_factory=dict
    )  # call -> the code that it fails with, after accepting
    tokens: dict[str, float] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    videos: dict[str, int] = field(default_factory=dict)  # uploaded and not used yet -> bytes
    images: set[str] = field(default_factory=set)
    posts: list[Post] = field(default_factory=list)
    seen_at: list[float] = field(default_factory=list)
    _ids: int = 0

    async def answer(self, request: Request) -> Response:
        name = request.url.path.strip("/").rpartition("/")[2]
        try:
            self.seen_at = [at for at in self.seen_at if at > self.now - 60] + [self.now]
            if self.calls_a_minute is not None and len(self.seen_at) > self.calls_a_minute:
                raise Refusal(TOO_FAST)
            if request.url.path == "/oauth/refresh_token/":
                return JSONResponse({"data": await self._refresh(request), "message": "success"})
            if not request.url.path.startswith("/api/douyin/v1/video/") or not hasattr(self, f"_{name}"):
                return Response(status_code=404)
            self._authorize(request)
            data = await getattr(self, f"_{name}")(request)
            if name in self.codes:
                raise Refusal(self.codes[name])
        except Refusal as refusal:
            failed = {"error_code": refusal.code, "description": f"no, {request.headers.get('access-token')}"}
            return JSONResponse({"data": failed, "extra": failed | {"logid": "2026"}})
        good = {"error_code": 0, "description": ""}
        return JSONResponse({"data": good | data, "extra": good | {"logid": "2026"}})

    def _new(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids}"

    async def _refresh(self, request: Request) -> dict[str, Any]:
        _require(request.headers["content-type"] == "application/x-www-form-urlencoded", REFRESH_PARAMETER)
        form = await request.form()
        _require(form.get("grant_type") == "refresh_token", REFRESH_PARAMETER)
        _require(form.get("client_key") == self.client_key, REFRESH_PARAMETER)
        _require(form.get("refresh_token") == self.refresh_token, REFRESH_EXPIRED)
        _require(self.now < self.refresh_until, REFRESH_EXPIRED)
        # One that still lives is prolonged, otherwise there is a new one.
        token = next((token for token, end in self.tokens.items() if end > self.now), self._new("act.secret"))
        self.tokens = {token: self.now + 15 * DAY_S}
        return {
            "access_token": token,
            "error_code": 0,
            "description": "",
            "expires_in": "1296000",
            "open_id": self.open_id,
            "refresh_token": self.refresh_token,
        }

    def _authorize(self, request: Request) -> None:
        end = self.tokens.get(request.headers.get("access-token", ""))
        _require(end is not None, TOKEN_INVALID)
        _require(end > self.now, TOKEN_EXPIRED)
        _require(request.query_params.get("open_id") == self.open_id, MISMATCH)

    async def _upload_video(self, request: Request) -> dict[str, Any]:
        data = await _file(request, "video")
        _require(data[4:8] == b"ftyp" and len(data) <= self.direct_max)
        return self._video(len(data))

    async def _init_video_part_upload(self, request: Request) -> dict[str, Any]:
        upload_id = self._new("up")
        self.uploads[upload_id] = Upload(self.now)
        return {"upload_id": upload_id}

    async def _upload_video_part(self, request: Request) -> dict[str, Any]:
        upload = self._open(request)
        number = request.query_params.get("part_number", "")
        _require(number.isdigit() and int(number) >= 1)
        upload.parts[int(number)] = len(await _file(request, "video"))
        return {}

    async def _complete_video_part_upload(self, request: Request) -> dict[str, Any]:
        upload = self._open(request)
        _require(sorted(upload.parts) == list(range(1, len(upload.parts) + 1)) != [])
        _require(min(upload.parts.values()) >= self.part_min)
        _require(sum(upload.parts.values()) <= 4_000_000_000)
        del self.uploads[request.query_params["upload_id"]]
        return self._video(sum(upload.parts.values()))

    def _open(self, request: Request) -> Upload:
        upload = self.uploads.get(request.query_params.get("upload_id", ""))
        _require(upload is not None and self.now - upload.begun_at < 7200)
        return upload

    def _video(self, size: int) -> dict[str, Any]:
        video_id = self._new("v0200f")
        self.videos[video_id] = size
        return {"video": {"video_id": video_id, "width": 1080, "height": 1920}}

    async def _upload_image(self, request: Request) -> dict[str, Any]:
        data = await _file(request, "image")
        _require(data.startswith(b"\xff\xd8\xff") and len(data) <= 100_000_000)
        image_id = self._new("img")
        self.images.add(image_id)
        return {"image": {"image_id": image_id, "width": 1080, "height": 1440}}

    async def _create_video(self, request: Request) -> dict[str, Any]:
        _require(request.headers["content-type"].startswith("application/json"))
        body = json.loads(await request.body())
        _require(not set(body) - {"video_id", "text", "custom_cover_image_url", "private_status"})
        cover = body.get("custom_cover_image_url")
        _require(cover is None or cover in self.images)
        # Every post needs an upload of its own.
        _require(self.videos.pop(body.get("video_id"), None) is not None)
        post = Post(self._new("@item"), body["video_id"], cover, body.get("text", ""), self.now, self.verdict)
        self.posts.append(post)
        return {"item_id": post.item_id}

    async def _video_data(self, request: Request) -> dict[str, Any]:
        wanted = json.loads(await request.body())["item_ids"]
        _require(isinstance(wanted, list) and 0 < len(wanted) <= 20)
        return {"list": [self._shown(post) for post in self._listed() if post.item_id in wanted]}

    async def _video_list(self, request: Request) -> dict[str, Any]:
        _require(request.method == "GET")
        first, count = int(request.query_params["cursor"]), int(request.query_params["count"])
        _require(0 < count <= 20)
        listed = self._listed()
        page = [self._shown(post) for post in listed[first : first + count]]
        return {"list": page, "has_more": first + count < len(listed), "cursor": first + count}

    def _listed(self) -> list[Post]:
        posts = [p for p in self.posts if not p.is_deleted and p.created_at + self.list_lag_s <= self.now]
        return sorted(posts, key=lambda post: (not post.is_top, -post.created_at))

    def _shown(self, post: Post) -> dict[str, Any]:
        item = {
            "item_id": post.item_id,
            "title": post.text,
            "cover": "https://p3.douyinpic.com/x.jpeg",
            "is_top": post.is_top,
            "create_time": int(post.created_at),
            "share_url": f"https://www.iesdouyin.com/share/video/{post.item_id[1:]}",
        }
        if self.gives_state:
            is_reviewed = self.now >= post.created_at + self.review_s
            item |= {"is_reviewed": is_reviewed, "video_status": post.verdict if is_reviewed else IN_REVIEW}
        return item


async def _file(request: Request, name: str) -> bytes:
    _require(request.headers.get("content-type", "").startswith("multipart/form-data"))
    async with request.form() as form:
        file = form.get(name)
        _require(isinstance(file, UploadFile))
        data = await file.read()
    _require(len(data) > 0)
    return data


def _require(is_good: bool, code: int = PARAMETER) -> None:
    if not is_good:
        raise Refusal(code)
