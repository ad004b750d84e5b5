"""What the facts alone tell, how places in time are worded, and meters that wrote nonsense. No media in here."""

from dataclasses import replace
from fractions import Fraction

import pytest

from media.essence import Hashed
from media.findings import find
from media.findings_picture import Seen, find_in_picture
from media.findings_sound import find_in_sound, listen
from media.findings_words import MOST_OF_A_KIND, Words, clock, describe
from media.loudness import Loud
from media.probe import AudioFacts, Probe, VideoFacts
from media.scan_logs import Stretch, join, read_readings, read_stretches
from media.sniff import Kind

VIDEO = VideoFacts(
    index=0,
    codec="h264",
    width=1280,
    height=720,
    rotation_deg=0,
    frame_rate=Fraction(25),
    is_variable_rate=False,
    frame_count=250,
    start_s=0.0,
    end_s=10.0,
    pix_fmt="yuv420p",
    color_matrix=1,
    color_range=1,
    is_hdr=False,
    is_interlaced=False,
)
AUDIO = AudioFacts(1, "aac", 48_000, 2, 0.0, 10.0)
FACTS = Probe(Kind.VIDEO, "mp4", "mov", 1, 10.0, 10.0, VIDEO, AUDIO, None, 1, 1)
LOUD = Loud(-16.0, -3.0)
WORDS = Words("black", "黑场", "Black", "black stretches")


def codes(findings):
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("video", "audio", "more", "code", "word"),
    [
        ({"is_variable_rate": True}, {}, {}, "variable_frame_rate", "constant"),
        ({"is_interlaced": True}, {}, {}, "interlaced", "progressive"),
        ({"color_matrix": 2}, {}, {}, "colour_assumed", "BT.709"),
        ({"color_matrix": 3}, {}, {}, "colour_assumed", "BT.709"),
        ({"color_matrix": 2, "width": 640, "height": 480}, {}, {}, "colour_assumed", "BT.601"),
        ({}, {"channels": 1}, {}, "downmix", "mono"),
        ({}, {"channels": 6}, {}, "downmix", "BS.775"),
        ({}, {"channels": 4}, {}, "downmix", "4 channels"),
        ({}, {}, {"video_streams": 2}, "several_pictures", "default"),
        ({}, {}, {"audio_streams": 3}, "several_sounds", "default"),
        ({}, {}, {"unknown_sounds": 1}, "unknown_sound", "the other one is used"),
        ({}, {}, {"header_duration_s": 60.0}, "shorter_than_stated", "10 s"),
    ],
)
def test_fact_that_a_reviewer_should_know_is_one_finding(video, audio, more, code, word):
    facts = replace(FACTS, video=replace(VIDEO, **video), audio=replace(AUDIO, **audio), **more)
    (finding,) = find(facts)
    assert finding.code == code
    assert word in finding.text.en
    assert finding.text.zh


def test_facts_of_a_common_film_say_nothing():
    assert find(FACTS) == ()
    # Left and right as tracks of their own are what television sends.
    mono = replace(FACTS, container="mxf", audio=replace(AUDIO, channels=1), audio_streams=2)
    assert find(mono) == ()


def test_unknown_sound_alone_says_that_none_is_left():
    found = find(replace(FACTS, audio=None, audio_streams=0, unknown_sounds=1))
    assert codes(found) == ["no_audio", "unknown_sound"]
    assert "none is used" in found[1].text.en


@pytest.mark.parametrize(
    ("at_s", "shown"),
    [(0, "0:00.0"), (62.46, "1:02.5"), (59.99, "1:00.0"), (3600, "1:00:00.0"), (-0.4, "0:00.0")],
)
def test_time_is_written_as_people_do(at_s, shown):
    assert clock(at_s) == shown


def test_many_stretches_show_the_longest_and_count_the_rest():
    stretches = [Stretch(10.0 * n, 10.0 * n + 1 + n) for n in range(8)]
    *shown, rest = describe(stretches, WORDS)
    assert [finding.at_s for finding in shown] == [10.0 * n for n in range(3, 8)]
    assert len(shown) == MOST_OF_A_KIND
    assert shown[0].until_s == 34.0
    assert "0:30.0 至 0:34.0" in shown[0].text.zh
    assert (rest.code, rest.at_s, rest.until_s) == ("black", None, None)
    assert "3 more" in rest.text.en
    assert "6.0 s" in rest.text.en


def test_neighbours_are_joined_and_short_ones_dropped():
    stretches = [Stretch(5, 6), Stretch(0, 1), Stretch(1.1, 2), Stretch(8, 8.2), Stretch(5.5, 5.7)]
    assert join(stretches, 0.2, 0.5) == [Stretch(0, 2), Stretch(5, 6)]


def test_stretch_without_an_end_lasts_to_the_end_of_the_film(tmp_path):
    (tmp_path / "black_start").write_text(
        "frame:1 pts:1 pts_time:1\nlavfi.black_start=1\nlavfi.black_start=7\n"
    )
    (tmp_path / "black_end").write_text("lavfi.black_end=2.5\n")
    assert read_stretches(tmp_path, "black", 9.0) == [Stretch(1, 2.5), Stretch(7, 9)]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "", "text", "1e400"])
def test_meters_that_say_nonsense_are_not_believed(tmp_path, value):
    for name in ("black", "freeze", "silence"):
        for edge in ("start", "end"):
            (tmp_path / f"{name}_{edge}").write_text(f"lavfi.{name}={value}\n")
    moment = f"frame:0 pts:0 pts_time:{value}\n"
    keys = ("signalstats.YMIN", "idet.single.tff", "astats.Overall.Peak_count", "r128.I", "r128.true_peak")
    for name in ("levels", "fields", "clipped", "I", "true_peak"):
        told = "".join(f"lavfi.{key}={value}\n" for key in keys)
        (tmp_path / name).write_text(f"{moment}{told}frame:1 pts:1 pts_time:1\n{told}\x00\xff=\n")
    assert not [each for each in read_readings(tmp_path / "levels") if each.values]
    seen = Seen(tmp_path, Hashed(250, 10.0, "x"), 10.0, has_broken_off=False)
    assert find_in_picture(VIDEO, seen) == []
    loud = listen(tmp_path, 10.0)
    assert loud == Loud(None, None)
    assert codes(find_in_sound(AUDIO, tmp_path, 10.0, loud)) == ["silence"]


def test_run_that_wrote_nothing_says_that_all_is_damaged(tmp_path):
    seen = Seen(tmp_path, Hashed(0, 0.0, ""), 10.0, has_broken_off=True)
    (finding,) = find_in_picture(VIDEO, seen)
    assert (finding.code, finding.at_s, finding.until_s) == ("damaged", 0.0, 10.0)
    assert listen(tmp_path, 10.0) == Loud(None, None)


@pytest.mark.parametrize(
    ("count", "end_s", "found"),
    [(250, 10.0, []), (248, 9.92, []), (100, 4.0, ["damaged"]), (240, 10.0, ["damaged"])],
)
def test_missing_frames_are_damage_and_a_rounded_end_is_none(tmp_path, count, end_s, found):
    seen = Seen(tmp_path, Hashed(count, end_s, "x"), 10.0, has_broken_off=False)
    assert codes(find_in_picture(VIDEO, seen)) == found


def test_picture_that_ends_before_its_sound_is_no_damage(tmp_path):
    short = replace(VIDEO, end_s=6.0, frame_count=150)
    seen = Seen(tmp_path, Hashed(150, 6.0, "x"), 10.0, has_broken_off=False)
    assert find_in_picture(short, seen) == []


def test_frozen_black_is_said_once(tmp_path):
    for name in ("black", "freeze"):
        (tmp_path / f"{name}_start").write_text(f"lavfi.{name}=2\n")
        (tmp_path / f"{name}_end").write_text(f"lavfi.{name}=6\n")
    seen = Seen(tmp_path, Hashed(250, 10.0, "x"), 10.0, has_broken_off=False)
    assert codes(find_in_picture(VIDEO, seen)) == ["black"]


@pytest.mark.parametrize(
    ("loud", "film_s", "found"),
    [
        (LOUD, 10.0, []),
        (Loud(-40.0, -20.0), 10.0, ["too_quiet"]),
        (Loud(-6.0, 0.5), 10.0, ["too_loud"]),
        (Loud(-14.0, 2.5), 10.0, ["peak_over"]),
        (Loud(None, None), 10.0, ["silence"]),
        (Loud(None, -3.0), 2.5, ["too_short_for_loudness"]),
        (Loud(None, None), 2.5, ["too_short_for_loudness"]),
    ],
)
def test_loudness_far_off_is_a_finding(tmp_path, loud, film_s, found):
    assert codes(find_in_sound(AUDIO, tmp_path, film_s, loud)) == found


def test_sound_that_ends_early_is_silence_to_the_end(tmp_path):
    (finding,) = find_in_sound(replace(AUDIO, end_s=6.0), tmp_path, 10.0, LOUD)
    assert (finding.code, finding.at_s, finding.until_s) == ("silence", 6.0, 10.0)
