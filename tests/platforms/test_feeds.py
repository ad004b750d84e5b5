"""RSS, Atom and JSON Feed: read back by a feed reader and by an XML parser."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import feedparser
import pytest

from platforms.feeds import atom, json_feed, rss

ATOM = "{http://www.w3.org/2005/Atom}"
TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}"
MP4 = (
    "https://media.example.org/public/stories/0192f3a4-5b6c-7d8e-9f01-23456789abcd/v2/"
    f"{'1a' * 8}/app_mp4/video.mp4"
)


@pytest.mark.parametrize("write", [rss, atom])
@pytest.mark.parametrize("name", ["story", "corrected", "retracted", "poisoned"])
def test_feed_of_any_story_parses_without_a_warning(request, site, write, name):
    parsed = feedparser.parse(write([request.getfixturevalue(name)], site))
    assert not parsed.bozo
    assert parsed.version in ("rss20", "atom10")


@pytest.mark.parametrize("write", [rss, atom])
def test_feed_without_stories_is_still_a_feed(site, write):
    parsed = feedparser.parse(write([], site))
    assert not parsed.bozo
    assert parsed.feed.title == site.name


@pytest.mark.parametrize("write", [rss, atom])
def test_feed_entry_keeps_its_id_through_a_correction(story, corrected, site, write):
    before, after = (feedparser.parse(write([one], site)).entries[0] for one in (story, corrected))
    assert before.id == after.id == f"urn:uuid:{story.id}"
    assert before.published == after.published
    assert before.updated < after.updated
    assert corrected.note in after.content[0].value
    assert "AI 标识" in after.content[0].value


def test_rss_item_has_guid_date_and_one_enclosure(story, site):
    item = ElementTree.fromstring(rss([story], site)).find("channel/item")
    assert item.find("guid").attrib == {"isPermaLink": "false"}
    assert item.findtext("pubDate") == "Sat, 21 Nov 2026 22:05:00 GMT"
    assert [e.attrib for e in item.findall("enclosure")] == [
        {"url": MP4, "length": "4321000", "type": "video/mp4"}
    ]
    assert [c.text for c in item.findall("category")] == ["本地要闻", "防汛", "白龙江"]


def test_rss_channel_names_itself(story, site):
    link = ElementTree.fromstring(rss([story], site)).find(f"channel/{ATOM}link")
    assert (link.get("rel"), link.get("href")) == ("self", "https://news.example.org/feeds/rss.xml")


def test_rss_description_with_markup_stays_text(story, site):
    item = ElementTree.fromstring(rss([replace(story, digest="<b>1 < 2</b> & 3")], site)).find("channel/item")
    assert item.findtext("description") == "&lt;b&gt;1 &lt; 2&lt;/b&gt; &amp; 3"


def test_rss_and_json_feed_leave_out_what_was_taken_back(story, retracted, site):
    other = replace(story, id="0192f3a4-5b6c-7d8e-9f01-000000000001")
    assert len(feedparser.parse(rss([retracted, other], site)).entries) == 1
    assert [item["id"] for item in json_feed([retracted, other], site)["items"]] == [other.urn]


def test_atom_of_a_retracted_story_is_a_tombstone_without_its_text(retracted, site):
    feed = atom([retracted], site)
    deleted = ElementTree.fromstring(feed).find(f"{TOMBSTONE}deleted-entry")
    assert deleted.attrib == {"ref": retracted.urn, "when": "2026-11-21T22:05:00Z"}
    assert deleted.findtext(f"{TOMBSTONE}comment") == retracted.note
    assert retracted.title not in feed.decode()


def test_atom_entry_links_page_and_every_file(story, site):
    root = ElementTree.fromstring(atom([story], site))
    entry = root.find(f"{ATOM}entry")
    links = [(link.get("rel"), link.get("type")) for link in entry.findall(f"{ATOM}link")]
    assert links == [("alternate", "text/html"), ("enclosure", "video/mp4"), ("enclosure", "image/jpeg")]
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == story.byline
    assert root.findtext(f"{ATOM}updated") == "2026-11-21T22:05:00Z"


def test_json_feed_item_has_dates_attachments_and_image(story, site):
    feed = json_feed([story], site)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    (item,) = feed["items"]
    assert item["attachments"][0] == {
        "url": MP4,
        "mime_type": "video/mp4",
        "size_in_bytes": 4_321_000,
        "title": "消防员划艇转移被困群众",
        "duration_in_seconds": 12.5,
    }
    assert item["image"].endswith("/poster/poster.jpg")
    assert item["date_published"] == "2026-11-21T22:05:00Z"
    assert json.loads(json.dumps(feed)) == feed


def test_json_feed_of_hostile_text_carries_no_markup_of_it(poisoned, site):
    (item,) = json_feed([poisoned], site)["items"]
    assert "</script>" not in item["content_html"]
    assert "\x00" not in item["content_html"]


@pytest.fixture
def sounding(story):
    """The same story; its video has its sound alone as well."""
    video, *others = story.media
    made = video.renditions["app_mp4"]
    file = replace(
        made.primary, role="audio", name="app_audio.m4a", media_type="audio/mp4", size_bytes=200_000
    )
    sound = replace(made, profile="app_audio", files=(file,), width=None, height=None)
    media = replace(video, renditions={**video.renditions, "app_audio": sound})
    return replace(story, media=(media, *others))


def test_sound_of_a_video_stands_beside_it_under_the_same_title(sounding, site):
    (item,) = json_feed([sounding], site)["items"]
    types = [(each["mime_type"], each.get("title")) for each in item["attachments"][:2]]
    title = sounding.media[0].caption
    assert types == [("video/mp4", title), ("audio/mp4", title)]
    entry = ElementTree.fromstring(atom([sounding], site)).find(f"{ATOM}entry")
    assert [link.get("type") for link in entry.findall(f"{ATOM}link")][1:3] == ["video/mp4", "audio/mp4"]
    (enclosure,) = ElementTree.fromstring(rss([sounding], site)).iter("enclosure")
    assert enclosure.get("url") == MP4  # RSS has room for one


def test_forms_of_a_video_without_a_caption_have_a_title_too(sounding, site):
    silent = replace(sounding, media=(replace(sounding.media[0], caption=""),))
    (item,) = json_feed([silent], site)["items"]
    titles = {each["title"] for each in item["attachments"][:2]}
    assert len(titles) == 1
    assert silent.title in titles.pop()
