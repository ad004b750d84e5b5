"""The figures that are kept with a rendition: they say what was lost, and they are true."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "8", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="session")
def busy(make: Callable[..., Path]) -> Path:
    """3 s of fine movement with sound."""
    picture = (*LAVFI, "mandelbrot=s=320x180:r=25", "-t", 3)
    return make("busy.mp4", *picture, *LAVFI, "sine=d=3", *H264, "-c:a", "aac", "-shortest")


async def test_figures_agree_with_the_file(busy, make_rendition, facts_of):
    rendered = await make_rendition(busy, "app_mp4")
    path, measured = rendered.files[0].path, rendered.measured
    facts = facts_of(path)
    assert measured["frame_count"] == facts.video.frame_count == 75
    assert measured["bitrate_bps"] == pytest.approx(path.stat().st_size * 8 / facts.duration_s, rel=0.01)
    assert measured["duration_difference_s"] == pytest.approx(
        facts.duration_s - facts_of(busy).duration_s, abs=0.001
    )


async def test_likeness_is_near_one_for_a_good_copy_and_less_for_a_poor_one(busy, facts_of, tmp_path):
    from dataclasses import replace

    from media.profiles import PROFILES
    from media.render import render

    good = await render(busy, facts_of(busy), replace(PROFILES["app_mp4"], crf=12), tmp_path / "good")
    poor = await render(busy, facts_of(busy), replace(PROFILES["app_mp4"], crf=45), tmp_path / "poor")
    assert good.measured["ssim"] > 0.97
    assert poor.measured["ssim"] < good.measured["ssim"] - 0.08
    assert poor.measured["vmaf"] < good.measured["vmaf"] - 5


async def test_likeness_of_a_stream_is_that_of_its_best_rung(busy, make_rendition):
    measured = (await make_rendition(busy, "app_hls")).measured
    assert 0.8 < measured["ssim"] <= 1
    assert measured["frame_count"] == 75


async def test_likeness_is_not_claimed_for_another_picture(circle, make_rendition):
    assert "ssim" not in (await make_rendition(circle, "vertical_mp4")).measured
