"""The own app: what goes public, in which order, and that it all comes back."""

from dataclasses import replace

from platforms.app import AppPlatform
from platforms.frame import Confirmed, Refused
from platforms.story import StoryFile, StoryMedia, StoryRendition, public_url
from platforms.story_page import story_page

BASE = "stories/0192f3a4-5b6c-7d8e-9f01-23456789abcd/v2"


async def test_publish_copies_public_renditions_and_confirms_with_the_page(story, destination, tools):
    outcome = await AppPlatform().publish(story, destination, "d1", tools)
    assert outcome == Confirmed("d1", f"https://news.example.org/stories/{story.id}")
    video, still = f"{BASE}/{'1a' * 8}", f"{BASE}/{'2b' * 8}"
    assert set(tools.public) == {
        f"{video}/app_hls/master.m3u8",
        f"{video}/app_hls/720p/index.m3u8",
        f"{video}/app_hls/720p/init.mp4",
        f"{video}/app_hls/720p/0.m4s",
        f"{video}/app_mp4/video.mp4",
        f"{video}/poster/poster.jpg",
        f"{still}/app_still/still.jpg",
        f"{still}/thumbnail/thumb.jpg",
    }
    assert tools.public[f"{video}/app_mp4/video.mp4"] == ("renditions/app_mp4/video.mp4", "video/mp4")


async def test_publish_puts_playlists_after_what_they_name(story, destination, tools):
    await AppPlatform().publish(story, destination, "d1", tools)
    hls = [name.rpartition("/")[2] for name in tools.calls if "/app_hls/" in name]
    assert hls == ["init.mp4", "0.m4s", "index.m3u8", "master.m3u8"]


async def test_publish_twice_leaves_the_same_files(story, destination, tools):
    first = await AppPlatform().publish(story, destination, "d1", tools)
    files = dict(tools.public)
    assert await AppPlatform().publish(story, destination, "d1", tools) == first
    assert tools.public == files


async def test_retract_removes_every_version_and_no_other_story(story, corrected, destination, tools):
    tools.public["stories/another/v1/x/app_mp4/video.mp4"] = ("key", "video/mp4")
    for version in (story, corrected):
        await AppPlatform().publish(version, destination, "d1", tools)
    assert isinstance(await AppPlatform().retract(corrected, destination, "d1", tools), Confirmed)
    assert list(tools.public) == ["stories/another/v1/x/app_mp4/video.mp4"]


def test_check_without_a_title_names_it(story):
    assert [p.code for p in AppPlatform().check(replace(story, title=" "))] == ["app.title_missing"]


def _with_page(story):
    names = (("index", "site/index.html", "text/html"), ("part", "site/a b.js", "text/javascript"))
    files = tuple(StoryFile(role, name, f"private/{name}", kind, 10, "ab" * 32) for role, name, kind in names)
    made = {"app_package": StoryRendition("app_package", files)}
    page = StoryMedia("3c" * 32, "package", "page.zip", "互动地图", made)
    return replace(story, media=(*story.media, page))


async def test_publish_puts_an_h5_page_where_its_origin_finds_it_and_nowhere_else(story, destination, tools):
    story = _with_page(story)
    assert isinstance(await AppPlatform().publish(story, destination, "d1", tools), Confirmed)
    folder = f"{BASE}/{'3c' * 8}/app_package/site"
    assert list(tools.pages) == [f"{folder}/a b.js", f"{folder}/index.html"]  # the page after what it names
    assert tools.pages[f"{folder}/index.html"] == ("private/site/index.html", "text/html")
    assert not [name for name in tools.public if "app_package" in name]
    await AppPlatform().retract(story, destination, "d1", tools)
    assert tools.pages == {}


async def test_publish_before_the_page_is_unpacked_is_refused(story, destination, tools):
    packed = StoryMedia("3c" * 32, "package", "page.zip", "", {})
    story = replace(story, media=(packed,))
    assert isinstance(await AppPlatform().publish(story, destination, "d1", tools), Refused)
    assert tools.calls == []


def test_story_page_shows_an_h5_page_in_a_closed_frame_of_another_origin(story, site):
    story = _with_page(story)
    page = story.media[-1]
    made = page.renditions["app_package"]
    url = public_url(site, story, page, made, made.primary)
    assert url == f"https://pages.example.net/{BASE}/{'3c' * 8}/app_package/site/index.html"
    html = story_page(story, site)
    (frame,) = [line for line in html.splitlines() if "<iframe" in line]
    assert f'src="{url}"' in frame
    assert 'sandbox="allow-scripts"' in frame  # and so not `allow-same-origin`
    assert 'title="互动地图"' in frame
