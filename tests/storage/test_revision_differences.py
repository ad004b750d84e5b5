"""Differences between revisions: whatever the texts, both can be put together again from the runs."""

import random
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.content import AssetRef, Content
from states.wall_time import WallTime
from storage.alignment import longest_rise, stretches
from storage.differences import Run, asset_differences, content_difference, text_difference
from storage.words import paragraphs, words

pytestmark = pytest.mark.slow

_NEWS = [
    "新桥",
    "通车",
    "，",
    "。",
    "\n\n",
    "村民",
    "GDP",
    " ",
    "3.14%",
    "👨‍👩‍👧",
    "🇨🇳",
    "e\u0301",
    "的",
    "了",
    "\r\n",
]
_TEXTS = st.text() | st.lists(st.sampled_from(_NEWS), max_size=60).map("".join)


@st.composite
def _edited(draw: Any) -> tuple[str, str]:
    """A text, and the same with some pieces taken out, put in, and swapped."""
    pieces = draw(st.lists(st.sampled_from(_NEWS), max_size=80))
    edited = list(pieces)
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(edited)))
        edited[place : place + draw(st.integers(0, 3))] = draw(st.lists(st.sampled_from(_NEWS), max_size=3))
    return "".join(pieces), "".join(edited)


def _check(before: str, after: str) -> tuple[Run, ...]:
    runs = text_difference(before, after)
    assert "".join(run.text for run in runs if run.op != "insert") == before
    assert "".join(run.text for run in runs if run.op != "delete") == after
    assert all(run.text for run in runs)
    ops = [run.op for run in runs]
    assert all(one != other for one, other in pairwise(ops))
    return runs


def _marked(before: str, after: str) -> str:
    marks = {"equal": "{}", "insert": "[+{}]", "delete": "[-{}]"}
    return "".join(marks[run.op].format(run.text) for run in _check(before, after))


@given(_TEXTS)
def test_words_and_paragraphs_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text
    assert "".join(paragraphs(text)) == text


@given(_TEXTS, _TEXTS)
def test_difference_of_any_two_texts_gives_both_back(before: str, after: str) -> None:
    _check(before, after)


@given(_edited())
def test_difference_of_an_edited_text_gives_both_back(pair: tuple[str, str]) -> None:
    runs = _check(*pair)
    assert ([run.op for run in runs] == ["equal"]) == (pair[0] == pair[1] != "")


@given(
    st.lists(st.sampled_from("abcdefghij"), max_size=70), st.lists(st.sampled_from("abcdefghij"), max_size=70)
)
def test_stretches_are_alike_and_in_order(before: list[str], after: list[str]) -> None:
    at, other = 0, 0
    for start, other_start, length in stretches(before, after):
        assert length > 0
        assert start >= at
        assert other_start >= other
        assert before[start : start + length] == after[other_start : other_start + length]
        at, other = start + length, other_start + length
    assert at <= len(before)
    assert other <= len(after)


@given(st.lists(st.integers(0, 8), max_size=8))
def test_longest_rise_is_the_longest_there_is(numbers: list[int]) -> None:
    pairs = list(enumerate(numbers))
    found = longest_rise(pairs)
    rises = [
        run
        for size in range(len(pairs) + 1)
        for run in combinations(pairs, size)
        if all(one[1] < other[1] for one, other in pairwise(run))
    ]
    assert tuple(found) in rises
    assert len(found) == max(len(run) for run in rises)


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("", "", ""),
        ("", "新桥", "[+新桥]"),
        ("新桥通车", "", "[-新桥通车]"),
        ("新桥昨日通车。", "新桥今日通车。", "新桥[-昨日][+今日]通车。"),
        ("青川村新桥正式通车", "青川村新大桥正式通车", "青川村[-新桥][+新大桥]正式通车"),
        ("增长3.1%。", "增长3.14%。", "增长[-3.1%][+3.14%]。"),
        ("The bridge is open", "The new bridge is open", "The [+new ]bridge is open"),
        ("甲段。\n\n丙段。", "甲段。\n\n乙段。\n\n丙段。", "甲段。\n\n[+乙段。\n\n]丙段。"),
        ("甲段。乙段。", "甲段。\n\n乙段。", "甲段。[+\n\n]乙段。"),
        ("一家👨‍👩‍👧去看", "一家👨‍👩‍👦去看", "一家[-👨‍👩‍👧][+👨‍👩‍👦]去看"),
        ("升🇨🇳旗", "升🇨🇭旗", "升[-🇨🇳][+🇨🇭]旗"),
    ],
)
def test_difference_is_told_by_whole_words(before: str, after: str, marked: str) -> None:
    assert _marked(before, after) == marked


def _body(seed: int, characters: int) -> str:
    chance = random.Random(seed)
    vocabulary = [
        chr(0x4E00 + chance.randrange(20000)) + chr(0x4E00 + chance.randrange(20000)) for _ in range(900)
    ]
    vocabulary += ["，", "。", "的", "了", "在", "。\n\n"] * 40
    parts: list[str] = []
    while len(parts) < characters:
        parts.append(chance.choice(vocabulary))
    return "".join(parts)[:characters]


def test_difference_of_a_long_text_marks_only_what_was_edited() -> None:
    before = _body(1, 100_000)
    chance, after = random.Random(2), before
    for _ in range(100):
        place = chance.randrange(len(after))
        after = after[:place] + "改" + after[place + 2 :]
    runs = _check(before, after)
    assert sum(len(run.text) for run in runs if run.op == "delete") <= 1000
    assert len(runs) <= 400


def test_difference_of_a_long_rewritten_text_is_still_given() -> None:
    _check(_body(1, 200_000), _body(3, 200_000))


@pytest.mark.parametrize("pieces", ["甲乙丙 ", "ab\n", "新", " \n", "，。"])
def test_difference_of_a_long_text_of_few_words_is_still_given(pieces: str) -> None:
    chance = random.Random(4)
    before, after = ("".join(chance.choices(pieces, k=200_000)) for _ in range(2))
    _check(before, after)


def test_fields_with_another_value_are_named_with_both() -> None:
    before = Content(title="一", byline="张伟", tags=("民生",), destinations=("app",))
    after = Content(
        title="二",
        byline="李娜",
        tags=("民生", "交通"),
        embargo=WallTime("2026-10-01T08:00", "Asia/Shanghai"),
    )
    found = content_difference(before, after)
    assert [(each.field, each.before, each.after) for each in found.fields] == [
        ("byline", "张伟", "李娜"),
        ("tags", ["民生"], ["民生", "交通"]),
        ("destinations", ["app"], []),
        ("embargo", None, {"local": "2026-10-01T08:00", "zone": "Asia/Shanghai"}),
    ]
    assert found.texts["title"] == (Run("delete", "一"), Run("insert", "二"))
    assert found.texts["body"] == ()


def test_every_field_of_a_revision_is_compared() -> None:
    told = content_difference(Content(), Content())
    fields = set(Content().to_json()) - set(told.texts) - {"assets"}
    for name in fields:
        changed = content_difference(
            Content(), Content.from_json(Content().to_json() | {name: _OTHER.get(name, "x")})
        )
        assert [each.field for each in changed.fields] == [name]


_OTHER: dict[str, Any] = {
    "adaptations": [{"destination": "short", "title": "x"}],
    "tags": ["x"],
    "destinations": ["x"],
    "embargo": {"local": "2026-10-01T08:00", "zone": "Asia/Shanghai"},
}


def _files(names: str, **captions: str) -> tuple[AssetRef, ...]:
    return tuple(AssetRef(name * 64, f"{name}.jpg", captions.get(name, "")) for name in names)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (_files("abc"), _files("abc"), []),
        (_files("ab"), _files("acb"), [("c", ("added",), None, 1)]),
        (_files("abc"), _files("ac"), [("b", ("removed",), 1, None)]),
        (_files("abcd"), _files("dabc"), [("d", ("moved",), 3, 0)]),
        (_files("ab"), _files("ab", b="通车现场"), [("b", ("caption",), 1, 1)]),
        (
            _files("abc"),
            _files("cab", c="新"),
            [("c", ("moved", "caption"), 2, 0)],
        ),
    ],
)
def test_files_that_differ_are_told_with_their_places(
    before: tuple[AssetRef, ...], after: tuple[AssetRef, ...], found: list[Any]
) -> None:
    told = [
        (
            each.sha256[0],
            each.changes,
            each.before and each.before.position,
            each.after and each.after.position,
        )
        for each in asset_differences(before, after)
    ]
    assert told == found


def test_file_with_another_name_is_told() -> None:
    (told,) = asset_differences((AssetRef("a" * 64, "1.jpg"),), (AssetRef("a" * 64, "2.jpg"),))
    assert told.changes == ("filename",)
