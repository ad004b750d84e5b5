"""Renditions of stills and sound; identities of renditions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageStat

from media.errors import NotMedia
from media.keys import rendition_key
from media.profiles import PROFILES, profiles_for
from media.sniff import Kind

pytestmark = pytest.mark.slow


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """2400x1000, upper half red, stored on its side as a phone does, with GPS and the device's name."""
    picture = Image.new("RGB", (2400, 1000), "blue")
    ImageDraw.Draw(picture).rectangle((0, 0, 2400, 500), "red")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "PhoneMaker"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (31.0, 13.0, 49.0)
    path = tmp_path / "photo.jpg"
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, comment=b"secret-note")
    return path


async def test_app_still_is_upright_small_and_bare(photo, make_rendition, facts_of):
    facts = facts_of(photo)
    assert (facts.width, facts.height, facts.has_location) == (2400, 1000, True)
    file = (await make_rendition(photo, "app_still")).files[0]
    with Image.open(file.path) as picture:
        assert picture.size == (1920, 800)
        assert not picture.getexif()
        assert set(picture.info) <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "progressive",
            "progression",
        }
        red, _, blue = picture.getpixel((960, 100))
    assert red > blue
    assert b"PhoneMaker" not in file.path.read_bytes()
    assert b"secret-note" not in file.path.read_bytes()


@pytest.mark.parametrize(("name", "size"), [("thumbnail", (640, 266)), ("vertical_cover", (1080, 1440))])
async def test_other_stills_have_their_size(photo, make_rendition, name, size):
    assert (await make_rendition(photo, name)).measured["width"] == size[0]
    with Image.open((await make_rendition(photo, name)).files[0].path) as picture:
        assert picture.size == size


async def test_vertical_cover_of_a_still_stretches_nothing(tmp_path, make_rendition):
    path = tmp_path / "disc.png"
    picture = Image.new("L", (400, 200), 0)
    ImageDraw.Draw(picture).ellipse((150, 50, 249, 149), 255)
    picture.save(path)
    with Image.open((await make_rendition(path, "vertical_cover")).files[0].path) as cover:
        front = cover.convert("L").crop((0, 450, 1080, 990))
        left, top, right, bottom = front.point(lambda value: 255 * (value > 128)).getbbox()
    assert right - left == pytest.approx(270, abs=6)
    assert bottom - top == pytest.approx(right - left, abs=4)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [("RGBA", (0, 0, 0, 0), 255), ("I;16", 0x8000, 128), ("LA", (40, 255), 40), ("P", 0, 0), ("1", 1, 255)],
)
async def test_every_mode_of_png_becomes_plain_rgb(tmp_path, make_rendition, mode, color, expected):
    path = tmp_path / "a.png"
    picture = Image.new(mode, (20, 20), color)
    if mode == "P":
        picture.putpalette([0, 0, 0])
    picture.save(path)
    with Image.open((await make_rendition(path, "thumbnail")).files[0].path) as out:
        assert (out.mode, out.size) == ("RGB", (20, 20))
        assert out.getpixel((10, 10)) == pytest.approx((expected,) * 3, abs=2)


async def test_app_audio_is_bare_aac_in_stereo(make: Callable[..., Path], make_rendition, facts_of):
    tags = ("-metadata", "artist=Zhang Wei", "-metadata", "location=+31.2304+121.4737/")
    surround = make("surround.wav", "-f", "lavfi", "-i", "sine=d=1", "-ac", 6, "-ar", 44100, *tags)
    file = (await make_rendition(surround, "app_audio")).files[0]
    audio = facts_of(file.path).audio
    assert (audio.codec, audio.sample_rate_hz, audio.channels) == ("aac", 48_000, 2)
    assert (file.role, file.media_type) == ("audio", "audio/mp4")
    with av.open(file.path) as container:
        assert {"artist", "location"} & set(container.metadata) == set()


async def test_profile_of_another_kind_is_refused(photo, make_rendition):
    with pytest.raises(NotMedia):
        await make_rendition(photo, "app_hls")


def test_key_changes_with_source_and_definition_and_with_nothing_else():
    profile = PROFILES["preview"]
    key = rendition_key("ab" * 32, profile)
    assert key == rendition_key("ab" * 32, replace(profile))
    assert len(key) == 64
    changed = [rendition_key("cd" * 32, profile), rendition_key("ab" * 32, replace(profile, crf=20))]
    changed.append(rendition_key("ab" * 32, PROFILES["app_mp4"]))
    assert len({key, *changed}) == 4


def test_profiles_for_kind_keeps_order_and_drops_others():
    names = ["vertical_cover", "app_hls", "app_still", "vertical_cover"]
    assert [profile.name for profile in profiles_for(Kind.STILL, names)] == ["vertical_cover", "app_still"]
    with pytest.raises(KeyError):
        profiles_for(Kind.VIDEO, ["no such"])


def decoded(path: Path) -> list[tuple[int, Image.Image]]:
    with av.open(str(path)) as container:
        return [(frame.pts, frame.to_image()) for frame in container.decode(video=0)]


async def test_same_work_twice_gives_the_same_film(clip, make_rendition):
    # Not the same bytes: x264 under a rate cap predicts the size of frames that other threads still encode.
    first = decoded((await make_rendition(clip, "preview")).files[0].path)
    second = decoded((await make_rendition(clip, "preview")).files[0].path)
    assert [pts for pts, _ in first] == [pts for pts, _ in second]
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert max(ImageStat.Stat(ImageChops.difference(one, other)).mean) < 3
