"""What is read from a file, and which files are refused."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from media import commands, inspect, probe
from media._ffmpeg import Limits, run
from media.errors import EncodeFailed, Malformed, NotMedia, TooLarge
from media.hashing import hash_file
from media.probe import Probe
from media.profiles import PROFILES
from media.render import pictures_for
from media.sniff import Kind, Sniffed

pytestmark = pytest.mark.slow

TINY = ("-c:v", "libx264", "-preset", "ultrafast")


def is_empty(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0


async def test_inspect_phone_clip_gives_facts_and_findings(clip: Path):
    found = await inspect.inspect(clip)
    facts = found.probe
    assert (facts.kind, facts.container, facts.width, facts.height) == (Kind.VIDEO, "mov", 320, 180)
    assert facts.video is not None
    assert facts.video.frame_rate == Fraction(30000, 1001)
    assert facts.video.frame_count == 60
    assert facts.audio is not None
    assert (facts.audio.codec, facts.audio.sample_rate_hz, facts.audio.channels) == ("aac", 44100, 1)
    assert facts.duration_s == pytest.approx(2.0, abs=0.05)
    assert found.hash == hash_file(clip)
    codes = {finding.code for finding in found.findings}
    assert codes == {"has_location", "low_resolution", "colour_assumed", "downmix"}


def test_probe_facts_survive_json(clip: Path, facts_of, tmp_path: Path):
    still = tmp_path / "a.png"
    Image.new("L", (3, 5)).save(still)
    for facts in (facts_of(clip), facts_of(still)):
        assert Probe.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_probe_rotated_clip_gives_the_size_as_shown(make: Callable[..., Path], halves: Path, facts_of):
    turned = make("turned.mp4", "-display_rotation", 90, "-i", halves, "-c", "copy")
    facts = facts_of(turned)
    assert (facts.width, facts.height) == (90, 160)
    assert facts.video.rotation_deg % 180 == 90


def test_probe_wide_pixels_give_square_size(make: Callable[..., Path], facts_of):
    dv = make("dv.mp4", "-f", "lavfi", "-i", "testsrc2=s=180x144:r=10:d=0.3,setsar=64/45", *TINY)
    assert (facts_of(dv).width, facts_of(dv).height) == (256, 144)


def test_probe_variable_rate_is_the_average_of_the_time_stamps(variable: Path, facts_of):
    video = facts_of(variable).video
    assert video.is_variable_rate
    # 52 frames of 90 are kept.
    assert float(video.frame_rate) == pytest.approx(52 / 3, rel=0.03)


def test_probe_song_with_cover_art_is_audio(make: Callable[..., Path], tmp_path: Path, facts_of):
    cover = tmp_path / "cover.png"
    Image.new("RGB", (32, 32), "red").save(cover)
    art = ("-map", 0, "-map", 1, "-c:v", "copy", "-disposition:v", "attached_pic")
    song = make("song.m4a", "-f", "lavfi", "-i", "sine=d=0.5", "-i", cover, *art)
    assert facts_of(song).kind is Kind.AUDIO
    assert facts_of(song).video is None


@pytest.mark.parametrize("flags", [(), ("-movflags", "+faststart")])
async def test_inspect_truncated_mp4_is_refused(make: Callable[..., Path], tmp_path: Path, flags):
    whole = make(f"whole{len(flags)}.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=1", *TINY, *flags)
    content = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(Malformed) as refusal:
        await inspect.inspect(cut)
    assert refusal.value.code == "media.malformed"


async def test_inspect_text_named_as_video_is_refused(tmp_path: Path):
    path = tmp_path / "clip.mp4"
    path.write_text("这不是视频。\n", "utf-8")
    with pytest.raises(NotMedia):
        await inspect.inspect(path)
    found = await inspect.inspect(path, filename="稿件.txt")
    assert (found.probe.kind, found.probe.duration_s) == (Kind.TEXT, None)


def test_probe_trimmed_clip_counts_what_is_shown(make: Callable[..., Path], clip: Path, facts_of):
    trimmed = make("trimmed.mp4", "-ss", 0.7, "-i", clip, "-c", "copy", "-t", 1)
    facts = facts_of(trimmed)
    assert facts.video.frame_rate == Fraction(30000, 1001)
    assert facts.duration_s == pytest.approx(1.0, abs=0.1)


async def test_inspect_subtitles_alone_are_refused(make: Callable[..., Path], tmp_path: Path):
    text = tmp_path / "a.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with pytest.raises(NotMedia):
        await inspect.inspect(make("subtitles.mkv", "-i", text))


async def test_inspect_box_header_with_junk_is_refused(tmp_path: Path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42" + b"junk" * 500)
    with pytest.raises((Malformed, NotMedia)):
        await inspect.inspect(path)


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{sibling}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nfile:{path}/{sibling}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {sibling}\n",
    ],
)
async def test_playlist_as_mp4_is_refused_at_every_wall_and_no_sibling_is_read(
    tmp_path: Path, clip: Path, facts_of, script: str
):
    shutil.copy(clip, tmp_path / "canary.mov")
    path = tmp_path / "clip.mp4"
    path.write_text(script.format(sibling="canary.mov", path=tmp_path))
    with pytest.raises(NotMedia):
        await inspect.inspect(path)
    # Even if the sniffer were fooled, neither the prober nor ffmpeg follows it.
    with pytest.raises(Malformed):
        probe.probe(path, Sniffed(Kind.VIDEO, "mp4", "video/mp4", "mov"))
    facts, out = facts_of(clip), tmp_path / "out.mp4"
    picture = pictures_for(facts, PROFILES["preview"])[0]
    args = commands.mp4_args(commands.Source(path, facts), PROFILES["preview"], picture, out)
    with pytest.raises(EncodeFailed) as refusal:
        await run(args, Limits(20, 1_000_000))
    assert str(tmp_path) not in str(refusal.value)
    assert is_empty(out)


async def test_inspect_pixel_bomb_is_refused_before_decoding(tmp_path: Path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    for side in (30_000, 14_200):  # 900 and 200 megapixels
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        body = zlib.compress(bytes((side // 8 + 1) * 64))
        path = tmp_path / f"{side}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b""))
        with pytest.raises(TooLarge) as refusal:
            await inspect.inspect(path)
        assert refusal.value.code == "media.too_large"


async def test_inspect_truncated_picture_is_refused(tmp_path: Path):
    path = tmp_path / "a.jpg"
    Image.effect_noise((200, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(Malformed):
        await inspect.inspect(path)
