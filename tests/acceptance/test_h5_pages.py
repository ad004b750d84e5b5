"""A real browser on an H5 page: what the page tries to reach, and what it reaches."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage.keys import PACKAGES
from storage.objects import Objects
from storage.settings import Settings

pytestmark = pytest.mark.slow

# Each attempt says what it got; "shut" is what an honest page never needs.
ATTEMPTS = """
const tried = {origin: self.origin};
const attempt = (name, work) => { try { tried[name] = String(work()); } catch (error) { tried[name] = 'shut'; } };
attempt('cookie', () => document.cookie);
attempt('storage', () => localStorage.length);
attempt('parent', () => parent === self ? 'shut' : parent.document.title);
const fetched = (name, url) =>
  fetch(url).then((got) => { tried[name] = String(got.status); }, () => { tried[name] = 'shut'; });
Promise.all([
  fetched('own', 'data.json'),
  fetched('story', '../../../../../%OTHER%/v1/x'),
  fetched('api', '%SITE%/api/v1/submissions'),
  fetched('feed', '%SITE%/feeds/rss.xml'),
  fetched('elsewhere', 'https://example.net/'),
]).then(() => { self.tried = tried; parent.postMessage(tried, '*'); });
"""
SHUT = ("cookie", "storage", "parent", "story", "api", "feed", "elsewhere")


async def _put_page(objects: Objects, site: str) -> str:
    folder = f"stories/{uuid4()}/v1/{'1a' * 8}/app_package"
    script = ATTEMPTS.replace("%SITE%", site).replace("%OTHER%", str(uuid4()))
    page = b"<!doctype html><meta charset=utf-8><title>H5</title><script src=app.js></script>"
    for name, data in (("index.html", page), ("app.js", script.encode()), ("data.json", b"{}")):
        await objects.put_bytes(PACKAGES, f"{folder}/{name}", data, "application/octet-stream")
    return f"{folder}/index.html"


@dataclass(frozen=True)
class Site:
    """The API as its own process, at its two ports."""

    url: str
    pages_url: str
    objects: Objects


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def site(module_database: str, gateway: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`sanshen api` on the servers of the session, without the rest of the stack."""
    port, pages_port = _free_port(), _free_port()
    assert gateway.s3_secret_key is not None
    chosen = {
        "SANSHEN_HOME": str(tmp_path_factory.mktemp("api")),
        "SANSHEN_DATABASE_URL": module_database,
        "SANSHEN_S3_ENDPOINT": str(gateway.s3_endpoint),
        "SANSHEN_S3_ACCESS_KEY": str(gateway.s3_access_key),
        "SANSHEN_S3_SECRET_KEY": gateway.s3_secret_key.get_secret_value(),
        "SANSHEN_PORT": str(port),
        "SANSHEN_PACKAGES_PORT": str(pages_port),
    }
    kept = {name: each for name, each in os.environ.items() if not name.startswith(("SANSHEN_", "PREFECT_"))}
    server = subprocess.Popen([sys.executable, "-m", "deployments.cli", "api"], env=kept | chosen)
    found = Site(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{pages_port}", Objects(gateway))
    try:
        _await_answer(f"{found.url}/healthz", server)
        yield found
    finally:
        server.terminate()
        server.wait(30)


def _await_answer(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url}")


async def test_h5_page_reaches_its_own_files_and_nothing_of_ours(site: Site, page: Any) -> None:
    url = f"{site.pages_url}/{await _put_page(site.objects, site.url)}"
    await page.call("Page.enable")
    await page.call("Page.navigate", url=f"{site.url}/stories/{uuid4()}")
    await _until(page, "document.title.length > 0")
    assert await page.look("document.cookie = 'desk=secret'; document.cookie") == "desk=secret"
    framed = await page.look(
        "new Promise((told) => { addEventListener('message', (event) => told(event.data));"
        " const frame = document.createElement('iframe'); frame.setAttribute('sandbox', 'allow-scripts');"
        f" frame.src = {json.dumps(url)}; document.body.append(frame); }})"
    )
    assert framed["origin"] == "null"
    assert framed["own"] == "200"
    assert {name: framed[name] for name in SHUT} == dict.fromkeys(SHUT, "shut")

    # Opened by itself, with no frame around it: what holds it then is what the server says.
    await page.call("Page.navigate", url=url)
    await _until(page, "self.tried !== undefined")
    alone = await page.look("self.tried")
    assert alone["origin"] == "null"
    assert alone["own"] == "200"
    assert {name: alone[name] for name in SHUT} == dict.fromkeys(SHUT, "shut")


async def _until(page: Any, condition: str) -> None:
    async with asyncio.timeout(60):
        while not await page.look(condition):
            await asyncio.sleep(0.1)


async def test_two_ports_of_the_api_keep_pages_and_desk_apart(site: Site) -> None:
    name = await _put_page(site.objects, site.url)
    async with httpx.AsyncClient(trust_env=False) as reader:
        page = await reader.get(f"{site.pages_url}/{name}")
        assert (page.status_code, page.headers["x-content-type-options"]) == (200, "nosniff")
        assert page.headers["content-security-policy"].startswith("sandbox allow-scripts;")
        for path in ("/healthz", "/api/v1/submissions", "/feeds/rss.xml", "/openapi.json"):
            assert (await reader.get(f"{site.pages_url}{path}")).status_code == 404
        assert (await reader.get(f"{site.url}/{name}")).status_code == 404
        assert (await reader.get(f"{site.url}/media/{name}")).status_code == 404


async def test_published_media_comes_from_our_own_origin_with_ranges(newsroom: Any) -> None:
    feed = (await newsroom.fetch("/feeds/feed.json")).json()
    (item,) = [each for each in feed["items"] if newsroom.story_id in each["id"]]
    (link,) = [each for each in item["attachments"] if each["mime_type"] == "video/mp4"]
    assert link["url"].startswith(f"{newsroom.base}/media/stories/")
    async with httpx.AsyncClient(trust_env=False) as reader:
        part = await reader.get(link["url"], headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert part.headers["x-content-type-options"] == "nosniff"
        assert part.headers["content-type"] == "video/mp4"
        whole = await reader.get(link["url"])
        assert len(whole.content) == link["size_in_bytes"]
