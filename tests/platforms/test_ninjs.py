"""ninjs 3.1 against IPTC's own schema, where the test data is there."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from platforms.ninjs import ninjs

REPOSITORY = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("SANSHEN_TEST_NINJS", REPOSITORY / "../shared/data/ninjs"))


@pytest.fixture(scope="module")
def validator():
    path = FOLDER / "ninjs-schema_3.1.json"
    if not path.is_file():
        pytest.skip("no ninjs schema: set SANSHEN_TEST_NINJS to the folder with ninjs-schema_3.1.json")
    # The schema names GeoJSON's by address; no test reaches the network, and we send no places.
    stand_in = Resource.from_contents({"type": "object"}, default_specification=DRAFT202012)
    registry = Registry().with_resource("https://geojson.org/schema/GeoJSON.json", stand_in)
    schema = json.loads(path.read_text(encoding="utf-8"))
    return Draft202012Validator(schema, registry=registry)


@pytest.mark.parametrize("name", ["story", "corrected", "retracted", "poisoned"])
def test_ninjs_of_any_story_is_valid(request, validator, site, name):
    item = ninjs(request.getfixturevalue(name), site)
    assert list(validator.iter_errors(item)) == []


def test_validator_finds_an_invented_field(validator, story, site):
    assert list(validator.iter_errors(ninjs(story, site) | {"invented": 1}))


@pytest.mark.parametrize(
    ("status", "pub_status"), [("usable", "usable"), ("withdrawn", "withheld"), ("canceled", "canceled")]
)
def test_ninjs_pub_status_follows_the_story(validator, story, site, status, pub_status):
    item = ninjs(replace(story, status=status, media=()), site)
    assert item["pubStatus"] == pub_status
    assert list(validator.iter_errors(item)) == []


def test_ninjs_of_a_retracted_story_carries_the_note_and_no_content(retracted, site):
    item = ninjs(retracted, site)
    assert item["uri"] == f"urn:uuid:{retracted.id}"
    assert item["edNote"] == retracted.note
    assert retracted.title not in json.dumps(item, ensure_ascii=False)
    assert "associations" not in item


def test_ninjs_renditions_are_public_addresses_only(story, site):
    video = ninjs(story, site)["associations"][0]
    assert [made["name"] for made in video["renditions"]] == ["app_hls", "app_mp4", "poster"]
    hls, mp4, _ = video["renditions"]
    assert "sizeInBytes" not in hls
    assert mp4["sizeInBytes"] == 4_321_000
    assert mp4["duration"] == 12.5
    assert mp4["href"].startswith("https://media.example.org/public/stories/")


def test_ninjs_declares_the_ai_label(corrected, site):
    source_type = ninjs(corrected, site)["digitalSourceType"]
    assert source_type["uri"].endswith("/compositeWithTrainedAlgorithmicMedia")
