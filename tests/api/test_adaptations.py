"""One piece, other words for single destinations: kept, compared, held against that destination's limits, refused."""

from typing import Any

import pytest

LONG = "字" * 40


async def _patch(api: Any, item: str, **fields: Any) -> Any:
    seen = await api.seen(f"/v1/submissions/{item}")
    return await api("PATCH", f"/v1/submissions/{item}", "writer", json=fields, headers=seen)


async def _read(api: Any, item: str) -> Any:
    return (await api("GET", f"/v1/submissions/{item}", "writer")).json()


@pytest.fixture
async def item(api: Any, add_asset: Any) -> str:
    """A draft with a film, for the app and for a platform of short films."""
    draft = await api.draft(destinations=["app", "short"])
    await add_asset(draft["id"], "桥.mp4", intake="passed", kind="video", media_type="video/mp4")
    return str(draft["id"])


def _codes(shown: Any) -> set[tuple[str, str]]:
    return {(each["destination"], each["code"]) for each in shown["problems"]}


async def test_long_title_is_a_problem_of_one_platform_until_it_gets_its_own(api: Any, item: str) -> None:
    assert (await _patch(api, item, title=LONG)).is_success
    shown = await _read(api, item)
    (problem,) = [each for each in shown["problems"] if each["code"] == "vertical.title_too_long"]
    assert (problem["destination"], problem["limit"]) == ("short", 30)
    assert "30" in problem["text"]["zh"]
    assert "抖音" in problem["text"]["zh"]
    assert problem["source"]
    own = [{"destination": "short", "title": "新桥通车"}]
    assert (await _patch(api, item, adaptations=own)).is_success
    shown = await _read(api, item)
    assert ("short", "vertical.title_too_long") not in _codes(shown)
    assert (shown["title"], shown["content"]["adaptations"]) == (LONG, own)


async def test_adaptations_are_a_new_revision_and_a_difference(api: Any, item: str) -> None:
    before = await _read(api, item)
    entries = [{"destination": "short", "digest": "短", "tags": []}]
    moved = (await _patch(api, item, adaptations=entries)).json()
    assert before["revision_sha256"] != moved["revision_sha256"]
    numbers = f"{before['revision_number']}/diff/{moved['revision_number']}"
    found = (await api("GET", f"/v1/submissions/{item}/revisions/{numbers}", "writer")).json()["fields"]
    assert found == [{"field": "adaptations", "before": [], "after": entries}]


async def test_cover_is_a_file_of_the_piece(api: Any, is_problem: Any, item: str) -> None:
    film = (await _read(api, item))["assets"][0]["sha256"]
    own = [{"destination": "short", "cover": film}]
    assert (await _patch(api, item, cover=film, adaptations=own)).is_success
    assert (await _read(api, item))["content"]["cover"] == film
    for fields, field in (
        ({"cover": "0" * 64}, "cover"),
        ({"adaptations": [{"destination": "short", "cover": "0" * 64}]}, "adaptations.0.cover"),
        ({"assets": []}, "cover"),  # it may not be taken away while it is the cover
    ):
        (error,) = is_problem(await _patch(api, item, **fields), 422, "invalid-request")["errors"]
        assert error["field"] == field
        assert "封面" in str(error)
    assert (await _patch(api, item, cover="", adaptations=[], assets=[])).is_success


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"destination": "nowhere"}], "没有这些渠道：nowhere"),
        ([{"destination": "app", "title": "短"}], "请直接改主稿"),
        ([{"destination": "short"}, {"destination": "short"}], "重复"),
        ([{"destination": "short", "byline": "x"}], ""),
        ([{"destination": "short", "title": "两\n行"}], "换行"),
    ],
)
async def test_adaptation_that_cannot_be_is_refused(
    api: Any, is_problem: Any, item: str, entries: list[dict[str, str]], words: str
) -> None:
    (error,) = is_problem(await _patch(api, item, adaptations=entries), 422, "invalid-request")["errors"]
    assert error["field"].startswith("adaptations")
    assert words in str(error)
    assert (await _read(api, item))["content"]["adaptations"] == []
