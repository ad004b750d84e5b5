"""The own app: what goes public, in which order, and that it all comes back."""

from dataclasses import replace

from platforms.app import AppPlatform
from platforms.frame import Confirmed

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
