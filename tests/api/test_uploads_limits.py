"""Uploads over HTTP on bad days: repeats, other devices, wrong sizes, and too much at once."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage.settings import Settings


async def _begin(api: Any, item: Any, size: int = 4, key: str | None = None, **given: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"filename": "桥.mp4", "size_bytes": size, "media_type": "video/mp4"} | given
    return await api("POST", f"/v1/submissions/{item}/uploads", "writer", json=body, headers=headers)


async def _item(api: Any) -> str:
    return str((await api.draft())["id"])


@pytest.fixture
def limits(api: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets limits of the running application."""
    settings: Settings = api.app.state.resources.settings

    def set_to(**given: int) -> None:
        for name, value in given.items():
            monkeypatch.setattr(settings, name, value)

    return set_to


async def test_repeated_creation_with_one_key_is_one_upload_with_fresh_addresses(api: Any) -> None:
    item, key = await _item(api), uuid4().hex
    first = await _begin(api, item, key=key)
    async with httpx.AsyncClient() as client:
        assert (await client.put(first.json()["parts"][0]["url"], content=b"sent")).status_code == 200
    again = await _begin(api, item, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert first.json()["id"] == again.json()["id"]
    assert (again.json()["arrived"], again.json()["parts"]) == ([1], [])
    assert (await _begin(api, item)).json()["id"] != first.json()["id"]


async def test_key_of_another_request_is_422(api: Any, is_problem: Any) -> None:
    item, key = await _item(api), uuid4().hex
    await _begin(api, item, key=key)
    is_problem(await _begin(api, item, size=5, key=key), 422, "idempotency-key-reused")
    is_problem(await _begin(api, await _item(api), key=key), 422, "idempotency-key-reused")
    assert len((await api("GET", f"/v1/submissions/{item}/uploads", "writer")).json()["items"]) == 1


async def test_address_refuses_another_size_at_the_gateway(api: Any) -> None:
    upload = (await _begin(api, await _item(api))).json()
    (part,) = upload["parts"]
    async with httpx.AsyncClient() as client:
        for data in (b"", b"123", b"12345", b"1" * 10_000):
            assert (await client.put(part["url"], content=data)).status_code == 403
        assert (await client.put(part["url"], content=b"1234")).status_code == 200


async def test_open_uploads_of_a_person_are_found_on_another_device(api: Any) -> None:
    items = [await _item(api), await _item(api)]
    begun = [(await _begin(api, item)).json() for item in items]
    dropped = (await _begin(api, items[0])).json()
    path = f"/v1/submissions/{items[0]}/uploads/{dropped['id']}"
    assert (await api("DELETE", path, "writer")).status_code == 204
    found = (await api("GET", "/v1/uploads", "writer")).json()["items"]
    ids = [each["id"] for each in found]
    assert [each["id"] for each in reversed(begun)] == ids[:2]
    assert dropped["id"] not in ids
    assert (found[0]["filename"], found[0]["media_type"], found[0]["door"]) == (
        "桥.mp4",
        "video/mp4",
        "parts",
    )
    here = (await api("GET", f"/v1/submissions/{items[1]}/uploads", "writer")).json()["items"]
    assert [each["id"] for each in here] == [begun[1]["id"]]
    assert (await api("GET", "/v1/uploads", "other_writer")).json()["items"] == []
    assert (await api("GET", f"/v1/submissions/{items[1]}/uploads", "admin")).json()["items"] == []


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("upload_most_open", 0, "0 unfinished"),
        ("upload_most_open_bytes", 3, "GB unfinished"),
        ("upload_most_day_bytes", 3, "within 24 hours"),
        ("upload_most_a_minute", 0, "0 a minute"),
    ],
)
async def test_too_much_at_once_is_429_with_the_limit_and_a_time(
    api: Any, is_problem: Any, limits: Any, limit: str, value: int, words: str
) -> None:
    item = await _item(api)
    limits(**{limit: value})
    answer = await _begin(api, item)
    document = is_problem(answer, 429, "upload-quota")
    assert words in document["detail_en"]
    assert int(answer.headers["retry-after"]) >= 1
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "4", "Upload-Metadata": "filename YQ=="}
    tus = await api("POST", f"/v1/submissions/{item}/tus", "writer", headers=headers)
    assert (tus.status_code, int(tus.headers["retry-after"]) >= 1) == (429, True)


@pytest.mark.parametrize(
    "media_type", ["", "video", "video/", "a b/c", "视频/mp4", "video/mp4\nX: y", "x/" * 200]
)
async def test_bad_media_type_is_422(api: Any, is_problem: Any, media_type: str) -> None:
    document = is_problem(await _begin(api, await _item(api), media_type=media_type), 422, "invalid-request")
    assert document["errors"][0]["field"] == "media_type"
