"""The sample footage: real media, drawn on the spot, and not always the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from media.probe import Probe
from media.sample import make_clip, make_still


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
async def test_still_is_a_picture_of_the_asked_size_with_something_on_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"town{suffix}"
    await make_still(path, width=320, height=240)
    with Image.open(path) as picture:
        assert picture.size == (320, 240)
        assert min(ImageStat.Stat(picture.convert("L")).stddev) > 5


async def test_another_seed_is_another_town_and_the_same_seed_the_same(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        await make_still(path, seed=seed, width=320, height=240)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


async def test_clip_is_as_from_a_phone(tmp_path: Path, facts_of: Callable[[Path], Probe]) -> None:
    path = tmp_path / "clip.mp4"
    await make_clip(path, duration_s=1, width=320, height=180)
    facts = facts_of(path)
    assert facts.video is not None
    assert facts.audio is not None
    assert (facts.width, facts.height, facts.video.codec, facts.audio.codec) == (320, 180, "h264", "aac")
    assert facts.duration_s == pytest.approx(1, abs=0.1)
    assert facts.has_location  # so that the demo shows it stripped
