"""What the planner makes plays in a browser: the stream by itself, and the MP4 that was packed from its rung."""

import functools
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from media.inspect import inspect
from media.job import Source
from media.profiles import PROFILES
from media.render import make_renditions
from media.sample import make_clip

pytestmark = pytest.mark.slow

STATE = (
    "(() => { const v = document.querySelector('video');"
    " return {at: v.currentTime, width: v.videoWidth, length: v.duration, error: v.error && v.error.message} })()"
)


@pytest.fixture(scope="module")
async def renditions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stream and the MP4 of 8 s of 720p, planned together."""
    folder = tmp_path_factory.mktemp("planned")
    clip = folder / "clip.mp4"
    await make_clip(clip, duration_s=8, width=1280, height=720)
    source = Source(clip, (await inspect(clip)).probe)
    outcomes = await make_renditions(source, [PROFILES[name] for name in ("app_hls", "app_mp4")], folder)
    assert outcomes[1].rendered
    assert outcomes[1].rendered.measured["packed_from"] == "app_hls"
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def guess_type(self, path: Any) -> str:
        return "application/vnd.apple.mpegurl" if str(path).endswith(".m3u8") else super().guess_type(path)

    def log_message(self, *args: object) -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture
def address(renditions: Path) -> Iterator[str]:
    """Where the renditions are served; any web server does."""
    for name in ("app_hls/master.m3u8", "app_mp4/app_mp4.mp4"):
        page = f"<!doctype html><title>t</title><video muted src='{name}'></video>"
        (renditions / f"{name.split('/')[0]}.html").write_text(page, "utf-8")
    handler = functools.partial(_Quiet, directory=str(renditions))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("name", ["app_hls", "app_mp4"])
async def test_planned_rendition_plays_in_chromium(page: Any, address: str, name: str) -> None:
    await page.call("Page.enable")
    await page.call("Page.navigate", url=f"{address}/{name}.html")
    deadline = time.monotonic() + 60
    while not await page.look("!!document.querySelector('video')"):
        assert time.monotonic() < deadline
    await page.look("document.querySelector('video').play().then(() => true)")
    seen: dict[str, Any] = {"at": 0}
    while time.monotonic() < deadline and seen["at"] < 1.5:
        seen = await page.look(STATE)
    assert seen["error"] is None
    assert seen["at"] >= 1.5
    assert seen["width"] in (1280, 960, 640, 416)
    assert seen["length"] == pytest.approx(8, abs=0.1)
