"""A story to hand over, and the platforms' tools in memory."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from platforms.frame import DestinationConfig
from platforms.net import Target, resolve_host
from platforms.story import Site, Story, StoryFile, StoryMedia, StoryRendition

SITE = Site(
    name="青川融媒",
    url="https://news.example.org",
    media_url="https://media.example.org/public",
    pages_url="https://pages.example.net",
)


@dataclass
class FakeTools:
    """`frame.Tools` in memory; `calls` keeps the order of writes."""

    http: httpx.AsyncClient
    site: Site = SITE
    public: dict[str, tuple[str | bytes, str]] = field(default_factory=dict)
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    private: dict[str, bytes] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuse_url: Exception | None = None
    allowed_private_hosts: tuple[str, ...] = ()

    async def check_url(self, url: str) -> None:
        if self.refuse_url:
            raise self.refuse_url

    async def resolve(self, host: str, port: int) -> Target:
        return await resolve_host(host, port, self.allowed_private_hosts)

    async def publish_object(self, object_key: str, public_name: str, media_type: str) -> None:
        self.calls.append(public_name)
        self.public[public_name] = (object_key, media_type)

    async def publish_page(self, object_key: str, public_name: str, media_type: str) -> None:
        self.calls.append(public_name)
        self.pages[public_name] = (object_key, media_type)

    async def put_public(self, public_name: str, data: bytes, media_type: str) -> None:
        self.calls.append(public_name)
        self.public[public_name] = (data, media_type)

    async def remove_public(self, prefix: str) -> None:
        self.public = {name: value for name, value in self.public.items() if not name.startswith(prefix)}
        self.pages = {name: value for name, value in self.pages.items() if not name.startswith(prefix)}

    async def read_object(self, key: str) -> bytes:
        return self.private[key]

    async def read_part(self, key: str, first: int, size_bytes: int) -> bytes:
        return self.private[key][first : first + size_bytes]

    async def has_private(self, key: str) -> bool:
        return key in self.private

    async def put_private(self, key: str, data: bytes, media_type: str) -> None:
        self.calls.append(key)
        self.private[key] = data

    async def copy_private(self, object_key: str, key: str) -> None:
        self.calls.append(key)
        self.copies[key] = object_key


class Unread(httpx.MockTransport):
    """MockTransport whose answers still have to be read, as those of a network."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if not answer.is_stream_consumed:
            return answer
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )


def _file(profile: str, role: str, name: str, media_type: str, size_bytes: int = 1000) -> StoryFile:
    return StoryFile(role, name, f"renditions/{profile}/{name}", media_type, size_bytes, "ab" * 32)


def _video() -> StoryMedia:
    hls = StoryRendition(
        "app_hls",
        (
            _file("app_hls", "master", "master.m3u8", "application/vnd.apple.mpegurl", 300),
            _file("app_hls", "playlist", "720p/index.m3u8", "application/vnd.apple.mpegurl", 200),
            _file("app_hls", "init", "720p/init.mp4", "video/mp4", 900),
            _file("app_hls", "segment", "720p/0.m4s", "video/iso.segment", 90_000),
        ),
        1280,
        720,
        12.5,
    )
    made = (
        hls,
        StoryRendition(
            "app_mp4", (_file("app_mp4", "video", "video.mp4", "video/mp4", 4_321_000),), 1280, 720, 12.5
        ),
        StoryRendition("poster", (_file("poster", "poster", "poster.jpg", "image/jpeg", 50_000),), 1280, 720),
        StoryRendition("preview", (_file("preview", "video", "preview.mp4", "video/mp4"),), 640, 360, 12.5),
        StoryRendition(
            "vertical_mp4",
            (_file("vertical_mp4", "video", "v.mp4", "video/mp4", 5_000_000),),
            1080,
            1920,
            12.5,
        ),
        StoryRendition(
            "vertical_cover", (_file("vertical_cover", "image", "c.jpg", "image/jpeg"),), 1080, 1440
        ),
    )
    return StoryMedia(
        "1a" * 32, "video", "IMG_0001.MOV", "消防员划艇转移被困群众", {r.profile: r for r in made}
    )


def _still() -> StoryMedia:
    made = (
        StoryRendition(
            "app_still", (_file("app_still", "image", "still.jpg", "image/jpeg", 300_000),), 1920, 1280
        ),
        StoryRendition(
            "thumbnail", (_file("thumbnail", "image", "thumb.jpg", "image/jpeg", 30_000),), 640, 427
        ),
    )
    return StoryMedia(
        "2b" * 32, "still", "IMG_0002.JPG", "村民在安置点领取热水", {r.profile: r for r in made}
    )


@pytest.fixture
def story() -> Story:
    return Story(
        id="0192f3a4-5b6c-7d8e-9f01-23456789abcd",
        version=2,
        revision_sha256="cd" * 32,
        title="洪水围村一夜，三百人全部转移",
        digest="22 日凌晨，白龙江水位超警戒线，三百余名群众连夜转移，无人员伤亡。",
        body="22 日零时，水位超过警戒线。\n\n消防员逐户敲门。\n到天亮时，全村都已转移。\n\n安置点备好了热水。",
        byline="通讯员 王小川",
        column="本地要闻",
        tags=("防汛", "白龙江"),
        published_at=datetime(2026, 11, 21, 22, 5, tzinfo=UTC),
        updated_at=datetime(2026, 11, 21, 22, 5, tzinfo=UTC),
        media=(_video(), _still()),
    )


@pytest.fixture
def site() -> Site:
    return SITE


@pytest.fixture
def corrected(story: Story) -> Story:
    """The same story, a day later, with a correction note and an AI label."""
    return replace(
        story,
        version=3,
        note="原稿“三百人”应为“三百一十二人”。",
        ai_label="assisted",
        updated_at=datetime(2026, 11, 22, 6, 5, tzinfo=UTC),
    )


@pytest.fixture
def retracted(story: Story) -> Story:
    """The story taken back for good."""
    return replace(story, status="canceled", note="经核实，稿件所述地点有误。")


@pytest.fixture
def poisoned(story: Story) -> Story:
    """Markup, and every kind of character that XML 1.0 forbids, wherever a person can type."""
    bad = "\x00\x08\x1b\ud800\ufffe</script><b>&]]>\u2028"
    media = tuple(replace(item, caption=bad) for item in story.media)
    texts = {name: bad + getattr(story, name) for name in ("title", "digest", "body", "byline", "column")}
    return replace(story, **texts, note=bad, tags=(bad,), media=media)


@pytest.fixture
def destination() -> DestinationConfig:
    return DestinationConfig(
        "dest-1", "合作方", {"url": "https://hooks.example.org/in?token=t0psecret"}, "s3cr3t-key"
    )


@pytest.fixture
async def make_tools() -> AsyncIterator[Callable[..., FakeTools]]:
    """Builds FakeTools around a handler for httpx.MockTransport."""
    clients: list[httpx.AsyncClient] = []

    def make(handler: Callable[[httpx.Request], Any] | None = None) -> FakeTools:
        transport = Unread(handler or (lambda request: httpx.Response(500)))
        clients.append(httpx.AsyncClient(transport=transport))
        return FakeTools(clients[-1])

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def tools(make_tools: Callable[..., FakeTools]) -> FakeTools:
    return make_tools()
