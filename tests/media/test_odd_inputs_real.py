"""Files that people really made: Debian's package `forensics-samples-files`, where that is installed."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from media.inspect import inspect
from media.profiles import PROFILES
from media.render import render

pytestmark = pytest.mark.slow

SAMPLES = Path("/usr/share/forensics-samples/original-files")


@pytest.fixture
def sample() -> Path:
    """The folder of the samples."""
    if not SAMPLES.is_dir():
        pytest.skip("no real samples on this machine: install Debian's package `forensics-samples-files`")
    return SAMPLES


async def test_clip_of_an_android_phone_is_upright_steady_and_without_its_place(sample, tmp_path, facts_of):
    path = sample / "movie1" / "VID_20191220_170832.mp4"
    seen = await inspect(path)
    assert {"variable_frame_rate", "has_location"} <= {finding.code for finding in seen.findings}
    rendered = await render(path, seen.probe, PROFILES["preview"], tmp_path)
    made = facts_of(rendered.files[0].path)
    assert not made.video.is_variable_rate
    assert not made.video.is_turned
    assert (made.width > made.height) is (seen.probe.width > seen.probe.height)
    assert not made.has_location
    assert made.duration_s == pytest.approx(seen.probe.duration_s, abs=0.2)


@pytest.mark.parametrize(
    "name", ["pic1/IMG_20200827_231612.jpg", "pic1/IMG_1054.JPG", "pic2/IMG_20200124_231153.jpg"]
)
async def test_photograph_is_turned_once_and_bare(sample, tmp_path, name):
    path = sample / name
    with Image.open(path) as original:
        assert original.getexif()[0x0132]  # when it was taken
        upright = ImageOps.exif_transpose(original).convert("RGB").resize((64, 48))
    seen = await inspect(path)
    assert "has_location" in {finding.code for finding in seen.findings}
    rendered = await render(path, seen.probe, PROFILES["app_still"], tmp_path)
    with Image.open(rendered.files[0].path) as made:
        assert not made.getexif()
        difference = ImageChops.difference(made.convert("RGB").resize((64, 48)), upright)
    assert max(ImageStat.Stat(difference).mean) < 3


@pytest.mark.parametrize(
    "name", ["movie2/movie-hello.mp4", "movie2/movie-hello.mpeg", "movie2/movie-hello.avi"]
)
async def test_film_in_an_old_container_becomes_a_preview(sample, tmp_path, facts_of, name):
    facts = (await inspect(sample / name)).probe
    rendered = await render(sample / name, facts, PROFILES["preview"], tmp_path)
    assert facts_of(rendered.files[0].path).duration_s == pytest.approx(facts.duration_s, abs=0.3)
