"""Likely duplicates: fingerprints of stills and films, and the essence of a still."""

import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from media.errors import Malformed
from media.job import Source
from media.looks import look_at, perceptual_bits, still_signs
from media.perceptual import (
    MAX_STILL_DISTANCE,
    Fingerprint,
    distance,
    fingerprint_frames,
    fingerprint_still,
    is_likely_same,
    similarity,
    still_essence,
)
from media.scan import Frame, scan

pytestmark = pytest.mark.slow

SIZE = (320, 180)


def scene(seed: int, moment: float = 0.0) -> Image.Image:
    """A picture of its own for each seed; things in it move with the moment."""
    dice = random.Random(seed)
    picture = Image.new("RGB", SIZE, tuple(dice.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(24):
        x, y = dice.randrange(-40, SIZE[0]), dice.randrange(-40, SIZE[1])
        x += int(moment * dice.randrange(-30, 30))
        box = (x, y, x + dice.randrange(20, 140), y + dice.randrange(20, 100))
        draw_shape = draw.ellipse if dice.random() < 0.5 else draw.rectangle
        draw_shape(box, tuple(dice.randrange(256) for _ in range(3)))
    return picture


def bits(picture: Image.Image) -> int:
    found = perceptual_bits(picture.convert("L"))
    assert found is not None
    return found


def film(seed: int, step_s: float, count: int, start_s: float = 0.0) -> list[Fingerprint]:
    """What a scan would see of one film: `start_s` into it, a picture every `step_s`."""
    times = [step_s * (number + 0.5) for number in range(count)]
    # A cut every two seconds, and movement in between.
    return [
        Fingerprint(at_s, bits(scene(seed * 1000 + int((start_s + at_s) // 2), (start_s + at_s) % 2)))
        for at_s in times
    ]


def with_logo(picture: Image.Image) -> Image.Image:
    marked = picture.copy()
    ImageDraw.Draw(marked).rectangle((268, 8, 308, 24), "white")
    return marked


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: picture.resize((160, 90), Image.Resampling.LANCZOS),
        lambda picture: picture.crop((6, 4, 314, 176)),
        with_logo,
        lambda picture: picture.point(lambda value: min(255, int(value * 1.15))),
    ],
    ids=["smaller", "cropped", "logo", "brighter"],
)
async def test_still_saved_again_in_another_way_is_likely_the_same(tmp_path, change):
    scene(1).save(tmp_path / "first.png")
    change(scene(1)).save(tmp_path / "again.jpg", quality=40)
    first = await fingerprint_still(tmp_path / "first.png", "png")
    again = await fingerprint_still(tmp_path / "again.jpg", "jpeg")
    assert first is not None
    assert again is not None
    assert is_likely_same([first], [again])
    assert distance(first.bits, again.bits) <= MAX_STILL_DISTANCE - 2


def test_thirty_different_pictures_are_far_apart():
    found = [bits(scene(seed)) for seed in range(30)]
    assert min(distance(one, other) for one, other in combinations(found, 2)) > MAX_STILL_DISTANCE
    assert all(-(2**63) <= each < 2**63 for each in found)  # a bigint holds it
    assert {each < 0 for each in found} == {True, False}


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(0, 0, 0), (-1, 0, 64), (-(2**63), 0, 1), (-1, 2**63 - 1, 1), (5, 6, 2)]
)
def test_distance_counts_the_bits_of_signed_numbers(one, other, expected):
    assert distance(one, other) == distance(other, one) == expected


@pytest.mark.parametrize("color", ["black", "white", "#404040"])
async def test_flat_picture_has_no_fingerprint(tmp_path, color):
    Image.new("RGB", SIZE, color).save(tmp_path / "flat.png")
    assert await fingerprint_still(tmp_path / "flat.png", "png") is None


async def test_reencoded_film_is_likely_the_same_and_another_is_not(
    tmp_path, make: Callable[..., Path], ffmpeg_run, facts_of
):
    source = make("cuts.mp4", *_of_scenes(tmp_path, 40))
    other = make("others.mp4", *_of_scenes(tmp_path, 60))
    again = tmp_path / "again.mp4"
    mark = "scale=160:-2,drawbox=x=134:y=4:w=20:h=8:color=white:t=fill"
    ffmpeg_run("-i", source, "-vf", mark, "-r", 15, "-c:v", "libx264", "-b:v", "60k", "-an", again)
    assert again.stat().st_size < source.stat().st_size / 3
    seen = []
    for path in (source, again, other):
        scanned = await scan(Source(path, facts_of(path)), tmp_path / path.stem)
        seen.append(await fingerprint_frames(scanned.frames))
    assert min(len(each) for each in seen) > 8
    assert similarity(seen[0], seen[1]) > 0.8
    assert is_likely_same(seen[0], seen[1])
    assert similarity(seen[0], seen[2]) == 0.0


@pytest.mark.parametrize(
    ("step_s", "count", "start_s"),
    [(0.5, 60, 0.0), (0.5, 50, 5.3), (0.31, 70, 2.0), (1.1, 26, 0.4), (0.25, 40, 15.0)],
    ids=["whole", "head cut off", "sampled finer", "sampled coarser", "excerpt"],
)
def test_film_that_begins_or_is_sampled_elsewhere_is_likely_the_same(step_s, count, start_s):
    assert is_likely_same(film(1, 0.5, 60), film(1, step_s, count, start_s))


def test_thirty_different_films_share_next_to_nothing():
    films = [film(seed, 1.0, 12) for seed in range(30)]
    assert max(similarity(one, other) for one, other in combinations(films, 2)) < 0.2


def test_film_in_another_order_is_not_the_same():
    """Nothing but single pictures at the same place in time."""
    forward = film(1, 2.0, 20)
    backward = [Fingerprint(one.at_s, other.bits) for one, other in zip(forward, forward[::-1], strict=True)]
    assert similarity(forward, backward) < 0.3


def test_still_that_is_a_frame_of_a_film_is_found_in_it_and_another_is_not():
    whole = film(1, 0.5, 40)
    assert is_likely_same([Fingerprint(None, whole[17].bits)], whole)
    assert not is_likely_same(whole, [Fingerprint(None, bits(scene(77)))])


def test_nothing_resembles_a_film_that_is_black():
    assert similarity([], film(1, 1.0, 5)) == 0.0
    assert not is_likely_same([], [])


async def test_frames_that_are_black_give_no_fingerprint(tmp_path):
    pictures = [Image.new("RGB", SIZE), scene(1), Image.new("RGB", SIZE, "#101010"), scene(2)]
    found = await fingerprint_frames(_saved(tmp_path, pictures))
    assert [each.at_s for each in found] == [1.0, 3.0]
    assert await fingerprint_frames([]) == ()


def test_look_tells_what_has_changed_and_what_is_sharp(tmp_path):
    sharp = scene(1)
    soft = sharp.resize((20, 11)).resize(SIZE)
    names = tuple(frame.path.name for frame in _saved(tmp_path, [sharp, sharp, soft]))
    first, second, third = look_at(tmp_path, names)
    assert first.change is None
    assert second.change == 0
    assert third.change > 1
    assert third.sharpness < first.sharpness / 10


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "I;16"])
def test_same_pixels_as_png_and_tiff_have_one_essence(tmp_path, mode):
    picture = _in_mode(mode)
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Zhang Wei")
    picture.save(tmp_path / "a.png", pnginfo=info)
    picture.save(tmp_path / "a.tif", compression=None if mode == "I;16" else "tiff_lzw")
    assert _essence(tmp_path / "a.png", "png") == _essence(tmp_path / "a.tif", "tiff")
    changed = picture.copy()
    before = changed.getpixel((3, 3))
    changed.putpixel((3, 3), (1, 2, 3, 4)[: len(mode)] if isinstance(before, tuple) else 0 if before else 255)
    changed.save(tmp_path / "b.png")
    assert _essence(tmp_path / "b.png", "png") != _essence(tmp_path / "a.png", "png")


def test_palette_and_orientation_change_no_essence(tmp_path):
    picture = scene(1).quantize(32)
    picture.save(tmp_path / "palette.png")
    picture.convert("RGB").save(tmp_path / "full.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.convert("RGB").transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.tif", exif=exif)
    names = (("palette.png", "png"), ("full.png", "png"), ("turned.tif", "tiff"))
    assert len({_essence(tmp_path / name, kind) for name, kind in names}) == 1


def test_animations_with_the_same_first_picture_differ(tmp_path):
    frames = [scene(seed).quantize(64) for seed in range(3)]
    for name, rest in {"a": frames[1:], "b": frames[2:], "c": [frames[2], frames[1]]}.items():
        frames[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=rest)
    assert len({_essence(tmp_path / f"{name}.gif", "gif") for name in "abc"}) == 3


async def test_essence_comes_through_the_guard_and_damage_is_refused(tmp_path):
    scene(1).save(tmp_path / "a.png")
    assert await still_essence(tmp_path / "a.png", "png") == _essence(tmp_path / "a.png", "png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:900])
    with pytest.raises(Malformed):
        await still_essence(tmp_path / "cut.png", "png")


def _essence(path: Path, image_format: str) -> str:
    return still_signs(path, image_format).essence_sha256


def _in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        deep = Image.new("I;16", (8, 8))
        for place in range(64):
            deep.putpixel((place % 8, place // 8), place * 1000)
        return deep
    picture = scene(1).convert(mode)
    if mode == "RGBA":
        picture.putalpha(scene(2).convert("L"))
    return picture


def _saved(folder: Path, pictures: list[Image.Image]) -> list[Frame]:
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.jpg", quality=90)
    return [Frame(float(number), folder / f"{number}.jpg") for number in range(len(pictures))]


def _of_scenes(folder: Path, seed: int) -> tuple[object, ...]:
    """Arguments for a film of six scenes, half a second each."""
    for number in range(6):
        scene(seed + number).save(folder / f"scene{seed}-{number}.png")
    still = ("-framerate", 2, "-i", folder / f"scene{seed}-%d.png", "-r", 20)
    return (*still, "-c:v", "libx264", "-preset", "ultrafast", "-qp", 6, "-pix_fmt", "yuv420p")
