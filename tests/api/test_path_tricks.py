"""Names that want to be somewhere else: by every door they stay in their key, and reach no header and no log raw."""

import base64
import hashlib
import json
import logging
import re
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import httpx
import pytest

from api.answers import problem_response
from api.filenames import safe_filename
from api.problems import InvalidFields
from media import packages
from media.errors import NotMedia
from platforms.frame import DestinationConfig, HandedOff
from platforms.sidecar import drop_files
from platforms.story import Story, StoryFile, StoryMedia, StoryRendition
from platforms.vertical import VerticalPlatform
from storage.errors import StoreUnavailable
from storage.keys import ASSETS, PACKAGES, asset_key
from storage.objects import Objects
from storage.settings import Settings

pytestmark = pytest.mark.slow

TRICKS = {
    "up": "../../../etc/passwd",
    "up alone": "..",
    "up and spaces": ".. .. ..",
    "up, in Windows' way": "..\\..\\boot.ini",
    "up, encoded": "%2e%2e/%2e%2e/evil.mp4",
    "up, encoded twice": "%252e%252e%252fevil.mp4",
    "up, encoded with its slashes": "..%2f..%2fevil.mp4",
    "up, over-long UTF-8 as Latin": "\xc0\xae\xc0\xae/evil.mp4",
    "absolute": "/etc/passwd",
    "drive": "C:\\Windows\\evil.exe",
    "share": "\\\\host\\share\\evil.mp4",
    "NUL": "桥\0.mp4",
    "NUL behind an ending": "evil.exe\0.jpg",
    "line breaks": 'a"\r\nX-Evil: 1\r\n\r\n<script>.mp4',
    "C1 line end": "a\x85X-Evil: 1.mp4",
    "line separator": "a\u2028X-Evil: 1.mp4",
    "escape": "\x1b[2J\x1b[31mred.mp4",
    "right to left": "照片\u202egpj.exe",
    "right-to-left mark": "\u200f\u200f.mp4",
    "isolates": "a\u2067b\u2069.mp4",
    "quotes": "a\";filename=\"evil.exe';x='.mp4",
    "300 bytes": "x" * 296 + ".mp4",
    "300 bytes, Chinese": "新" * 100,
    "300 bytes in a folder": "a/" + "y" * 300,
    "half a character": "a\ud800.mp4",
    "key of ours": "sha256/aa/evil",
}
tricks = pytest.mark.parametrize("trick", TRICKS)
# Controls, line ends, direction marks: what a terminal, a log or a header would obey.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
KEY = re.compile(
    r"(sha256/[0-9a-f]{2}/[0-9a-f]{64}|(incoming|probe)/[0-9a-f-]{36}(\.tail/[0-9a-f-]{36})?|tests/\S+)"
)


def _is_plain(name: str) -> bool:
    is_short = 0 < len(name.encode()) <= 255
    return is_short and not RAW.search(name) and not {"/", "\\"} & set(name) and name not in (".", "..")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that is logged, from its least level on."""
    caplog.set_level(logging.DEBUG)
    return caplog


def _check_log(logged: pytest.LogCaptureFixture) -> None:
    for record in logged.records:
        if record.name.startswith("sanshen"):
            assert not RAW.search(record.getMessage()), record
            assert "\n" not in record.getMessage(), record


def _check_headers(answer: httpx.Response) -> None:
    for name, value in answer.headers.raw:
        assert not RAW.search(value.decode("latin-1")), name
        assert b"\t" not in value
    assert "x-evil" not in answer.headers


async def _check_keys(api: Any) -> None:
    objects: Objects = api.app.state.resources.objects
    keys = await objects.names(ASSETS, "")
    assert [key for key in keys if not KEY.fullmatch(key)] == []


async def _by_parts(api: Any, item: str, name: str, data: bytes) -> list[httpx.Response]:
    path, body = f"/v1/submissions/{item}/uploads", {"filename": name, "size_bytes": len(data)}
    begun = await api(
        "POST", path, "writer", content=_json(body), headers={"Content-Type": "application/json"}
    )
    if begun.status_code != 201:
        return [begun]
    async with httpx.AsyncClient() as client:
        (part,) = begun.json()["parts"]
        assert urlsplit(part["url"]).path == f"/{ASSETS}/incoming/{begun.json()['id']}"
        assert (await client.put(part["url"], content=data)).status_code == 200
    done = await api("POST", f"{path}/{begun.json()['id']}/complete", "writer")
    assert done.status_code == 200, done.text
    return [begun, done]


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()  # a lone half of a character as \ud800, as a client can send it


async def _by_tus(api: Any, item: str, name: str, data: bytes) -> list[httpx.Response]:
    value = base64.b64encode(name.encode("utf-8", "surrogatepass")).decode()
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(len(data)),
        "Upload-Metadata": f"filename {value}",
        "Content-Type": "application/offset+octet-stream",
    }
    done = await api("POST", f"/v1/submissions/{item}/tus", "writer", headers=headers, content=data)
    if done.status_code != 201:
        return [done]
    head = await api("HEAD", done.headers["location"], "writer", headers={"Tus-Resumable": "1.0.0"})
    assert re.fullmatch(r"/api/v1/tus/[0-9a-f-]{36}", done.headers["location"])
    return [done, head]


@pytest.mark.parametrize("door", [_by_parts, _by_tus], ids=["parts", "tus"])
@tricks
async def test_uploaded_name_stays_out_of_keys_headers_and_logs(
    api: Any, logged: pytest.LogCaptureFixture, trick: str, door: Any
) -> None:
    item, name = (await api.draft())["id"], TRICKS[trick]
    data = f"{trick} {door.__name__}".encode()
    answers = await door(api, item, name, data)
    for answer in answers:
        _check_headers(answer)
    shown = (await api("GET", f"/v1/submissions/{item}", "writer")).json()
    if answers[0].status_code != 201:
        assert answers[0].status_code in (400, 422), answers[0].text
        assert shown["assets"] == []
    else:
        (asset,) = shown["assets"]
        assert (_is_plain(asset["filename"]), asset["sha256"]) == (True, hashlib.sha256(data).hexdigest())
        objects: Objects = api.app.state.resources.objects  # the address that intake opens later
        await _check_offered(objects.presign_get(ASSETS, asset_key(asset["sha256"]), asset["filename"]), data)
    await _check_keys(api)
    _check_log(logged)


async def _check_offered(url: str, data: bytes) -> None:
    """The address that offers the file: one plain name, in the coding that a header takes."""
    assert re.fullmatch(r"/assets/sha256/[0-9a-f]{2}/[0-9a-f]{64}", urlsplit(url).path)
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert (answer.status_code, answer.content) == (200, data)
    _check_headers(answer)
    offered = answer.headers["content-disposition"]
    found = re.fullmatch(r"inline; filename\*=UTF-8''([A-Za-z0-9._~%-]+)", offered)
    assert found, offered
    assert _is_plain(unquote(found[1]))


@tricks
def test_presigned_download_offers_the_last_part_in_plain_ascii(gateway: Settings, trick: str) -> None:
    """Also for names that came to the database by another way than an upload."""
    name = TRICKS[trick].encode("utf-8", "replace").decode()
    url = Objects(gateway).presign_get(ASSETS, "sha256/aa/x", name)
    (offered,) = parse_qs(urlsplit(url).query)["response-content-disposition"]
    assert re.fullmatch(r"inline; filename\*=UTF-8''[A-Za-z0-9._~%-]*", offered)
    assert urlsplit(url).path == "/assets/sha256/aa/x"


@tricks
def test_name_is_plain_or_refused(trick: str) -> None:
    try:
        name = safe_filename(TRICKS[trick])
    except InvalidFields:
        assert trick in ("up alone", "up and spaces")
        return
    assert _is_plain(name)


@tricks
def test_member_of_a_package_stays_in_its_folder_or_the_package_is_refused(
    tmp_path: Path, trick: str
) -> None:
    name = TRICKS[trick].encode("utf-8", "replace").decode()
    path, out = tmp_path / "page.zip", tmp_path / "out" / "deep"
    out.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", "<!doctype html>")
        entry = zipfile.ZipInfo("x")
        entry.filename = name  # as an attacker writes it: what Python makes of it is not asked
        archive.writestr(entry, b"x")
    before = set(tmp_path.rglob("*"))
    try:
        manifest = packages.unpack_package(path, out)
    except NotMedia as error:
        refusal = error.text
    else:
        refusal = None
    if refusal is not None:
        assert not RAW.search(refusal.zh + refusal.en)
        assert set(tmp_path.rglob("*")) == before
        return
    written = {each.relative_to(out).as_posix() for each in out.rglob("*") if each.is_file()}
    assert written == {each.name for each in manifest.entries}
    assert all(_is_plain(part) for each in written for part in each.split("/"))
    for each in written:
        assert not {"", ".", ".."} & set(unquote(unquote(each)).split("/"))


@pytest.fixture(scope="module")
async def pages(api: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The same application, called at the port of the H5 pages."""
    settings: Settings = api.app.state.resources.settings
    transport = httpx.ASGITransport(app=api.app, client=("192.0.2.9", 4712))
    async with httpx.AsyncClient(transport=transport, base_url=settings.reader_packages_url) as client:
        yield client


@tricks
async def test_reader_who_asks_with_a_trick_gets_nothing_of_another_folder(
    api: Any, pages: httpx.AsyncClient, logged: pytest.LogCaptureFixture, trick: str
) -> None:
    objects: Objects = api.app.state.resources.objects
    story = f"stories/{uuid4()}/v1/{'1a' * 8}/app_package"
    for key in ("evil.mp4", "etc/passwd", f"{story}/index.html"):
        await objects.put_bytes(PACKAGES, key, b"secret", "text/html")
    asked = TRICKS[trick].encode("utf-8", "replace")
    for raw in (asked, asked.replace(b"/", b"%2f")):
        coded = "".join(
            chr(each) if chr(each).isalnum() or each in b"./%" else f"%{each:02x}" for each in raw
        )
        for client, root in ((pages, ""), (api.client, "/media")):
            answer = await client.get(f"{root}/{story}/../../../../../{coded}")
            assert answer.status_code in (404, 405), answer.text
            assert b"secret" not in answer.content
            _check_headers(answer)
            answer = await client.get(f"{root}/{story}/{coded}")
            assert b"secret" not in answer.content
            _check_headers(answer)
    _check_log(logged)


def test_failure_at_a_forged_address_is_one_line_of_the_log(logged: pytest.LogCaptureFixture) -> None:
    forged = unquote("/api/v1/x%0d%0a2026-11-22 ERROR sanshen.api forged%1b[2J%e2%80%ae")
    scope: dict[str, Any] = {"method": "GET", "path": forged, "state": {"request_id": "x" * 8}}
    assert problem_response(StoreUnavailable("away"), scope, None).status_code == 503
    (record,) = [each for each in logged.records if each.name == "sanshen.api"]
    assert "forged" in record.getMessage()
    _check_log(logged)


class _Folder:
    """Takes a hand-off, and remembers its keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def copy_private(self, _: str, key: str) -> None:
        self.keys.append(key)

    async def put_private(self, key: str, data: bytes, media_type: str) -> None:
        assert data
        assert media_type
        self.keys.append(key)


def _story(name: str) -> Story:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    file = StoryFile("video", name, "made/aa/x", "video/mp4", 1000, "ab" * 32)
    cover = replace(file, role="poster", media_type="image/jpeg")
    made = {
        "vertical_mp4": StoryRendition("vertical_mp4", (file,), 1080, 1920, 10.0),
        "vertical_cover": StoryRendition("vertical_cover", (cover,), 1080, 1920),
    }
    return Story(
        id=str(uuid4()),
        version=1,
        revision_sha256="0" * 64,
        title=name,
        digest=name,
        body=name,
        byline=name,
        column=name,
        tags=(name,),
        published_at=now,
        updated_at=now,
        media=(StoryMedia("ab" * 32, "video", name, name, made),),
    )


@tricks
async def test_handed_over_files_are_called_what_we_call_them(trick: str) -> None:
    story, folder, delivery = (
        _story(TRICKS[trick].encode("utf-8", "replace").decode()),
        _Folder(),
        str(uuid4()),
    )
    destination = DestinationConfig("short", "短视频", {})
    tools: Any = folder
    given = await VerticalPlatform().publish(story, destination, delivery, tools)
    assert isinstance(given, HandedOff), given
    names = {"video.mp4", "cover.jpg", "texts.txt", "checklist.txt", "manifest.json"}
    assert set(folder.keys) == set(given.files.values()) == {f"handoffs/{delivery}/{name}" for name in names}
    dropped = [file.name for file in drop_files(story, ("vertical_mp4", "vertical_cover"))]
    assert len(set(dropped)) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+\.[a-z0-9]{1,5}", name) and len(name) <= 255 for name in dropped)
