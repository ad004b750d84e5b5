"""The hand-off for vertical video: limits with their sources, and a package that says what to do."""

import json
from dataclasses import replace

import pytest

from platforms.frame import HandedOff, Refused
from platforms.vertical import VerticalPlatform

PLATFORM = VerticalPlatform()


@pytest.mark.parametrize(
    ("change", "code", "limit", "source"),
    [
        ({"title": "字" * 31}, "vertical.title_too_long", 30, "Douyin"),
        ({"digest": "字" * 501}, "vertical.description_too_long", 500, "Kuaishou"),
        ({"tags": ("一", "二", "三", "四", "五")}, "vertical.topics_too_many", 4, "Kuaishou"),
        ({"title": ""}, "vertical.title_missing", None, ""),
        ({"media": ()}, "vertical.video_missing", None, ""),
    ],
)
def test_check_of_a_text_past_its_limit_names_limit_and_source(story, change, code, limit, source):
    (problem,) = PLATFORM.check(replace(story, **change))
    assert (problem.code, problem.limit) == (code, limit)
    assert source in problem.source
    if limit:
        for text in (problem.text.zh, problem.text.en):
            assert str(limit) in text
            assert "M; 2026-11-22" in text


def test_check_of_a_title_of_exactly_thirty_finds_nothing(story):
    assert PLATFORM.check(replace(story, title="字" * 30)) == ()


@pytest.mark.parametrize(
    ("facts", "size_bytes", "code"),
    [
        ({"duration_s": 900.5}, 1, "vertical.video_too_long"),
        ({"width": 540}, 1, "vertical.video_too_narrow"),
        ({}, 4_000_000_001, "vertical.file_too_large"),
    ],
)
def test_check_of_a_finished_video_past_a_limit_finds_it(story, facts, size_bytes, code):
    made = story.media[0].renditions
    file = replace(made["vertical_mp4"].files[0], size_bytes=size_bytes)
    made["vertical_mp4"] = replace(made["vertical_mp4"], files=(file,), **facts)
    assert [problem.code for problem in PLATFORM.check(story)] == [code]


def test_check_before_the_video_is_made_looks_at_the_texts_only(story):
    story.media[0].renditions.clear()
    assert PLATFORM.check(story) == ()


def test_limits_that_nobody_knows_are_listed_unset():
    unknown = {limit.name for limit in PLATFORM.limits if limit.value is None}
    assert unknown == {
        "channels.size_bytes",
        "channels.duration_s",
        "kuaishou.size_bytes",
        "kuaishou.duration_s",
    }


async def test_publish_writes_a_whole_package_manifest_last(story, destination, tools):
    outcome = await PLATFORM.publish(story, destination, "d7", tools)
    assert isinstance(outcome, HandedOff)
    assert outcome.url is None
    names = ["video.mp4", "cover.jpg", "texts.txt", "checklist.txt", "manifest.json"]
    assert outcome.files == {name: f"handoffs/d7/{name}" for name in names}
    assert tools.calls == [f"handoffs/d7/{name}" for name in names]
    assert tools.copies["handoffs/d7/video.mp4"] == "renditions/vertical_mp4/v.mp4"
    assert tools.public == {}
    manifest = json.loads(tools.private["handoffs/d7/manifest.json"])
    assert [(f["name"], f["sha256"]) for f in manifest["files"]] == [
        ("video.mp4", "ab" * 32),
        ("cover.jpg", "ab" * 32),
    ]
    assert manifest["revision_sha256"] == story.revision_sha256


async def test_publish_twice_writes_the_same_bytes(story, destination, tools):
    await PLATFORM.publish(story, destination, "d7", tools)
    first = dict(tools.private)
    await PLATFORM.publish(story, destination, "d7", tools)
    assert tools.private == first


async def test_publish_texts_and_checklist_carry_title_topics_ai_label_and_note(
    corrected, destination, tools
):
    await PLATFORM.publish(corrected, destination, "d7", tools)
    texts = tools.private["handoffs/d7/texts.txt"].decode()
    checklist = tools.private["handoffs/d7/checklist.txt"].decode()
    assert corrected.title in texts
    assert "#防汛 #白龙江" in texts
    assert "AI 生成" in checklist
    assert corrected.note in checklist
    assert "把链接填回" in checklist


async def test_publish_of_hostile_text_stays_readable(poisoned, destination, tools):
    await PLATFORM.publish(poisoned, destination, "d7", tools)
    assert json.loads(tools.private["handoffs/d7/manifest.json"])["title"].endswith("全部转移")


async def test_publish_without_a_video_is_refused(story, destination, tools):
    outcome = await PLATFORM.publish(replace(story, media=story.media[1:]), destination, "d7", tools)
    assert isinstance(outcome, Refused)


async def test_publish_waits_only_for_the_video_that_goes_out(story, destination, tools):
    second = replace(story.media[0], asset_sha256="3c" * 32, renditions={})
    outcome = await PLATFORM.publish(replace(story, media=(*story.media, second)), destination, "d7", tools)
    assert isinstance(outcome, HandedOff)
    assert "此包为第一段" in tools.private["handoffs/d7/checklist.txt"].decode()


async def test_retract_hands_a_person_the_steps(retracted, destination, tools):
    outcome = await PLATFORM.retract(retracted, destination, "d7", tools)
    assert outcome == HandedOff(None, {"retract.txt": "handoffs/d7/retract.txt"})
    assert retracted.note in tools.private["handoffs/d7/retract.txt"].decode()
