"""What holds for every platform."""

import pytest

from platforms.frame import Refused
from platforms.registry import PLATFORMS


def test_registry_holds_each_under_its_name():
    assert {name: platform.name for name, platform in PLATFORMS.items()} == {name: name for name in PLATFORMS}
    assert list(PLATFORMS) == [
        "app",
        "webhook",
        "vertical",
        "channels",
        "kuaishou",
        "toutiao",
        "bilibili",
        "xuexi",
        "by_hand",
        "tv_drop",
        "radio_drop",
        "radio_mp3_drop",
        "print_drop",
        "print_tiff_drop",
        "outlet_mail",
        "mobile_300",
        "mobile_100",
        "mobile_30",
    ]


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_every_limit_has_source_and_day_and_unknown_ones_stay_unset(platform):
    for limit in platform.limits:
        assert limit.source
        assert limit.read_on.isoformat() == "2026-11-22"
        assert (limit.value is None) == (limit.certainty is None)


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_every_profile_named_by_a_platform_exists_in_media(platform):
    profiles = pytest.importorskip("media.profiles", reason="media/profiles.py is not there yet").PROFILES
    assert {name for names in platform.renditions.values() for name in names} <= set(profiles)


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_check_of_a_sound_story_finds_nothing(platform, story):
    assert platform.check(story) == ()


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
async def test_publish_before_the_renditions_refuses_and_writes_nothing(platform, story, destination, tools):
    story.media[0].renditions.clear()
    outcome = await platform.publish(story, destination, "d1", tools)
    assert isinstance(outcome, Refused)
    assert outcome.text.zh
    assert outcome.text.en
    assert tools.calls == []


def test_repr_of_a_destination_hides_settings_and_secret(destination):
    assert "s3cr3t" not in repr(destination)
    assert "t0psecret" not in repr(destination)
