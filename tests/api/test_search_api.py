"""Search over HTTP."""

from typing import Any

import pytest


async def _search(api: Any, q: str, who: str = "duty", **more: Any) -> Any:
    answer = await api("GET", "/v1/search", who, params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_hit_has_its_line_its_sentence_and_its_marks(api: Any, newsroom: Any) -> None:
    item = await newsroom.received(title="龙舟赛", body="端午当天，青龙河上锣鼓喧天。", byline="李娜")
    (hit,) = (await _search(api, "锣鼓喧天"))["items"]
    assert (hit["id"], hit["title"], hit["byline"], hit["match"]) == (str(item), "龙舟赛", "李娜", "words")
    assert hit["excerpt"] == {"sentence": "端午当天，青龙河上锣鼓喧天。", "marks": [[9, 13]]}


async def test_pages_are_walked_by_their_cursor(api: Any, newsroom: Any) -> None:
    items = {str(await newsroom.received(title=f"莲子{number}")) for number in range(5)}
    seen, cursor = [], None
    while True:
        page = await _search(api, "莲子", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [hit["id"] for hit in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert (set(seen), len(seen)) == (items, 5)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"q": ""}, "q"),
        ({"q": " 。！"}, "q"),
        ({"q": "长" * 101}, "q"),
        ({"q": "a\x00b"}, "q"),
        ({"q": "通车", "since": "2026-01-01T00:00:00"}, "since"),
        ({"q": "通车", "state": "nowhere"}, "state.0"),
        ({"q": "通车", "cursor": "nonsense"}, "cursor"),
        ({"q": "通车", "limit": 101}, "limit"),
    ],
)
async def test_bad_query_names_the_field(
    api: Any, is_problem: Any, given: dict[str, Any], field: str
) -> None:
    answer = await api("GET", "/v1/search", "duty", params=given)
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field
