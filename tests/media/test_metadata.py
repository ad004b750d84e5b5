"""What tags say of a file's making: read, kept short and clean, and never a reason to fail."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from media.metadata import (
    MAX_TAG_CHARACTERS,
    Metadata,
    clean,
    from_tags,
    read_iso6709,
    read_metadata,
    read_time,
    sound_place,
)
from media.probe import look
from media.sniff import sniff
from media.tags_still import still_tags

pytestmark = pytest.mark.slow

XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description exif:GPSLatitude="31,13.824N" exif:GPSLongitude="121,28,30W" xmp:CreatorTool="Desk &amp; Co 3">
<dc:creator><rdf:Seq><rdf:li>Li Na</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Desk</rdf:li></rdf:Alt></dc:rights>
<photoshop:DateCreated>2026-01-02T03:04:05+08:00</photoshop:DateCreated>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


async def read(path: Path) -> Metadata:
    return await read_metadata(path, await look(path, sniff(path)))


def photo(path: Path, image_format: str = "JPEG", author: str = "张伟") -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "HUAWEI"
    exif[ExifTags.Base.Model] = "Pura 90"
    exif[ExifTags.Base.Software] = "Camera 1.2"
    exif[ExifTags.Base.Artist] = author.encode()
    exif[ExifTags.Base.Copyright] = "(c) 2026"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal] = "2026:01:02 03:04:05"
    inner[ExifTags.Base.OffsetTimeOriginal] = "+08:00"
    inner[ExifTags.Base.CameraOwnerName] = "Desk 5"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef] = "S"
    gps[ExifTags.GPS.GPSLatitude] = (31.0, 13.0, 49.44)
    gps[ExifTags.GPS.GPSLongitudeRef] = "E"
    gps[ExifTags.GPS.GPSLongitude] = (121.0, 28.0, 25.32)
    Image.new("RGB", (16, 16), "red").save(path, image_format, exif=exif.tobytes())
    return path


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_still_with_exif_says_who_where_when_and_with_what(tmp_path, image_format):
    # Pillow itself writes nothing but ASCII into the tags of a TIFF.
    author = "Zhang Wei" if image_format == "TIFF" else "张伟"
    assert await read(photo(tmp_path / "photo", image_format, author)) == Metadata(
        latitude_deg=-31.2304,
        longitude_deg=121.4737,
        device="HUAWEI Pura 90",
        author=author,
        owner="Desk 5",
        copyright="(c) 2026",
        taken_at="2026-01-02T03:04:05+08:00",
        software="Camera 1.2",
    )


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
async def test_still_with_xmp_alone_says_it_too(tmp_path, image_format):
    path = tmp_path / "photo"
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    more = {"xmp": XMP} if image_format == "JPEG" else {"pnginfo": info}
    Image.new("RGB", (16, 16)).save(path, image_format, **more)
    assert await read(path) == Metadata(
        latitude_deg=31.2304,
        longitude_deg=-121.475,
        author="Li Na",
        copyright="(c) Desk",
        taken_at="2026-01-02T03:04:05+08:00",
        software="Desk & Co 3",
    )


async def test_iphone_film_says_who_where_when_and_with_what(tmp_path, clip, ffmpeg_run):
    path = tmp_path / "phone.mov"
    tags = {
        "com.apple.quicktime.location.ISO6709": "+31.2304-121.4737+004.500/",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 99",
        "com.apple.quicktime.software": "40.1",
        "com.apple.quicktime.creationdate": "2026-01-02T11:04:05+0800",
        "creation_time": "2026-01-02T03:04:05Z",
        "artist": "Zhang Wei",
        "copyright": "Desk",
    }
    written = [part for key, value in tags.items() for part in ("-metadata", f"{key}={value}")]
    ffmpeg_run(
        "-i", clip, "-c", "copy", "-map_metadata", -1, *written, "-movflags", "+use_metadata_tags", path
    )
    assert await read(path) == Metadata(
        latitude_deg=31.2304,
        longitude_deg=-121.4737,
        device="Apple iPhone 99",
        author="Zhang Wei",
        copyright="Desk",
        taken_at="2026-01-02T11:04:05+08:00",
        software="40.1",
    )


@pytest.mark.parametrize(("name", "box"), [("phone.mov", b"\xa9xyz"), ("phone.mp4", b"loci")])
async def test_android_film_says_its_place_and_time(tmp_path, clip, ffmpeg_run, name, box):
    """ffmpeg writes `©xyz` into `udta` as Android does, and in MP4 the box of 3GPP."""
    path = tmp_path / name
    tags = ("location=+31.2304+121.4737/", "creation_time=2026-01-02T03:04:05Z")
    written = [part for tag in tags for part in ("-metadata", tag)]
    ffmpeg_run("-i", clip, "-c", "copy", "-map_metadata", -1, *written, path)
    assert box in path.read_bytes()
    found = await read(path)
    assert (found.latitude_deg, found.longitude_deg) == pytest.approx((31.2304, 121.4737), abs=1e-4)
    assert found.taken_at == "2026-01-02T03:04:05+00:00"


async def test_sound_says_its_author_and_its_day(tmp_path, make: Callable[..., Path], ffmpeg_run):
    source = make("tone.wav", "-f", "lavfi", "-i", "sine=d=0.3")
    written = ("-metadata", "artist=李娜", "-metadata", "copyright=Desk", "-metadata", "date=2026-01-02")
    for name in ("tone.mp3", "tone.ogg", "tone.flac"):
        ffmpeg_run("-i", source, *written, tmp_path / name)
        found = await read(tmp_path / name)
        assert (found.author, found.copyright, found.taken_at) == ("李娜", "Desk", "2026-01-02"), name


async def test_recorder_of_a_broadcast_wave_is_its_device(tmp_path, make: Callable[..., Path], ffmpeg_run):
    source = make("tone.wav", "-f", "lavfi", "-i", "sine=d=0.3")
    tags = ("originator=ZOOM F8", "origination_date=2026-01-02", "origination_time=03:04:05")
    written = [part for tag in tags for part in ("-metadata", tag)]
    ffmpeg_run("-i", source, "-c", "copy", *written, "-write_bext", 1, tmp_path / "bext.wav")
    found = await read(tmp_path / "bext.wav")
    assert (found.device, found.taken_at) == ("ZOOM F8", "2026-01-02T03:04:05")


async def test_chinese_tags_of_an_old_tool_are_read_and_refuse_no_file(tmp_path, make: Callable[..., Path]):
    source = make("tone.wav", "-f", "lavfi", "-i", "sine=d=0.3")
    content = source.read_bytes()
    name = "张伟".encode("gb18030")
    info = b"INFOIART" + struct.pack("<I", len(name)) + name
    content += b"LIST" + struct.pack("<I", len(info)) + info
    path = tmp_path / "gbk.wav"
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    assert (await read(path)).author == "张伟"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  two\nlines\tand\0more ", "two lines and more"),
        ("\x1b[31mred\u202egnp.exe\u200b", "[31mredgnp.exe"),
        (("张" * 5000).encode(), "张" * MAX_TAG_CHARACTERS),
        ("x" * 5000, "x" * MAX_TAG_CHARACTERS),
        ("\0" * 300, None),
        ("", None),
        (None, None),
        ({"a": 1}, None),
        (b"\xd5\xc5\xce\xb0", "张伟"),
        ("\udcd5\udcc5\udcce\udcb0", "张伟"),
        (b"Jos\xe9 Ruiz", "José Ruiz"),
        ("\ud800lone", "?lone"),
        (7, "7"),
    ],
)
def test_tag_becomes_one_short_clean_line(value, expected):
    assert clean(value) == expected
    assert (clean(value) or "").encode() or expected is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+31.2304+121.4737/", (31.2304, 121.4737)),
        ("-3113.824-12128.422+012.3CRSWGS_84/", (-31.2304, -121.4737)),
        ("+311349.44+1212825.32/", (31.2304, 121.4737)),
        ("+31+121/", (31.0, 121.0)),
        ("+00.0000+000.0000/", None),
        ("+91.0+121.0/", None),
        ("+31.2304+181.0/", None),
        ("31.2,121.4", None),
        ("+31.2304", None),
        ("+" + "9" * 5000, None),
    ],
)
def test_place_of_iso_6709_is_in_degrees(value, expected):
    found = read_iso6709(value)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-6))


@pytest.mark.parametrize("place", [(float("nan"), 1.0), (1.0, float("inf")), (90.1, 0.0), None])
def test_place_that_is_none_is_not_kept(place):
    assert sound_place(place) is None
    assert from_tags({}, place) == Metadata()


@pytest.mark.parametrize(
    ("value", "offset", "expected"),
    [
        ("2026:01:02 03:04:05", "", "2026-01-02T03:04:05"),
        ("2026:01:02 03:04:05", "-03:30", "2026-01-02T03:04:05-03:30"),
        ("2026-01-02T03:04:05.123456Z", "", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05+0800", "+01:00", "2026-01-02T03:04:05+08:00"),
        ("2026-01-02T03:04", "", "2026-01-02T03:04:00"),
        ("2026-01-02", "+08:00", "2026-01-02"),
        ("2026:13:02 03:04:05", "", None),
        ("0000:00:00 00:00:00", "", None),
        ("2026:01:02 03:04:05", "+99:99", None),
        ("yesterday", "", None),
    ],
)
def test_time_has_the_offset_only_where_one_is_stated(value, offset, expected):
    assert read_time(value, offset) == expected


@pytest.mark.parametrize(
    "gps",
    [
        {2: (1, 2, 3)},
        {1: "N", 2: ("x", "y", "z"), 3: "E", 4: (1, 2, 3)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (1e30, 0, 0), 3: "E", 4: (1, 2, 3)},
    ],
)
def test_nonsense_for_a_place_leaves_the_other_tags(tmp_path, gps):
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Pura 90"
    for tag, value in gps.items():
        if not any(isinstance(part, str) for part in value) or isinstance(value, str):
            exif.get_ifd(ExifTags.IFD.GPSInfo)[tag] = value
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert still_tags(tmp_path / "a.jpg", "jpeg") == Metadata(device="Pura 90")


async def test_exif_that_is_noise_says_nothing(tmp_path):
    noise = b"Exif\0\0MM\0*\0\0\0\x08" + bytes(range(7, 256)) * 8
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=noise)
    assert await read(tmp_path / "a.jpg") == Metadata()


def test_huge_xmp_without_an_end_takes_no_time(tmp_path):
    packet = b"<dc:creator>" * 5000
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", xmp=packet)
    assert still_tags(tmp_path / "a.jpg", "jpeg") == Metadata()


async def test_damaged_file_says_nothing_and_raises_nothing(tmp_path):
    path = photo(tmp_path / "photo.jpg")
    facts = await look(path, sniff(path))
    path.write_bytes(path.read_bytes()[:400])
    assert await read_metadata(path, facts) == Metadata()
