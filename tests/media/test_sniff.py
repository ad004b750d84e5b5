"""By content alone: what is what, and what is refused."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from media.appended import Appended
from media.errors import MediaError, NotMedia, TooLarge
from media.inspect import inspect
from media.sniff import Kind, sniff

pytestmark = pytest.mark.slow

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
        ("opus", (*SOUND, "-c:a", "libopus"), (Kind.AUDIO, "ogg")),
        ("aiff", SOUND, (Kind.AUDIO, "aiff")),
        ("webm", (*VIDEO[:4], "-c:v", "libvpx"), (Kind.VIDEO, "matroska")),
        ("m2ts", (*VIDEO, "-mpegts_m2ts_mode", "1"), (Kind.VIDEO, "mpegts")),
        ("m2v", (*VIDEO[:3], "testsrc2=s=320x240:r=25:d=0.4", *VIDEO[4:]), (Kind.VIDEO, "mpegvideo")),
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


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
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


REFUSED = {
    "empty": (b"", "空"),
    "playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "播放列表"),
    "playlist after a mark": (b"\xef\xbb\xbf#EXTM3U\nhttp://127.0.0.1/x.ts\n", "播放列表"),
    "concat": (b"ffconcat version 1.0\nfile other.mp4\n", "播放列表"),
    "concat without a head": (b"# mine\n\nfile 'other.mp4'\n", "播放列表"),
    "pls": (b"[playlist]\nFile1=other.mp4\n", "播放列表"),
    "sdp": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "播放列表"),
    "html": (b"  <!DOCTYPE html><script>alert(1)</script>", "网页"),
    "html without a head": (b"<img src=x onerror=alert(1)>", "网页"),
    "xml": (b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>', "网页"),
    "svg": (b'<?xml version="1.0"?>\n<svg onload="alert(1)"/>', "SVG"),
    "svg alone": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "SVG"),
    "shell": (b"#!/bin/sh\nrm -rf /\n", "脚本"),
    "php": (b"<?php system($_GET[0]);", "脚本"),
    "batch": (b"@echo off\r\ndel *.*\r\n", "脚本"),
    "postscript": (b"%!PS-Adobe-3.0\n", "脚本"),
    "windows program": (b"MZ\x90\x00" + bytes(60), "程序"),
    "linux program": (b"\x7fELF\x02\x01\x01" + bytes(60), "程序"),
    "mac program": (b"\xcf\xfa\xed\xfe" + bytes(60), "程序"),
    "shortcut": (b"L\x00\x00\x00\x01\x14\x02\x00" + bytes(60), "程序"),
    "old word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ".docx"),
    "rtf": (b"{\\rtf1\\ansi hello}", ".docx"),
    "utf-16": ("新闻".encode("utf-16"), "UTF-8"),
    "flash": (b"CWS\x09" + bytes(60), "Flash"),
    "layers": (b"8BPS\x00\x01" + bytes(60), "PSD"),
    "rar": (b"Rar!\x1a\x07\x00" + bytes(60), "压缩包"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(60), "压缩包"),
    "tar": (b"a" * 257 + b"ustar\x0000" + bytes(300), "压缩包"),
    "raw camera": (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom" + bytes(60), "JPEG"),
    "junk": (b"\x00\x01\x02\x03 nothing that anyone knows \xff\xfe", "无法识别"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_sniff_refusal_has_its_own_words(tmp_path: Path, case: str):
    content, words = REFUSED[case]
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(NotMedia) as refusal:
        sniff(path)
    assert words in refusal.value.text.zh


@pytest.mark.parametrize(
    "text", ["<本报讯>今天", "File a report by noon\n", "MZ 是两个字母", "BM", "第一行\nfile 'a'\n", "a < b"]
)
def test_sniff_text_that_only_looks_like_a_script_is_text(tmp_path: Path, text: str):
    path = tmp_path / "a.txt"
    path.write_text(text, "utf-8")
    assert sniff(path).kind is Kind.TEXT


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_sniff_long_text_is_text_to_its_end_or_none(tmp_path: Path, encoding: str):
    path = tmp_path / "long.txt"
    text = ("市政府今天宣布,新线路下月开通。\n" * 9000).encode(encoding)
    path.write_bytes(text)
    assert sniff(path).kind is Kind.TEXT
    path.write_bytes(text + b"\x00\x01binary")
    with pytest.raises(NotMedia):
        sniff(path)
    path.write_bytes(text * (20_000_000 // len(text) + 1))
    with pytest.raises(TooLarge):
        sniff(path)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
async def test_animation_is_a_still_with_frames_and_a_finding(tmp_path: Path, form: str):
    path = tmp_path / "move.bin"
    frames = [Image.new("RGB", (16, 12), color) for color in ("red", "blue", "green")]
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=100, loop=0)
    found = await inspect(path)
    assert (found.sniffed.kind, found.sniffed.is_animated) == (Kind.STILL, True)
    assert found.probe.still is not None
    assert found.probe.still.frame_count == 3
    assert "animated" in {finding.code for finding in found.findings}


async def test_heic_is_a_still(make_heic: Callable[..., Path]):
    found = await inspect(make_heic("plain.heic"))
    assert (found.sniffed.format, found.probe.width, found.probe.height) == ("heif", 64, 48)
    assert found.findings == ()


async def test_video_container_with_sound_alone_is_sound(make: Callable[..., Path]):
    for path in (make("song.wma", *SOUND), make("song.mp4", *SOUND)):
        assert (await inspect(path)).sniffed.kind is Kind.AUDIO


def still_of(form: str) -> bytes:
    picture = io.BytesIO()
    Image.effect_noise((40, 30), 60).convert("RGB").save(picture, form, progressive=True)
    return picture.getvalue()


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("../../x", "x")
    return packed.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize(
    ("more", "looks_like"),
    [
        (archive(), "zip"),
        (b"<script>alert(1)</script>", "markup"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)), "mp4"),
        (b"%PDF-1.7", "pdf"),
        (b"MZ\x90\x00" + bytes(range(256)), "program"),
        (b"\xff\xd8\xff\xe1" + bytes(range(256)), "jpeg"),
        (b"whatever", "unknown"),
    ],
)
async def test_odd_34_what_follows_a_picture_is_named_and_never_more_than_a_picture(
    tmp_path: Path, form: str, more: bytes, looks_like: str
):
    path, whole = tmp_path / "both.bin", still_of(form)
    path.write_bytes(whole)
    clean = await inspect(path)
    assert (clean.appended, clean.findings) == (None, ())
    path.write_bytes(whole + more)
    found = await inspect(path)
    assert (found.sniffed, found.probe.still) == (clean.sniffed, clean.probe.still)
    assert found.appended == Appended(len(whole), len(more), looks_like)
    assert "appended_data" in {finding.code for finding in found.findings}


async def test_jpeg_filled_up_with_zeros_has_nothing_behind_it(tmp_path: Path):
    path = tmp_path / "a.jpg"
    path.write_bytes(still_of("JPEG") + bytes(5000))
    assert (await inspect(path)).findings == ()


async def test_odd_34_page_that_begins_like_a_gif_is_refused_or_named(tmp_path: Path):
    page = b"<html><script>alert(1)</script></html>"
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a" + b"/*" + page)
    with pytest.raises(MediaError) as refusal:
        await inspect(path)
    assert refusal.value.text.zh
    # A sound picture whose comment is a page.
    whole = still_of("GIF")
    at = 13 + (3 << ((whole[10] & 7) + 1))
    path.write_bytes(whole[:at] + b"\x21\xfe" + bytes([len(page)]) + page + b"\x00" + whole[at:])
    found = await inspect(path)
    assert found.sniffed.media_type == "image/gif"
    assert "markup_inside" in {finding.code for finding in found.findings}


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.webp"])
async def test_odd_34_page_or_svg_dressed_as_a_picture_is_refused(tmp_path: Path, name: str):
    path = tmp_path / name
    for content in (b"<!doctype html><script>1</script>", b"<svg onload='1'/>", b"\n\n  <html>"):
        path.write_bytes(content)
        with pytest.raises(NotMedia):
            await inspect(path)


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
