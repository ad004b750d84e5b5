"""Covers and posters: never black, flat, frozen or blurred while there is something better."""

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageStat

from media.covers import MAX_COVERS, choose_covers, make_covers
from media.finding import Finding
from media.job import Source
from media.looks import perceptual_bits
from media.perceptual import distance
from media.poster import grab, pick_frame
from media.scan import Frame, scan
from states.text import Text

pytestmark = pytest.mark.slow

SIZE = (320, 180)
TINY = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-pix_fmt", "yuv420p")


def scene(seed: int) -> Image.Image:
    dice = random.Random(seed)
    picture = Image.new("RGB", SIZE, tuple(dice.randrange(60, 256) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(24):
        x, y = dice.randrange(-40, SIZE[0]), dice.randrange(-40, SIZE[1])
        draw.rectangle((x, y, x + dice.randrange(20, 140), y + dice.randrange(20, 100)), _color(dice))
    return picture


def _color(dice: random.Random) -> tuple[int, ...]:
    return tuple(dice.randrange(256) for _ in range(3))


def saved(folder: Path, pictures: Sequence[Image.Image]) -> list[Frame]:
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number:03}.jpg", quality=90)
    return [Frame(float(number), folder / f"{number:03}.jpg") for number in range(len(pictures))]


def stretch(code: str, at_s: float, until_s: float) -> Finding:
    return Finding(code, Text("静止", "Still"), at_s, until_s)


async def test_covers_of_a_film_are_spread_and_different(tmp_path):
    frames = saved(tmp_path, [scene(number) for number in range(60)])
    times = await choose_covers(frames, ())
    assert len(times) == MAX_COVERS
    assert times[0] == pytest.approx(15, abs=5)  # past the slate, in the second sixth
    assert sorted(int(at_s // 10) for at_s in times) == [0, 1, 2, 3, 4, 5]


BAD = {
    "black": Image.new("RGB", SIZE),
    "almost black": Image.new("RGB", SIZE, "#0c0c0c"),
    "flat": Image.new("RGB", SIZE, "#3060a0"),
    "blurred": scene(99).filter(ImageFilter.GaussianBlur(9)),
}


@pytest.mark.parametrize("name", BAD)
async def test_cover_is_never_a_bad_picture_where_most_are_bad(tmp_path, name):
    good = {5, 17, 18, 29}
    pictures = [scene(number) if number in good else BAD[name] for number in range(30)]
    if name == "blurred":  # half of a film at the least is as sharp as it is
        pictures = [scene(number) if number % 2 else BAD[name] for number in range(30)]
        good = set(range(1, 30, 2))
    times = await choose_covers(saved(tmp_path, pictures), ())
    assert times
    assert set(times) <= good


@pytest.mark.parametrize("code", ["black", "frozen"])
async def test_cover_is_never_from_a_stretch_that_the_scan_named(tmp_path, code):
    frames = saved(tmp_path, [scene(number) for number in range(20)])
    times = await choose_covers(frames, [stretch(code, 0.0, 12.0), stretch(code, 16.95, 17.05)])
    assert times
    assert set(times) <= {13.0, 14.0, 15.0, 16.0, 18.0, 19.0}


async def test_cover_is_not_from_a_still_stretch_that_no_finding_names(tmp_path):
    frames = saved(tmp_path, [scene(50) if 6 <= number < 16 else scene(number) for number in range(20)])
    times = await choose_covers(frames, ())
    assert times
    assert not [at_s for at_s in times if 6 <= at_s < 16]


async def test_covers_of_a_show_of_slides_are_its_slides(tmp_path):
    frames = saved(tmp_path, [scene(number // 5) for number in range(20)])
    times = await choose_covers(frames, [stretch("frozen", 0.0, 20.0)])
    assert sorted(at_s // 5 for at_s in times) == [0, 1, 2, 3]


async def test_other_findings_and_those_without_a_place_forbid_nothing(tmp_path):
    frames = saved(tmp_path, [scene(number) for number in range(6)])
    others = [stretch("silence", 0.0, 6.0), Finding("frozen", Text("静止", "Still"))]
    assert len(await choose_covers(frames, others)) == 6


async def test_film_of_one_picture_has_one_cover_and_a_black_one_has_none(tmp_path):
    (tmp_path / "black").mkdir()
    frozen = saved(tmp_path, [scene(1)] * 5)
    assert len(await choose_covers(frozen, [stretch("frozen", 0.0, 5.0)])) == 1
    black = saved(tmp_path / "black", [BAD["black"]] * 5)
    assert await choose_covers(black, ()) == ()
    assert await choose_covers((), ()) == ()


@pytest.fixture(scope="module")
def frozen_head(make: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s turned on its side: 1 s black, 6 s of one bright picture, then 3 s that move. With the tags of a phone."""
    still = tmp_path_factory.mktemp("still") / "still.png"
    scene(1).resize((160, 90)).save(still)
    graph = "color=black:s=160x90:r=10:d=1[a];[0:v]fps=10,setsar=1,format=yuv420p[b];testsrc2=s=160x90:r=10:d=3[c]"
    args = ("-loop", 1, "-t", 6, "-i", still, "-filter_complex", f"{graph};[a][b][c]concat=n=3")
    return make("frozenhead.mp4", *args, "-metadata", "location=+31.2304+121.4737/", *TINY)


async def test_poster_is_not_from_a_frozen_stretch(tmp_path, frozen_head, facts_of):
    frame = await pick_frame(Source(frozen_head, facts_of(frozen_head)), tmp_path)
    assert frame.at_s >= 7.0
    assert frame.is_dark is False


async def test_poster_is_where_the_scan_says(tmp_path, frozen_head, facts_of):
    source = Source(frozen_head, facts_of(frozen_head), moments_s=(8.25, 7.5))
    assert (await pick_frame(source, tmp_path)).at_s == 8.25


async def test_poster_looks_elsewhere_when_the_scan_was_wrong(tmp_path, frozen_head, facts_of):
    source = Source(frozen_head, facts_of(frozen_head), moments_s=(0.5, 3.0, 99.0))
    assert (await pick_frame(source, tmp_path)).at_s >= 7.0


async def test_poster_of_a_film_that_is_frozen_all_along_is_not_black(tmp_path, make, facts_of, ffmpeg_run):
    scene(1).save(tmp_path / "still.png")
    black = "color=black:s=320x180:r=10:d=2[a];[0:v]fps=10,setsar=1,format=yuv420p[b];[a][b]concat"
    args = ("-loop", 1, "-t", 2, "-i", tmp_path / "still.png", "-filter_complex", black, *TINY)
    ffmpeg_run(*args, tmp_path / "a.mp4")
    frame = await pick_frame(Source(tmp_path / "a.mp4", facts_of(tmp_path / "a.mp4")), tmp_path)
    assert frame.at_s >= 2.0
    assert frame.is_dark is False


async def test_poster_of_an_interlaced_film_has_no_combs(tmp_path, make: Callable[..., Path], facts_of):
    moving = "testsrc2=s=160x96:r=50:d=2,scroll=h=0.02,interlace"
    coded = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", 2)
    source = make("combs.ts", "-f", "lavfi", "-i", moving, *coded)
    assert facts_of(source).video.is_interlaced
    pictures = await grab(Source(source, facts_of(source)), 0.2, tmp_path)
    assert len(pictures) == 2
    assert all(_combs(path) < 1 for path in pictures)  # 0.5; 2.4 where the fields stay woven


def _combs(path: Path) -> float:
    """How much each line differs from its two neighbours, beside how much it does from the next but one."""
    with Image.open(path) as picture:
        lines = [picture.convert("L").crop((0, y, 160, y + 1)).tobytes() for y in range(96)]
    apart = sum(
        abs(a - b)
        for one, other in zip(lines, lines[2:], strict=False)
        for a, b in zip(one, other, strict=True)
    )
    between = sum(
        abs(2 * middle - above - below)
        for rows in zip(lines, lines[1:], lines[2:], strict=False)
        for above, middle, below in zip(*rows, strict=True)
    )
    return between / apart


async def test_covers_are_upright_bare_jpegs_no_larger_than_they_may_be(
    tmp_path, frozen_head, ffmpeg_run, facts_of
):
    turned = tmp_path / "turned.mp4"
    ffmpeg_run("-display_rotation", 90, "-i", frozen_head, "-c", "copy", turned)
    covers = await make_covers(Source(turned, facts_of(turned)), (3.0, 8.0, 60.0), tmp_path / "covers")
    assert [(each.at_s, each.width, each.height) for each in covers] == [(3.0, 90, 160), (8.0, 90, 160)]
    assert sorted(path.name for path in (tmp_path / "covers").iterdir()) == ["cover-1.jpg", "cover-2.jpg"]
    with Image.open(covers[0].path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (90, 160))
        assert not picture.getexif()
        expected = scene(1).resize((160, 90)).transpose(Image.Transpose.ROTATE_90)
        difference = [abs(a - b) for a, b in zip(_means(picture), _means(expected), strict=True)]
    assert max(difference) < 10
    assert b"31.23" not in covers[0].path.read_bytes()


async def test_cover_of_a_large_film_has_1920_pixels_and_standard_range(tmp_path, make, facts_of):
    tags = "color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv"
    graph = f"testsrc2=s=2560x1440:r=5:d=0.4,format=yuv420p10le,setparams={tags}"
    coded = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0")
    source = make("large.mp4", "-f", "lavfi", "-i", graph, *coded)
    (cover,) = await make_covers(Source(source, facts_of(source)), (0.2,), tmp_path)
    assert (cover.width, cover.height) == (1920, 1080)
    with Image.open(cover.path) as picture:
        assert "icc_profile" not in picture.info
        assert ImageStat.Stat(picture.convert("L")).stddev[0] > 30


async def test_covers_of_a_scanned_film_are_from_where_it_moves_and_differ(tmp_path, frozen_head, facts_of):
    scanned = await scan(Source(frozen_head, facts_of(frozen_head)), tmp_path)
    assert {"black", "frozen"} <= {finding.code for finding in scanned.findings}
    times = await choose_covers(scanned.frames, scanned.findings)
    assert times
    assert min(times) > 7
    by_time = {frame.at_s: frame.path for frame in scanned.frames}
    bits = [perceptual_bits(Image.open(by_time[at_s]).convert("L")) for at_s in times]
    assert all(distance(one, other) > 14 for one, other in combinations(bits, 2))


def _means(picture: Image.Image) -> list[float]:
    return list(picture.convert("L").resize((4, 4), Image.Resampling.BOX).get_flattened_data())
