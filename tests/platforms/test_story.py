"""The story's own rules: ids, paragraphs, names in the public bucket."""

from dataclasses import replace

import pytest

from platforms.story import legal_text, public_url


@pytest.mark.parametrize("bad_id", ["", "42", "0192F3A4-5B6C-7D8E-9F01-23456789ABCD"])
def test_story_with_an_id_that_is_no_plain_uuid_is_refused(story, bad_id):
    with pytest.raises(ValueError):  # noqa: PT011 - uuid's own message differs
        replace(story, id=bad_id)


def test_story_with_a_time_without_a_zone_is_refused(story):
    with pytest.raises(ValueError, match="time zone"):
        replace(story, updated_at=story.updated_at.replace(tzinfo=None))


def test_paragraphs_split_at_blank_lines_keep_single_breaks(story):
    text = replace(story, body="一\r\n二\r\n\r\n \t\n三\n\n\n四\n")
    assert text.paragraphs == ("一\n二", "三", "四")


def test_public_url_of_a_segment_keeps_its_place_below_the_playlist(story, site):
    media = story.media[0]
    rendition = media.renditions["app_hls"]
    url = public_url(site, story, media, rendition, rendition.files[3])
    assert url == (
        f"https://media.example.org/public/stories/{story.id}/v2/1a1a1a1a1a1a1a1a/app_hls/720p/0.m4s"
    )


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", ""])
def test_public_url_of_a_name_that_leaves_its_folder_is_refused(story, site, name):
    media = story.media[0]
    rendition = media.renditions["app_mp4"]
    with pytest.raises(ValueError, match="leaves its folder"):
        public_url(site, story, media, rendition, replace(rendition.files[0], name=name))


def test_public_renditions_leave_private_ones_out(story):
    assert [made.profile for made in story.media[0].public_renditions] == ["app_hls", "app_mp4", "poster"]


def test_legal_text_keeps_chinese_emoji_and_line_breaks():
    assert legal_text("三审\t🎬\r\n\x00\x0b\ud800\uffff完") == "三审\t🎬\r\n完"
