"""What a revision says: its name changes with every word, and the way to the table and back loses nothing."""

import hashlib
import json
from dataclasses import fields, replace
from typing import Any

import pytest

from states.content import Adaptation, AssetRef, Content, CropBox, Finishing
from states.ledger import NotCanonical
from states.wall_time import NotAWallTime, WallTime

CLIP, STILL = AssetRef("a" * 64, "clip.mp4", "抗洪现场"), AssetRef("b" * 64, "still.jpg")
CONTENT = Content(
    title="水退了",
    digest="一天一夜",
    body="第一段。\n\n第二段。",
    byline="赵通讯员",
    column="要闻",
    tags=("防汛", "民生"),
    ai_label="none",
    destinations=("app", "webhook"),
    correction_note="",
    embargo=WallTime("2026-05-04T08:00", "Asia/Shanghai"),
    assets=(CLIP, STILL),
)
CHANGES: dict[str, Any] = {
    "title": "水退了。",
    "digest": "",
    "body": "第一段。\n第二段。",
    "byline": "钱通讯员",
    "column": None,
    "language": "en",
    "tags": ("民生", "防汛"),
    "ai_label": "assisted",
    "destinations": ("app",),
    "correction_note": "更正",
    "embargo": WallTime("2026-05-04T08:00", "Asia/Urumqi"),
    "assets": (STILL, CLIP),
    "cover": "b" * 64,
    "adaptations": (Adaptation("short", title="水退了！"),),
}


@pytest.mark.parametrize("field", [each.name for each in fields(Content)])
def test_hash_changes_with_each_single_field(field: str) -> None:
    assert replace(CONTENT, **{field: CHANGES[field]}).sha256() != CONTENT.sha256()


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "c" * 64},
        {"filename": "x"},
        {"caption": "x"},
        {"finishing": Finishing(has_logo=True)},
    ],
)
def test_hash_changes_with_each_field_of_an_asset(change: dict[str, Any]) -> None:
    assert replace(CONTENT, assets=(replace(CLIP, **change), STILL)).sha256() != CONTENT.sha256()


FINISHED = Finishing(CropBox(0, 0, 720, 1280), "b" * 64, burns_in=True, has_logo=True, has_clips=True)


@pytest.mark.parametrize(
    "change",
    [
        {"crop": None},
        {"crop": CropBox(1, 0, 720, 1280)},
        {"subtitles": ""},
        {"burns_in": False},
        {"has_logo": False},
        {"has_clips": False},
    ],
)
def test_hash_changes_with_each_field_of_a_finishing_and_the_way_back_loses_none(
    change: dict[str, Any],
) -> None:
    one = replace(CONTENT, assets=(replace(CLIP, finishing=FINISHED), STILL))
    other = replace(CONTENT, assets=(replace(CLIP, finishing=replace(FINISHED, **change)), STILL))
    assert one.sha256() != other.sha256()
    for each in (one, other):
        assert Content.from_json(json.loads(json.dumps(each.canonical()))) == each


def test_file_without_a_finishing_is_written_as_before_there_were_any() -> None:
    """Signed years ago, it has to have the same hash today."""
    assert CONTENT.canonical()["assets"] == [
        {"sha256": "a" * 64, "filename": "clip.mp4", "caption": "抗洪现场"},
        {"sha256": "b" * 64, "filename": "still.jpg", "caption": ""},
    ]


@pytest.mark.parametrize("content", [Content(), CONTENT])
def test_content_to_json_and_back_is_the_same_with_the_same_hash(content: Content) -> None:
    stored = json.loads(json.dumps(content.to_json()))
    assert Content.from_json(stored) == content
    assert Content.from_json(stored).sha256() == content.sha256()


def test_content_from_json_with_its_names_in_another_order_has_the_same_hash() -> None:
    turned = dict(reversed(list(CONTENT.to_json().items())))
    assert Content.from_json(turned).sha256() == CONTENT.sha256()


def test_hash_of_a_revision_leaves_out_what_says_nothing() -> None:
    """So a field that is added to Content later renames no revision that was ever signed."""
    assert Content().canonical() == {}
    assert Content().sha256() == hashlib.sha256(b"{}").hexdigest()
    said = Content(title="新桥通车", ai_label="none", tags=("民生",))
    assert said.canonical() == {"title": "新桥通车", "ai_label": "none", "tags": ["民生"]}
    assert Content.from_json(said.canonical()) == said == Content.from_json(said.to_json())


def test_content_from_json_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError):
        Content.from_json({"headline": "x"})


def test_content_from_json_without_an_embargo_has_none() -> None:
    assert Content.from_json({"title": "x"}).embargo is None
    assert Content.from_json({"embargo": None}) == Content()


def test_content_from_json_with_an_embargo_that_is_no_time_is_refused() -> None:
    with pytest.raises(NotAWallTime):
        Content.from_json({"embargo": {"local": "2026-05-04T08:00", "zone": "Asia/Nowhere"}})


def test_content_with_a_lone_surrogate_has_no_hash() -> None:
    with pytest.raises(NotCanonical):
        Content(title="\ud83d").sha256()


def test_with_asset_adds_it_at_the_end_and_never_twice() -> None:
    renamed = replace(CLIP, caption="新说明")
    assert CONTENT.with_asset(AssetRef("c" * 64, "c.mp3")).assets[-1].filename == "c.mp3"
    assert CONTENT.with_asset(renamed).assets == (STILL, renamed)


ADAPTED = Adaptation("short", "短标题", "", "短文。", (), "b" * 64)


@pytest.mark.parametrize("field", ["title", "digest", "body", "tags", "cover"])
def test_hash_changes_with_each_field_of_an_adaptation_and_the_way_back_loses_none(field: str) -> None:
    one = replace(CONTENT, adaptations=(ADAPTED,))
    other = replace(CONTENT, adaptations=(replace(ADAPTED, **{field: None}),))
    assert one.sha256() != other.sha256()
    for each in (one, other):
        assert Content.from_json(json.loads(json.dumps(each.canonical()))) == each
        assert Content.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_destination_gets_its_own_words_and_the_piece_where_it_has_none() -> None:
    content = replace(CONTENT, adaptations=(ADAPTED, Adaptation("weibo", tags=("汛情",))))
    short, weibo = content.adapted("short"), content.adapted("weibo")
    assert (short.title, short.digest, short.body, short.tags, short.cover) == (
        "短标题",
        "",
        "短文。",
        (),
        "b" * 64,
    )
    assert (weibo.title, weibo.body, weibo.tags, weibo.cover) == (content.title, content.body, ("汛情",), "")
    assert content.adapted("app") == content
