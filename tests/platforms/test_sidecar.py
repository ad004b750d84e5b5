"""The names in a drop folder and the XML beside the media, held against its schema."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from platforms.sidecar import base_name, drop_files, is_base_of, sidecar, text_files
from platforms.story import Site, StoryFile, StoryMedia, StoryRendition

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parents[2] / "docs" / "sidecar.xsd"))
NS = {"d": "urn:sanshen:drop:1"}
SITE = Site("青川融媒", "https://news.example.org", "https://media.example.org", "https://pages.example.net")


def tv_media(sha256="9f" * 32):
    made = StoryRendition(
        "tv_mxf",
        (StoryFile("video", "video.MXF", "made/x/video.mxf", "application/mxf", 1000, sha256),),
        1920,
        1080,
        12.52,
        {"frame_rate": "25", "video_codec": "mpeg2video", "loudness_lufs": -24.1, "true_peak_dbtp": -3.0},
    )
    return StoryMedia("1a" * 32, "video", "a.mov", "消防员划艇", {"tv_mxf": made})


@pytest.fixture
def on_air(story):
    return replace(story, media=(tv_media(),))


def test_a_sidecar_holds_the_story_and_what_was_measured_of_its_files(on_air):
    made = sidecar(on_air, "tv", drop_files(on_air, ("tv_mxf",)))
    root = etree.fromstring(made.data)
    SCHEMA.assertValid(root)
    assert made.name == "0192f3a4-5b6c-7d8e-9f01-23456789abcd_v2.xml"
    assert root.findtext("d:story/d:title", namespaces=NS) == on_air.title
    assert [p.text for p in root.findall("d:story/d:body/d:p", NS)] == list(on_air.paragraphs)
    (file,) = root.findall("d:files/d:file", NS)
    assert file.attrib["loudness_lufs"] == "-24.1"
    assert (file.attrib["duration_s"], file.attrib["size_bytes"]) == ("12.52", "1000")
    assert file.attrib["sha256"] == "9f" * 32
    assert file.findtext("d:caption", namespaces=NS) == "消防员划艇"


def test_a_retracted_sidecar_is_valid_and_holds_no_text(retracted):
    made = sidecar(retracted, "tv", (), status="retracted")
    root = etree.fromstring(made.data)
    SCHEMA.assertValid(root)
    assert made.name.endswith("_v2.retracted.xml")
    assert root.findtext("d:story/d:note", namespaces=NS) == retracted.note
    assert root.find("d:story/d:body", NS) is None


def test_a_correction_names_what_it_replaces(corrected):
    root = etree.fromstring(sidecar(corrected, "tv", (), replaces=f"{corrected.id}_v2").data)
    SCHEMA.assertValid(root)
    assert root.find("d:replaces", NS).attrib["base"] == f"{corrected.id}_v2"


def test_forbidden_characters_leave_a_valid_sidecar(poisoned):
    story = replace(poisoned, media=(replace(tv_media(), caption=poisoned.note),))
    SCHEMA.assertValid(etree.fromstring(sidecar(story, "tv", drop_files(story, ("tv_mxf",))).data))
    html, ninjs = text_files(story, SITE)
    assert b"<b>" not in html.data
    assert b"\x00" not in ninjs.data


@pytest.mark.parametrize(
    ("title", "ending"),
    [
        ("洪水围村一夜", "_01_9f9f9f9f.mxf"),
        ("G20 峰会: 《Tourism》/../../etc", "_01_9f9f9f9f_G20-Tourism-etc.mxf"),
        ("é" * 300, "_01_9f9f9f9f_" + "e" * 32 + ".mxf"),
        ("../a\x00b\n", "_01_9f9f9f9f_a-b.mxf"),
    ],
)
def test_names_are_short_ascii_whatever_the_title(on_air, title, ending):
    (file,) = drop_files(replace(on_air, title=title), ("tv_mxf",))
    assert file.name == base_name(on_air) + ending
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", file.name)


def test_other_bytes_have_another_name(on_air):
    again = replace(on_air, media=(tv_media("8e" * 32),))
    assert drop_files(on_air, ("tv_mxf",))[0].name != drop_files(again, ("tv_mxf",))[0].name


@pytest.mark.parametrize(
    ("base", "is_one"),
    [("{id}_v2", True), ("{id}_v2/../x", False), ("../{id}_v2", False), ("{id}_v", False), ("", False)],
)
def test_a_base_from_elsewhere_is_a_version_of_this_story_or_nothing(story, base, is_one):
    assert is_base_of(base.format(id=story.id), story) is is_one


def test_the_text_for_print_does_not_depend_on_the_hour(story):
    assert text_files(story, SITE) == text_files(story, SITE)
