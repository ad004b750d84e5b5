"""By content alone: what is what, and what is refused."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from media.errors import NotMedia
from media.sniff import Kind, sniff

VIDEO = ("-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=0.3", "-c:v", "mpeg2video")
SOUND = ("-f", "lavfi", "-i", "sine=d=0.3")


@pytest.mark.parametrize(
    ("suffix", "args", "expected"),
    [
        ("mp4", (*VIDEO[:4], "-c:v", "libx264"), (Kind.VIDEO, "mov")),
        ("mov", VIDEO, (Kind.VIDEO, "mov")),
        ("mkv", VIDEO, (Kind.VIDEO, "matroska")),
        ("ts", VIDEO, (Kind.VIDEO, "mpegts")),
        ("avi", VIDEO, (Kind.VIDEO, "avi")),
        ("mxf", (*VIDEO[:3], "testsrc2=s=320x240:r=25:d=0.4", *VIDEO[4:]), (Kind.VIDEO, "mxf")),
        ("flv", VIDEO[:4], (Kind.VIDEO, "flv")),
        ("wmv", VIDEO[:4], (Kind.VIDEO, "asf")),
        ("mpg", (*VIDEO[:3], "testsrc2=s=320x240:r=25:d=0.4", *VIDEO[4:]), (Kind.VIDEO, "mpeg")),
        ("mp3", SOUND, (Kind.AUDIO, "mp3")),
        ("m4a", SOUND, (Kind.AUDIO, "mov")),
        ("aac", SOUND, (Kind.AUDIO, "aac")),
        ("wav", SOUND, (Kind.AUDIO, "wav")),
        ("flac", SOUND, (Kind.AUDIO, "flac")),
        ("ogg", (*SOUND, "-c:a", "libvorbis"), (Kind.AUDIO, "ogg")),
    ],
)
def test_sniff_media_under_a_wrong_name_is_known(make, tmp_path, facts_of, suffix, args, expected):
    disguised = tmp_path / "holiday.txt"
    disguised.write_bytes(make(f"kind.{suffix}", *args).read_bytes())
    found = sniff(disguised)
    assert (found.kind, found.demuxer) == expected
    facts = facts_of(disguised)
    assert facts.kind is expected[0]
    assert facts.duration_s == pytest.approx(0.35, abs=0.16)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_sniff_still_is_known(tmp_path: Path, facts_of, form: str):
    path = tmp_path / "still.bin"
    Image.new("RGB", (8, 6), "red").save(path, form)
    assert sniff(path).format == form.lower()
    assert (facts_of(path).width, facts_of(path).height) == (8, 6)


@pytest.mark.parametrize(
    "content",
    [
        "市政府今天宣布,新的地铁线路将于下月开通。\n".encode(),
        "今天天气很好".encode("gb18030"),
        b"plain words\n",
    ],
)
def test_sniff_text_is_text(tmp_path: Path, content: bytes):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert sniff(path).kind is Kind.TEXT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"\xef\xbb\xbf#EXTM3U\nhttp://127.0.0.1/x.ts\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"file 'other.mp4'\nfile '/etc/passwd'\n",
        b"  <!doctype html><script>alert(1)</script>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"[playlist]\nFile1=other.mp4\n",
        b"\x00\x01\x02\x03 nothing that anyone knows \xff\xfe",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    ],
)
def test_sniff_scripts_markup_and_junk_are_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(NotMedia) as refusal:
        sniff(path)
    assert refusal.value.text.zh
    assert refusal.value.text.en
    assert refusal.value.code == "media.unsupported"


def test_sniff_archive_is_refused_without_unpacking_and_word_is_a_document(tmp_path: Path):
    bomb, document = tmp_path / "bomb.zip", tmp_path / "word.bin"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(20_000_000))
    with zipfile.ZipFile(document, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(NotMedia):
        sniff(bomb)
    assert sniff(document).kind is Kind.DOCUMENT


def test_sniff_picture_with_an_archive_behind_it_is_a_picture(tmp_path: Path):
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "JPEG")
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../../x", "x")
    path = tmp_path / "both.jpg"
    path.write_bytes(picture.getvalue() + archive.getvalue())
    assert sniff(path).format == "jpeg"
