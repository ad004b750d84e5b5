"""Hand-offs for platforms without an API: limits at their edges, what a package holds, and what a person is told."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from platforms.bilibili import BilibiliPlatform
from platforms.by_hand import ByHandPlatform
from platforms.channels import ChannelsPlatform
from platforms.frame import HandedOff, Refused, Sent
from platforms.handoff import HandoffPlatform
from platforms.handoff_rules import unknown_words
from platforms.kuaishou import KuaishouPlatform
from platforms.registry import PLATFORMS
from platforms.story import Story, StoryFile, StoryMedia, StoryRendition
from platforms.toutiao import ToutiaoPlatform
from platforms.vertical import VerticalPlatform
from platforms.xuexi import XuexiPlatform

FILMS = (ChannelsPlatform(), KuaishouPlatform(), BilibiliPlatform())
ARTICLES = (ToutiaoPlatform(), XuexiPlatform(), ByHandPlatform())
ALL = (*FILMS, *ARTICLES)
BEFORE = Sent("d6", None)
VTT = StoryFile("subtitles", "subtitles.vtt", "made/subtitles.vtt", "text/vtt", 200, "ef" * 32)
each = pytest.mark.parametrize("platform", ALL, ids=lambda platform: platform.name)

# Width, height and seconds of what the profiles make.
SHAPES: dict[str, tuple[int, int, float | None]] = {
    "channels_mp4": (1080, 1920, 12.5),
    "channels_mp4_1260": (1080, 1260, 12.5),
    "channels_cover": (1080, 1260, None),
    "kuaishou_mp4": (1080, 1920, 12.5),
    "kuaishou_cover": (1080, 1440, None),
    "toutiao_mp4": (1920, 1080, 12.5),
    "bilibili_mp4": (1920, 1080, 12.5),
    "bilibili_cover": (1280, 800, None),
    "app_mp4": (1920, 1080, 12.5),
    "poster": (1280, 720, None),
    "app_still": (1920, 1280, None),
}


def _made(profile: str, sha256: str) -> StoryRendition:
    width, height, duration_s = SHAPES[profile]
    media_type = "video/mp4" if duration_s else "image/jpeg"
    file = StoryFile("file", "x.bin", f"made/{sha256[:2]}/{profile}", media_type, 1000, "ab" * 32)
    return StoryRendition(profile, (file,), width, height, duration_s)


def _media(platform: HandoffPlatform, media: StoryMedia) -> StoryMedia:
    made = {name: _made(name, media.asset_sha256) for name in platform.renditions.get(media.kind, ())}
    return replace(media, renditions=made)


@pytest.fixture
def made_for(story: Story) -> Callable[[HandoffPlatform], Story]:
    """The story with everything that a platform asks for."""
    return lambda platform: replace(story, media=tuple(_media(platform, media) for media in story.media))


def _with(story: Story, profile: str, size_bytes: int | None = None, **facts: object) -> Story:
    """The story with one rendition of its video measured otherwise."""
    first = story.media[0]
    made = first.renditions[profile]
    file = replace(made.primary, size_bytes=size_bytes or made.primary.size_bytes)
    changed = replace(made, files=(file,), **facts)  # type: ignore[arg-type]
    return replace(
        story,
        media=(replace(first, renditions={**first.renditions, profile: changed}), *story.media[1:]),
    )


# Within, beyond, and what the message names.
TEXT_EDGES = [
    (ChannelsPlatform(), "description_too_long", {"digest": "字" * 1000}, {"digest": "字" * 1001}, (1000, "M")),
    (KuaishouPlatform(), "description_too_long", {"digest": "字" * 500}, {"digest": "字" * 501}, (500, "M")),
    (KuaishouPlatform(), "topics_too_many", {"tags": tuple("一二三四")}, {"tags": tuple("一二三四五")}, (4, "M")),
    (ToutiaoPlatform(), "title_too_long", {"title": "字" * 30}, {"title": "字" * 31}, (30, "L")),
    (ToutiaoPlatform(), "title_too_short", {"title": "字" * 2}, {"title": "字"}, (2, "L")),
    (BilibiliPlatform(), "title_too_long", {"title": "字" * 80}, {"title": "字" * 81}, (80, "H")),
    (BilibiliPlatform(), "description_too_long", {"digest": "字" * 2000}, {"digest": "字" * 2001}, (2000, "H")),
    (BilibiliPlatform(), "topics_too_many", {"tags": tuple("0123456789")}, {"tags": tuple("0123456789a")}, (10, "H")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("platform", "code", "within", "beyond", "named"),
    TEXT_EDGES,
    ids=[f"{edge[0].name}-{edge[1]}" for edge in TEXT_EDGES],
)
def test_text_at_its_limit_passes_and_one_more_is_found(made_for, platform, code, within, beyond, named):
    story, (limit, certainty) = made_for(platform), named
    assert platform.check(replace(story, **within)) == ()
    (problem,) = platform.check(replace(story, **beyond))
    assert (problem.code, problem.limit) == (f"{platform.name}.{code}", limit)
    for text, called in ((problem.text.zh, platform.called.zh), (problem.text.en, platform.called.en)):
        assert called in text
        assert str(limit) in text
        assert f"{certainty}; 2026-11-22" in text


@pytest.mark.parametrize(
    ("profile", "code", "within", "beyond"),
    [
        ("bilibili_mp4", "file_too_large", {"size_bytes": 4_000_000_000, "duration_s": 3600.0},
         {"size_bytes": 4_000_000_001, "duration_s": 3600.0}),
        ("bilibili_mp4", "video_too_long", {"duration_s": 17_999.0}, {"duration_s": 18_000.0}),
        ("bilibili_mp4", "bit_rate_too_high", {"size_bytes": 75_000_000, "duration_s": 10.0},
         {"size_bytes": 75_000_010, "duration_s": 10.0}),
        ("bilibili_mp4", "video_too_wide", {"width": 4096}, {"width": 4097}),
        ("bilibili_mp4", "video_too_wide", {"height": 4096}, {"height": 4098}),
        ("bilibili_mp4", "frame_rate_too_high", {"measured": {"frame_rate": "120000/1001"}},
         {"measured": {"frame_rate": "121"}}),
        ("bilibili_cover", "cover_too_large", {"size_bytes": 5_000_000}, {"size_bytes": 5_000_001}),
        ("bilibili_cover", "cover_too_narrow", {"width": 960}, {"width": 959}),
        ("bilibili_cover", "cover_too_low", {"height": 600}, {"height": 599}),
    ],
)  # fmt: skip
def test_finished_file_for_bilibili_at_its_limit_passes_and_beyond_is_found(
    made_for, profile, code, within, beyond
):
    story = made_for(BilibiliPlatform())
    assert BilibiliPlatform().check(_with(story, profile, **within)) == ()
    (problem,) = BilibiliPlatform().check(_with(story, profile, **beyond))
    assert problem.code == f"bilibili.{code}"
    assert "H; 2026-11-22" in problem.source


def test_message_about_bytes_gives_every_digit(made_for):
    large = _with(made_for(BilibiliPlatform()), "bilibili_mp4", 4_000_000_001, duration_s=3600.0)
    (problem,) = BilibiliPlatform().check(large)
    assert "视频字节数 4000000001，上限 4000000000" in problem.text.zh


@each
def test_check_before_anything_is_made_looks_at_the_texts_only(platform, made_for):
    story = made_for(platform)
    bare = replace(story, media=tuple(replace(media, renditions={}) for media in story.media))
    assert platform.check(bare) == ()
    (problem,) = platform.check(replace(bare, title=" "))
    assert problem.code == f"{platform.name}.title_missing"


@pytest.mark.parametrize("platform", FILMS, ids=lambda platform: platform.name)
async def test_film_platform_without_a_video_says_so_and_is_not_handed_anything(
    platform, made_for, destination, tools
):
    story = made_for(platform)
    stills = replace(story, media=story.media[1:])
    (problem,) = platform.check(stills)
    assert problem.code == f"{platform.name}.video_missing"
    assert await platform.publish(stills, destination, "d7", tools) == Refused(problem.text)
    assert tools.calls == []


@pytest.mark.parametrize("platform", ARTICLES, ids=lambda platform: platform.name)
async def test_article_of_text_alone_is_handed_over_and_one_of_nothing_is_not(
    platform, made_for, destination, tools
):
    text = replace(made_for(platform), media=())
    assert platform.check(text) == ()
    outcome = await platform.publish(text, destination, "d7", tools)
    assert list(outcome.files) == ["texts.txt", "checklist.txt", "manifest.json"]
    assert "本包只有文字" in tools.private["handoffs/d7/checklist.txt"].decode()
    (problem,) = platform.check(replace(text, body=" \n\n "))
    assert problem.code == f"{platform.name}.nothing_to_send"


UNKNOWN = {
    "channels": {"topics", "size_bytes", "duration_s", "cover_bytes"},
    "kuaishou": {"title_characters", "size_bytes", "duration_s", "cover_bytes"},
    "toutiao": {"description_characters", "body_characters", "topics", "stills", "size_bytes", "duration_s"},
    "bilibili": set(),
}
_EVERYTHING = UNKNOWN["toutiao"] | {"title_characters"}


@each
async def test_limits_that_nobody_knows_are_listed_unset_and_told_to_the_person(
    platform, made_for, destination, tools
):
    unset = {limit.name for limit in platform.limits if limit.value is None}
    wanted = UNKNOWN.get(platform.name, _EVERYTHING)
    assert unset == {f"{platform.name}.{name}" for name in wanted}
    await platform.publish(made_for(platform), destination, "d7", tools)
    checklist = tools.private["handoffs/d7/checklist.txt"].decode()
    assert (f"{unknown_words(platform.limits)}的上限未知" in checklist) == bool(wanted)
    assert ("上限未知" in checklist) == bool(wanted)


FILES = {
    "channels": {
        "video.mp4": "made/1a/channels_mp4",
        "video_6x7.mp4": "made/1a/channels_mp4_1260",
        "cover.jpg": "made/1a/channels_cover",
    },
    "kuaishou": {"video.mp4": "made/1a/kuaishou_mp4", "cover.jpg": "made/1a/kuaishou_cover"},
    "toutiao": {
        "01_video.mp4": "made/1a/toutiao_mp4",
        "01_cover.jpg": "made/1a/poster",
        "02_still.jpg": "made/2b/app_still",
    },
    "bilibili": {"video.mp4": "made/1a/bilibili_mp4", "cover.jpg": "made/1a/bilibili_cover"},
    "xuexi": {
        "01_video.mp4": "made/1a/app_mp4",
        "01_cover.jpg": "made/1a/poster",
        "02_still.jpg": "made/2b/app_still",
    },
}
FILES["by_hand"] = FILES["xuexi"]


@each
async def test_package_is_whole_with_the_manifest_last(platform, made_for, destination, tools):
    story = made_for(platform)
    outcome = await platform.publish(story, destination, "d7", tools)
    names = [*FILES[platform.name], "texts.txt", "checklist.txt", "manifest.json"]
    assert outcome == HandedOff(None, {name: f"handoffs/d7/{name}" for name in names})
    assert tools.calls == [f"handoffs/d7/{name}" for name in names]
    assert tools.copies == {f"handoffs/d7/{name}": key for name, key in FILES[platform.name].items()}
    assert tools.public == {}
    manifest = json.loads(tools.private["handoffs/d7/manifest.json"])
    assert [file["name"] for file in manifest["files"]] == list(FILES[platform.name])
    assert manifest["revision_sha256"] == story.revision_sha256
    assert "replaces_earlier" not in manifest


@each
async def test_texts_and_checklist_say_what_to_copy_and_what_to_declare(
    platform, made_for, corrected, destination, tools
):
    story = replace(corrected, media=made_for(platform).media)
    await platform.publish(story, destination, "d7", tools)
    texts = tools.private["handoffs/d7/texts.txt"].decode()
    checklist = tools.private["handoffs/d7/checklist.txt"].decode()
    for words in (story.title, story.digest, "#防汛 #白龙江"):
        assert words in texts
    is_article = platform in ARTICLES
    for words in (story.byline, *story.paragraphs, f"02_still.jpg：{story.media[1].caption}"):
        assert (words in texts) == is_article
    if is_article:  # once for each asset, not for its poster too
        assert texts.count(story.media[0].caption) == 1
        assert f"01_video.mp4：{story.media[0].caption}" in texts
    for words in ("AI 生成", story.note, "把链接填回本系统", *FILES[platform.name]):
        assert words in checklist


@each
async def test_repeat_writes_the_same_bytes(platform, made_for, destination, tools):
    story = made_for(platform)
    for send in (
        lambda: platform.publish(story, destination, "d7", tools),
        lambda: platform.correct(story, destination, "d7", BEFORE, tools),
        lambda: platform.retract(story, destination, "d7", tools),
    ):
        first = await send()
        held = dict(tools.private)
        assert await send() == first
        assert tools.private == held


@each
async def test_correction_is_a_package_of_its_own_that_replaces_the_earlier_work(
    platform, made_for, corrected, destination, tools
):
    story = replace(corrected, media=made_for(platform).media)
    outcome = await platform.correct(story, destination, "d8", Sent("d6", "x-17"), tools)
    names = [*FILES[platform.name], "texts.txt", "checklist.txt", "correct.txt", "manifest.json"]
    assert outcome == HandedOff(None, {name: f"handoffs/d8/{name}" for name in names})
    steps = tools.private["handoffs/d8/correct.txt"].decode()
    for words in (
        destination.name,
        story.title,
        story.note,
        "d6",
        "x-17",
        "本包替换先前发布的作品",
        "删除旧作品",
    ):
        assert words in steps
    assert "先看 correct.txt" in tools.private["handoffs/d8/checklist.txt"].decode()
    assert json.loads(tools.private["handoffs/d8/manifest.json"])["replaces_earlier"] is True


@each
async def test_retraction_hands_a_person_the_steps(platform, retracted, destination, tools):
    outcome = await platform.retract(retracted, destination, "d7", tools)
    assert outcome == HandedOff(None, {"retract.txt": "handoffs/d7/retract.txt"})
    steps = tools.private["handoffs/d7/retract.txt"].decode()
    for words in (destination.name, retracted.title, retracted.note, "删除作品", "点“确认撤稿”"):
        assert words in steps


@each
async def test_subtitles_beside_the_film_go_along(platform, made_for, destination, tools):
    story = made_for(platform)
    profile = platform.renditions["video"][0]
    made = story.media[0].renditions
    made[profile] = replace(made[profile], files=(*made[profile].files, VTT))
    outcome = await platform.publish(story, destination, "d7", tools)
    name = "video.vtt" if platform in FILMS else "01_video.vtt"
    assert tools.copies[outcome.files[name]] == "made/subtitles.vtt"
    assert f"另附 {name}" in tools.private["handoffs/d7/checklist.txt"].decode()
    listed = json.loads(tools.private["handoffs/d7/manifest.json"])["files"]
    assert {"name": name, "sha256": "ef" * 32, "size_bytes": 200, "media_type": "text/vtt"} in listed


@pytest.mark.parametrize("platform", FILMS, ids=lambda platform: platform.name)
async def test_cover_is_of_the_still_that_was_chosen(platform, made_for, destination, tools):
    story = made_for(platform)
    chosen = replace(story, cover=story.media[1].asset_sha256)
    await platform.publish(chosen, destination, "d7", tools)
    assert tools.copies["handoffs/d7/cover.jpg"] == f"made/2b/{platform.cover}"
    # A still that is no cover holds nothing up; one that is, does.
    bare = (story.media[0], replace(story.media[1], renditions={}))
    assert isinstance(await platform.publish(replace(story, media=bare), destination, "d8", tools), HandedOff)
    assert isinstance(await platform.publish(replace(chosen, media=bare), destination, "d9", tools), Refused)


@pytest.mark.parametrize("platform", ARTICLES, ids=lambda platform: platform.name)
async def test_article_names_its_cover_and_what_is_not_in_the_package(platform, made_for, destination, tools):
    story = made_for(platform)
    page = StoryMedia("3c" * 32, "package", "h5.zip", "", {})
    both = replace(story, cover=story.media[1].asset_sha256, media=(*story.media, page))
    await platform.publish(both, destination, "d7", tools)
    checklist = tools.private["handoffs/d7/checklist.txt"].decode()
    assert "封面用 02_still.jpg" in checklist
    assert "另有互动页面，不在此包内" in checklist


@pytest.mark.parametrize("title_length", [5, 6, 16, 17])
async def test_channels_says_whether_the_title_will_do_as_the_short_title(
    made_for, destination, tools, title_length
):
    story = replace(made_for(ChannelsPlatform()), title="字" * title_length)
    assert ChannelsPlatform().check(story) == ()
    await ChannelsPlatform().publish(story, destination, "d7", tools)
    checklist = tools.private["handoffs/d7/checklist.txt"].decode()
    assert "短标题须 6 至 16 字" in checklist
    assert ("可用稿件标题" in checklist) == (title_length in (6, 16))
    assert ("由责任编辑拟定" in checklist) == (title_length in (5, 17))


async def test_bilibili_and_toutiao_name_what_their_forms_ask(made_for, destination, tools):
    await BilibiliPlatform().publish(made_for(BilibiliPlatform()), destination, "d7", tools)
    await ToutiaoPlatform().publish(made_for(ToutiaoPlatform()), destination, "d8", tools)
    assert "不小于 960×600" in tools.private["handoffs/d7/checklist.txt"].decode()
    assert "作品声明" in tools.private["handoffs/d8/checklist.txt"].decode()


@each
async def test_hostile_text_stays_readable(platform, made_for, poisoned, destination, tools):
    story = replace(poisoned, media=made_for(platform).media)
    await platform.correct(story, destination, "d7", BEFORE, tools)
    assert json.loads(tools.private["handoffs/d7/manifest.json"])["title"].endswith("全部转移")
    for data in tools.private.values():
        assert "\x00" not in data.decode()


async def test_vertical_package_holds_no_side_file_and_a_correction_is_one_like_the_first(
    story, destination, tools
):
    made = story.media[0].renditions
    made["vertical_mp4"] = replace(made["vertical_mp4"], files=(*made["vertical_mp4"].files, VTT))
    first = await VerticalPlatform().publish(story, destination, "d7", tools)
    again = await VerticalPlatform().correct(story, destination, "d8", BEFORE, tools)
    names = ["video.mp4", "cover.jpg", "texts.txt", "checklist.txt", "manifest.json"]
    assert list(first.files) == list(again.files) == names


@each
def test_platform_is_registered(platform):
    assert isinstance(PLATFORMS[platform.name], type(platform))
