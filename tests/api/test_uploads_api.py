"""Uploads over HTTP: the API gives addresses, the gateway takes the bytes, the API says what became of them."""

import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.filenames import safe_filename
from api.problems import InvalidFields

pytestmark = pytest.mark.slow


async def _begin(api: Any, item: Any, data: bytes, who: str = "writer", **given: Any) -> Any:
    body = {"filename": "桥.mp4", "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} | given
    return await api("POST", f"/v1/submissions/{item}/uploads", who, json=body)


async def _send(upload: Any, data: bytes) -> None:
    async with httpx.AsyncClient() as client:
        for part in upload["parts"]:
            piece = data[part["offset_bytes"] :][: part["size_bytes"]]
            assert (await client.put(part["url"], content=piece)).status_code == 200


def _path(upload: Any) -> str:
    return f"/v1/submissions/{upload['submission_id']}/uploads/{upload['id']}"


async def test_file_sent_in_parts_becomes_part_of_the_content(api: Any) -> None:
    item, data = (await api.draft())["id"], bytes(8 * 2**20) + b"tail"
    answer = await _begin(api, item, data, caption="现场")
    upload = answer.json()
    assert answer.status_code == 201
    assert (upload["part_count"], upload["arrived"]) == (2, [])
    assert sum(part["size_bytes"] for part in upload["parts"]) == len(data)
    await _send({"parts": upload["parts"][1:]}, data)
    again = (await api("GET", _path(upload), "writer")).json()
    assert (again["arrived"], [part["number"] for part in again["parts"]]) == ([2], [1])
    await _send(again, data)
    done = await api("POST", f"{_path(upload)}/complete", "writer")
    assert done.status_code == 200, done.text
    assert done.json()["asset_sha256"] == hashlib.sha256(data).hexdigest()
    shown = (await api("GET", f"/v1/submissions/{item}", "writer")).json()
    assert shown["version"] == done.json()["submission"]["version"]
    assert (shown["assets"][0]["caption"], shown["assets"][0]["intake"]) == ("现场", "waiting")
    repeated = await api("POST", f"{_path(upload)}/complete", "writer")
    assert (repeated.status_code, repeated.json()["asset_sha256"]) == (200, done.json()["asset_sha256"])
    finished = (await api("GET", _path(upload), "writer")).json()
    assert (finished["state"], finished["arrived"], finished["parts"]) == ("completed", [1, 2], [])


async def test_bytes_that_are_not_the_announced_ones_are_refused_and_can_be_sent_again(
    api: Any, is_problem: Any
) -> None:
    item, data = (await api.draft())["id"], b"as announced"
    upload = (await _begin(api, item, data)).json()
    await _send(upload, b"AS ANNOUNCED")
    document = is_problem(await api("POST", f"{_path(upload)}/complete", "writer"), 409, "upload-refused")
    assert hashlib.sha256(data).hexdigest() in document["detail"]
    is_problem(await api("POST", f"{_path(upload)}/complete", "writer"), 409, "upload-refused")
    shown = (await api("GET", f"/v1/submissions/{item}", "writer")).json()
    assert (shown["version"], shown["assets"]) == (1, [])
    again = (await _begin(api, item, data)).json()
    await _send(again, data)
    assert (await api("POST", f"{_path(again)}/complete", "writer")).status_code == 200


async def test_missing_part_is_409_names_it_and_the_upload_stays_open(api: Any, is_problem: Any) -> None:
    item, data = (await api.draft())["id"], b"late"
    upload = (await _begin(api, item, data, sha256=None)).json()
    document = is_problem(await api("POST", f"{_path(upload)}/complete", "writer"), 409, "upload-refused")
    assert "1" in document["detail_en"]
    is_problem(await api.event(item, "submit", "writer"), 409, "guard-refused")
    await _send(upload, data)
    assert (await api("POST", f"{_path(upload)}/complete", "writer")).status_code == 200
    assert (await api.event(item, "submit", "writer")).status_code == 200


async def test_dropped_upload_is_gone_for_good(api: Any, is_problem: Any) -> None:
    item = (await api.draft())["id"]
    upload = (await _begin(api, item, b"never")).json()
    for _ in range(2):
        assert (await api("DELETE", _path(upload), "writer")).status_code == 204
    is_problem(await api("POST", f"{_path(upload)}/complete", "writer"), 409, "upload-refused")
    assert (await api("GET", _path(upload), "writer")).json()["parts"] == []
    assert (await api.event(item, "submit", "writer")).status_code == 200


async def test_upload_is_there_only_for_who_began_it_and_where_it_belongs(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = (await api.draft())["id"]
    upload = (await _begin(api, item, b"mine")).json()
    elsewhere = {**upload, "submission_id": (await api.draft())["id"]}
    for path, who in ((_path(upload), "chief"), (_path(elsewhere), "writer")):
        is_problem(await api("GET", path, who), 404, "not-found")
        is_problem(await api("POST", f"{path}/complete", who), 404, "not-found")
        is_problem(await api("DELETE", path, who), 404, "not-found")
    is_problem(await _begin(api, item, b"x", "chief"), 404, "not-found")
    is_problem(await _begin(api, uuid4(), b"x"), 404, "not-found")
    received = await newsroom.received()
    is_problem(await _begin(api, received, b"x"), 409, "illegal-event")
    is_problem(await _begin(api, received, b"x", "duty"), 409, "illegal-event")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": -1}, "size_bytes"),
        ({"size_bytes": 10**9 + 1}, "size_bytes"),
        ({"size_bytes": 10**30}, "size_bytes"),
        ({"size_bytes": 1.5}, "size_bytes"),
        ({"sha256": "x"}, "sha256"),
        ({"filename": ""}, "filename"),
        ({"filename": "/"}, "filename"),
        ({"filename": "\u202e"}, "filename"),
        ({"caption": "x" * 1001}, "caption"),
        ({"key": "assets/x"}, "key"),
    ],
)
async def test_bad_upload_is_422_and_names_the_field(
    api: Any, is_problem: Any, given: Any, field: str
) -> None:
    item = (await api.draft())["id"]
    document = is_problem(await _begin(api, item, b"x", **given), 422, "invalid-request")
    assert document["errors"][0]["field"] == field
    if given.get("size_bytes") == 10**9 + 1:
        assert "1000000000" in document["detail"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\照片\\桥.jpg", "桥.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\x1b[31m.mp4", "ab[31m.mp4"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        (" .hidden. ", "hidden"),
        ("字" * 200 + ".mp4", "字" * 83 + ".mp4"),
        ("x" * 300, "x" * 255),
        ("a." + "y" * 300, "a." + "y" * 253),
    ],
)
def test_file_name_is_kept_as_a_plain_name(given: str, kept: str) -> None:
    assert safe_filename(given) == kept
    assert len(kept.encode()) <= 255


@pytest.mark.parametrize("given", ["..", "/", "\u200f", "   "])
def test_name_of_nothing_is_refused(given: str) -> None:
    with pytest.raises(InvalidFields):
        safe_filename(given)
