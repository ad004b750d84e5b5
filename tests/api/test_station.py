"""The station's logo and clips: chosen from files that passed intake, kept apart from the piece they came with."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from storage.keys import ASSETS, station_key
from storage.objects import Objects
from storage.tables import JournalRow

PNG = {"intake": "passed", "kind": "still", "media_type": "image/png"}
CLIP = {"intake": "passed", "kind": "video", "media_type": "video/mp4", "probe": {"duration_s": 5.0}}


@pytest.fixture
async def item(api: Any) -> str:
    """A draft with the station's files; an administrator writes none, and may inspect all."""
    return str((await api.draft(title="台标与片头"))["id"])


@pytest.fixture
async def add(item: str, add_asset: Any, objects: Objects) -> Any:
    """Gives the draft a file with its bytes."""

    async def added(filename: str, **given: Any) -> Any:
        asset = await add_asset(item, filename, **given)
        data = f"{item}{filename}".encode()  # of which the hash is made
        await objects.put_bytes(ASSETS, asset.object_key, data, "application/octet-stream")
        return asset

    return added


@pytest.fixture(autouse=True)
async def _bare(newsroom: Any) -> AsyncIterator[None]:
    yield
    async with newsroom.db.transaction() as session:
        await (await session.connection()).execute(text("DELETE FROM station_file"))


async def _put(api: Any, role: str, item: str, sha256: str, who: str = "admin") -> Any:
    body = {"submission_id": item, "sha256": sha256}
    return await api("PUT", f"/v1/station/{role}", who, json=body, headers=await api.seen("/v1/station"))


async def test_file_in_a_role_is_kept_replaced_and_taken_away(
    newsroom: Any, api: Any, item: str, add: Any, objects: Objects
) -> None:
    logo, opening = await add("台标.png", **PNG), await add("片头.mp4", **CLIP)
    assert (await _put(api, "opening", item, opening.sha256)).is_success
    answer = await _put(api, "logo", item, logo.sha256)
    shown = [(each["role"], each["sha256"], each["filename"]) for each in answer.json()["items"]]
    assert shown == [("logo", logo.sha256, "台标.png"), ("opening", opening.sha256, "片头.mp4")]
    assert (await api("GET", "/v1/station", "duty")).json() == answer.json()
    await objects.erase(ASSETS, logo.object_key)  # the draft may go; the station's logo stays
    assert await objects.read(ASSETS, station_key(logo.sha256)) == f"{item}台标.png".encode()
    other = await add("新台标.png", **PNG)
    replaced = (await _put(api, "logo", item, other.sha256)).json()["items"]
    assert [each["sha256"] for each in replaced] == [other.sha256, opening.sha256]
    seen = await api.seen("/v1/station")
    assert [
        each["role"]
        for each in (await api("DELETE", "/v1/station/logo", "admin", headers=seen)).json()["items"]
    ] == ["opening"]
    async with newsroom.db.transaction() as session:
        wrote = select(JournalRow).where(col(JournalRow.subject).startswith("station/"))
        lines = [(row.action, row.subject) for row in await session.exec(wrote.order_by(col(JournalRow.at)))]
    assert lines == [
        ("station_file_set", "station/opening"),
        ("station_file_set", "station/logo"),
        ("station_file_set", "station/logo"),
        ("station_file_unset", "station/logo"),
    ]


@pytest.mark.parametrize(
    "case",
    [
        ("logo", PNG | {"media_type": "image/jpeg"}, "PNG"),
        ("logo", PNG | {"size_bytes": 5_000_000}, "4 MB"),
        ("logo", PNG | {"intake": "waiting"}, "还没有通过入库检查"),
        ("logo", CLIP, "PNG"),
        ("opening", PNG, "30 秒"),
        ("closing", CLIP | {"probe": {"duration_s": 30.1}}, "30 秒"),
    ],
)
async def test_file_that_fits_no_role_is_refused_in_words(
    api: Any, is_problem: Any, item: str, add_asset: Any, case: tuple[str, dict[str, Any], str]
) -> None:
    role, given, words = case
    asset = await add_asset(item, "a.bin", **given)
    (error,) = is_problem(await _put(api, role, item, asset.sha256), 422, "invalid-request")["errors"]
    assert words in str(error)
    assert (await api("GET", "/v1/station", "admin")).json() == {"items": []}


async def test_file_that_is_not_there_and_a_role_that_is_none(api: Any, is_problem: Any, item: str) -> None:
    is_problem(await _put(api, "logo", item, "0" * 64), 404, "not-found")
    is_problem(await _put(api, "banner", item, "0" * 64), 404, "not-found")
    seen = await api.seen("/v1/station")
    is_problem(await api("DELETE", "/v1/station/logo", "admin", headers=seen), 404, "not-found")


async def test_stale_and_missing_if_match(api: Any, is_problem: Any, item: str, add: Any) -> None:
    logo = await add("台标.png", **PNG)
    body, seen = {"submission_id": item, "sha256": logo.sha256}, await api.seen("/v1/station")
    is_problem(await api("PUT", "/v1/station/logo", "admin", json=body), 428, "precondition-required")
    assert (await api("PUT", "/v1/station/logo", "admin", json=body, headers=seen)).is_success
    is_problem(await api("PUT", "/v1/station/logo", "admin", json=body, headers=seen), 412, "stale-version")
    is_problem(await api("DELETE", "/v1/station/logo", "admin", headers=seen), 412, "stale-version")


async def test_copy_with_other_bytes_is_not_taken(
    api: Any, is_problem: Any, item: str, add: Any, objects: Objects
) -> None:
    logo = await add("台标.png", **PNG)
    await objects.put_bytes(ASSETS, logo.object_key, b"other bytes", "application/octet-stream")
    is_problem(await _put(api, "logo", item, logo.sha256), 503, "store-unavailable")
    assert (await api("GET", "/v1/station", "admin")).json() == {"items": []}
