"""The public page: what a reader sees, and that no text can break out of it."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from platforms.story_page import shanghai_time, story_page, tombstone_page


class Page(HTMLParser):
    """Every tag with its attributes, and the text outside style and script."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self.scripts, self._in = [], "", [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_page_shows_title_byline_column_and_shanghai_time(story, site):
    page = Page(story_page(story, site))
    for words in (story.title, "通讯员 王小川", "本地要闻", "2026年11月22日 06:05", "安置点备好了热水。"):
        assert words in page.text
    assert page.all("html") == [{"lang": "zh-CN"}]
    assert "更正" not in page.text
    assert "AI 标识" not in page.text


def test_page_player_offers_hls_first_then_mp4(story, site):
    page = Page(story_page(story, site))
    (video,) = page.all("video")
    assert {"controls", "playsinline"} <= video.keys()
    assert video["preload"] == "metadata"
    assert video["poster"].endswith("/poster/poster.jpg")
    assert [(s["src"].rpartition("/")[2], s["type"]) for s in page.all("source")] == [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("video.mp4", "video/mp4"),
    ]


def test_page_pictures_have_words_and_sizes(story, site):
    silent = replace(story.media[1], caption="")
    page = Page(story_page(replace(story, media=(silent,)), site))
    (image,) = page.all("img")
    assert image["alt"] == f"{story.title}（配图）"
    assert (image["width"], image["height"]) == ("1920", "1280")


def test_page_of_a_correction_shows_note_label_and_new_time(corrected, site):
    page = Page(story_page(corrected, site))
    assert corrected.note in page.text
    assert "AI 标识：本内容含人工智能辅助生成部分" in page.text
    assert "更新于 2026年11月22日 14:05" in page.text


def test_page_metadata_reads_back(story, site):
    page = Page(story_page(story, site))
    meta = {attrs["property"]: attrs["content"] for attrs in page.all("meta") if "property" in attrs}
    assert meta["og:title"] == story.title
    assert meta["og:image"].endswith("/poster/poster.jpg")
    (script,) = page.scripts
    article = json.loads(script)
    assert article["headline"] == story.title
    assert article["video"][0]["contentUrl"].endswith("video.mp4")


def test_page_of_hostile_text_gains_no_element(story, poisoned, site):
    page = Page(story_page(poisoned, site))
    assert page.all("b") == []
    assert len(page.scripts) == 1
    assert json.loads(page.scripts[0])["headline"].endswith(
        "</script><b>&]]>\u2028洪水围村一夜，三百人全部转移"
    )
    assert page.all("script") == [{"type": "application/ld+json"}]


def test_page_without_media_is_text_alone(story, site):
    page = Page(story_page(replace(story, media=()), site))
    assert page.all("video") == page.all("img") == page.all("figure") == []


def test_page_plays_audio(story, site):
    made = story.media[0].renditions["app_mp4"]
    audio = replace(
        story.media[0], kind="audio", renditions={"app_audio": replace(made, profile="app_audio")}
    )
    page = Page(story_page(replace(story, media=(audio,)), site))
    assert len(page.all("audio")) == 1


@pytest.mark.parametrize("status", ["canceled", "withdrawn"])
def test_page_of_what_was_taken_back_is_its_tombstone(retracted, site, status):
    gone = replace(retracted, status=status)
    source = story_page(gone, site)
    assert source == tombstone_page(gone, site)
    assert gone.note in source
    assert gone.title not in source
    assert "noindex" in source


def test_shanghai_time_crosses_midnight(story):
    assert shanghai_time(story.published_at) == "2026年11月22日 06:05"


def test_sound_of_a_video_can_be_heard_alone(story, site):
    video = story.media[0]
    made = video.renditions["app_mp4"]
    sound = replace(made, profile="app_audio", files=(replace(made.primary, name="app_audio.m4a"),))
    media = replace(video, renditions={**video.renditions, "app_audio": sound})
    assert "app_audio" not in story_page(story, site)
    page = story_page(replace(story, media=(media,)), site)
    assert 'app_audio/app_audio.m4a">只听声音</a>' in page
