"""Differences between two revisions over HTTP."""

from typing import Any
from uuid import uuid4


async def _patched(api: Any, item: Any, version: int, **body: Any) -> None:
    answer = await api(
        "PATCH", f"/v1/submissions/{item}", "writer", json=body, headers={"If-Match": f'"{version}"'}
    )
    assert answer.status_code == 200, answer.text


async def _difference(api: Any, item: Any, before: Any, after: Any, who: str = "writer") -> Any:
    return await api("GET", f"/v1/submissions/{item}/revisions/{before}/diff/{after}", who)


def _texts(runs: list[dict[str, str]]) -> tuple[str, str]:
    before = "".join(run["text"] for run in runs if run["op"] != "insert")
    return before, "".join(run["text"] for run in runs if run["op"] != "delete")


async def test_difference_tells_texts_by_word_fields_and_files(api: Any, add_asset: Any) -> None:
    item = (await api.draft(title="新桥昨日通车", body="甲。\n\n乙。", tags=["民生"]))["id"]
    first, second = [(await add_asset(item, name)).sha256 for name in ("一.jpg", "二.jpg")]
    await _patched(
        api,
        item,
        3,
        title="新桥今日通车",
        body="甲。\n\n丙。",
        tags=["交通"],
        assets=[{"sha256": second, "caption": "现场"}],
        embargo={"local": "2036-10-01T08:00", "zone": "Asia/Shanghai"},
    )
    found = (await _difference(api, item, 3, 4)).json()
    assert (found["before"]["number"], found["after"]["number"]) == (3, 4)
    assert found["title"] == [
        {"op": "equal", "text": "新桥"},
        {"op": "delete", "text": "昨日"},
        {"op": "insert", "text": "今日"},
        {"op": "equal", "text": "通车"},
    ]
    assert found["digest"] == []
    assert _texts(found["body"]) == ("甲。\n\n乙。", "甲。\n\n丙。")
    assert [each["field"] for each in found["fields"]] == ["tags", "embargo"]
    assert found["fields"][0] == {"field": "tags", "before": ["民生"], "after": ["交通"]}
    changes = {each["sha256"]: each["changes"] for each in found["assets"]}
    assert changes == {second: ["caption"], first: ["removed"]}


async def test_difference_of_any_two_revisions_is_given_in_both_directions(api: Any) -> None:
    item = (await api.draft(title="一"))["id"]
    for version, title in enumerate(("二", "三"), 1):
        await _patched(api, item, version, title=title)
    for before, after, texts in ((1, 3, ("一", "三")), (3, 1, ("三", "一")), (2, 2, ("二", "二"))):
        answer = await _difference(api, item, before, after)
        assert _texts(answer.json()["title"]) == texts


async def test_difference_with_a_revision_that_is_not_there_is_not_found(api: Any, is_problem: Any) -> None:
    item = (await api.draft())["id"]
    for before, after in ((1, 2), (2, 1), (0, 1), (1, 2**31), ("x", 1), (1, -1)):
        is_problem(await _difference(api, item, before, after), 404, "not-found")


async def test_difference_of_what_may_not_be_seen_is_not_found(api: Any, is_problem: Any) -> None:
    item = (await api.draft())["id"]
    for who in ("other_writer", "duty", "chief"):
        is_problem(await _difference(api, item, 1, 1, who), 404, "not-found")
    is_problem(await _difference(api, uuid4(), 1, 1), 404, "not-found")
