"""Every row of PLATFORMS.md has its renditions, each number has a source, and what is made measures inside."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import av
import pytest
from PIL import Image, IptcImagePlugin

from media.errors import OverLimit
from media.job import Source
from media.plan import make_plan
from media.profiles import PROFILES, Output
from media.profiles_form import Profile
from media.render import render
from platforms.registry import PLATFORMS

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
NUMBERS = (
    "rungs",
    "canvas",
    "is_landscape",
    "max_frame_rate",
    "crf",
    "keyframe_interval_s",
    "audio_bitrate_bps",
    "jpeg_quality",
    "bounds",
    "loudness",
    "dpi",
)
ROWS = {
    "News app": ("app_hls", "app_mp4", "poster", "app_still", "app_audio"),
    "TV": ("tv_mxf",),
    "Radio": ("radio_wav", "radio_mp3"),
    "WeChat official account": (
        "wechat_mp4",
        "wechat_cover",
        "wechat_cover_square",
        "wechat_still",
        "wechat_voice",
        "wechat_thumb",
    ),
    "WeChat Channels": ("channels_mp4", "channels_mp4_1260", "channels_cover"),
    "Douyin": ("douyin_mp4", "douyin_cover"),
    "Kuaishou": ("kuaishou_mp4",),
    "Weibo": ("weibo_mp4", "weibo_still"),
    "Toutiao": ("toutiao_mp4",),
    "Bilibili": ("bilibili_mp4", "bilibili_cover"),
    "Mobile newspaper": ("mms_still", "mms_still_100", "mms_still_30"),
    "Newspaper": ("print_still", "print_tiff"),
}


@pytest.mark.parametrize("names", ROWS.values(), ids=ROWS)
def test_every_row_has_its_renditions(names):
    assert set(names) <= set(PROFILES)


def test_every_rendition_that_a_platform_names_exists():
    named = {
        name for platform in PLATFORMS.values() for names in platform.renditions.values() for name in names
    }
    assert named <= set(PROFILES)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_number_of_a_profile_has_its_source(profile: Profile):
    plain = {each.name: each.default for each in fields(Profile)}
    told = {name for name in NUMBERS if getattr(profile, name) != plain[name]}
    cited = {name for cite in profile.cited for name in cite.fields}
    if profile.canvas:  # the box of a canvas says nothing of its own
        told -= {"rungs"}
    assert told <= cited
    assert all(cite.source and cite.read_on.year == 2026 for cite in profile.cited)


@pytest.fixture(scope="session")
def noise(make: Callable[..., Path]) -> Path:
    """8 s that no encoder likes, 640x360: over any small budget at once."""
    picture = (*LAVFI, "nullsrc=s=640x360:r=25:d=8,geq='random(1)*255':128:128")
    return make("noise.mp4", *picture, *LAVFI, "sine=d=8", *H264, "-crf", "30", "-c:a", "aac", "-shortest")


@pytest.mark.slow
async def test_video_for_wechat_is_inside_its_budget_by_design(noise, facts_of, tmp_path, monkeypatch):
    from dataclasses import replace

    profile = PROFILES["wechat_mp4"]
    tight = replace(profile, bounds=replace(profile.bounds, size_bytes=600_000))
    rendered = await render(noise, facts_of(noise), tight, tmp_path)
    assert 300_000 < rendered.measured["size_bytes"] <= 600_000
    assert rendered.measured["size_bytes"] == (tmp_path / "wechat_mp4.mp4").stat().st_size


async def test_video_whose_budget_is_unwatchable_is_made_with_a_finding(noise, facts_of, tmp_path):
    from dataclasses import replace

    profile = PROFILES["wechat_mp4"]
    tight = replace(profile, bounds=replace(profile.bounds, size_bytes=105_000))
    rendered = await render(noise, facts_of(noise), tight, tmp_path)
    assert rendered.measured["size_bytes"] <= 105_000
    assert "quality_unwatchable" in [finding.code for finding in rendered.findings]


def test_video_that_fits_no_budget_is_refused_in_words(noise, facts_of):
    from dataclasses import replace

    facts = facts_of(noise)
    plan = make_plan(Source(noise, replace(facts, duration_s=7200.0)), [PROFILES["wechat_mp4"]])
    assert plan.runs == ()
    assert "7200 s do not fit into the 10 MB" in plan.refusals[0].text.en


@pytest.mark.parametrize(("name", "limit_s"), [("wechat_voice", 60), ("douyin_mp4", 900)])
def test_source_over_a_limit_of_time_is_refused_before_any_work(make, clip, facts_of, name, limit_s):
    from dataclasses import replace

    path = make("voice.mp3", *LAVFI, "sine=d=1") if name == "wechat_voice" else clip
    facts = facts_of(path)
    for duration_s, is_refused in ((limit_s - 0.5, False), (limit_s + 0.5, True)):
        plan = make_plan(Source(path, replace(facts, duration_s=duration_s)), [PROFILES[name]])
        assert bool(plan.refusals) is is_refused
        assert bool(plan.runs) is not is_refused


async def test_voice_for_wechat_is_a_small_mp3(make, make_rendition):
    voice = make("voice59.mp3", *LAVFI, "sine=d=59:r=16000", "-ac", 1)
    rendered = await make_rendition(voice, "wechat_voice")
    assert rendered.measured["size_bytes"] <= 2_000_000
    assert rendered.files[0].media_type == "audio/mpeg"


async def test_voice_over_a_minute_raises_over_limit(make, make_rendition):
    with pytest.raises(OverLimit, match="60 s"):
        await make_rendition(make("voice61.wav", *LAVFI, "sine=d=61:r=8000"), "wechat_voice")


@pytest.mark.slow
async def test_television_file_is_xdcam_in_op1a_with_silent_tracks(silent_clip, make_rendition, facts_of):
    rendered = await make_rendition(silent_clip, "tv_mxf")
    path = rendered.files[0].path
    facts = facts_of(path)
    assert (facts.container, facts.video.codec, facts.video.pix_fmt) == ("mxf", "mpeg2video", "yuv422p")
    assert (facts.video.width, facts.video.height, facts.video.frame_rate) == (1920, 1080, 25)
    assert facts.video.is_interlaced
    assert not facts.video.is_bottom_first
    assert facts.video.keyframe_gap_s <= 0.48
    assert (facts.audio.codec, facts.audio_streams) == ("pcm_s24le", 2)
    with av.open(path) as container:
        assert container.metadata["operational_pattern_ul"].startswith("060e2b34.04010101.0d010201.0101")
        assert container.streams.video[0].profile == "4:2:2"
    assert 48_000_000 < rendered.measured["bitrate_bps"] < 56_000_000


async def test_radio_wave_is_a_broadcast_wave(make, make_rendition, facts_of):
    path = (await make_rendition(make("short.wav", *LAVFI, "sine=d=1:r=8000"), "radio_wav")).files[0].path
    assert b"bext" in path.read_bytes()[:100]
    audio = facts_of(path).audio
    assert (audio.codec, audio.sample_rate_hz, audio.channels) == ("pcm_s24le", 48_000, 2)


@pytest.fixture(scope="session")
def press_photo(folder: Path) -> Path:
    """A noisy 1200x800 with a caption, a byline and a place, as an agency sends it."""
    picture = Image.effect_noise((1200, 800), 90).convert("RGB")
    caption = "洪水中的救援".encode()
    dataset = b"\x1c\x01\x5a\x00\x03\x1b%G"
    for number, value in ((120, caption), (80, b"Zhang Wei")):
        dataset += bytes((0x1C, 2, number)) + len(value).to_bytes(2, "big") + value
    resource = (
        b"8BIM\x04\x04\x00\x00" + len(dataset).to_bytes(4, "big") + dataset + b"\0" * (len(dataset) % 2)
    )
    content = b"Photoshop 3.0\0" + resource
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (31.0, 13.0, 49.0)
    path = folder / "press.jpg"
    extra = b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
    picture.save(path, quality=95, exif=exif, extra=extra)
    return path


@pytest.mark.parametrize("name", ["print_still", "print_tiff"])
async def test_print_still_keeps_iptc_and_loses_its_place(press_photo, make_rendition, facts_of, name):
    rendered = await make_rendition(press_photo, name)
    path = rendered.files[0].path
    with Image.open(path) as picture:
        assert picture.size == (1200, 800)
        assert tuple(round(float(each)) for each in picture.info["dpi"]) == (300, 300)
        iptc = IptcImagePlugin.getiptcinfo(picture)
    assert iptc[(2, 80)] == b"Zhang Wei"
    assert iptc[(2, 120)].decode() == "洪水中的救援"
    assert facts_of(press_photo).has_location
    assert not facts_of(path).has_location
    assert rendered.measured["print_width_mm"] == pytest.approx(101.6)


STILLS = [
    name
    for name, profile in PROFILES.items()
    if profile.output is Output.JPEG and profile.is_budgeted and profile.bounds.size_bytes
]


@pytest.mark.parametrize("name", STILLS)
async def test_still_with_a_budget_is_inside_it(press_photo, make_rendition, name):
    profile = PROFILES[name]
    rendered = await make_rendition(press_photo, name)
    assert rendered.files[0].path.stat().st_size <= profile.bounds.size_bytes
    with Image.open(rendered.files[0].path) as picture:
        assert picture.format == "JPEG"
        if profile.canvas:
            assert picture.size == profile.canvas


async def test_landscape_platform_gets_sixteen_to_nine(make, make_rendition, picture_at):
    tall = make("tall916.mp4", *LAVFI, "color=red:s=90x160:r=10:d=0.4", *H264)
    rendered = await make_rendition(tall, "bilibili_mp4")
    measured = rendered.measured
    assert measured["width"] * 9 == measured["height"] * 16
    picture = picture_at(rendered.files[0].path, 1)
    assert picture.getpixel((picture.width // 2, picture.height // 2))[0] > 200


async def test_video_over_its_budget_is_made_again_and_smaller(noise, facts_of, tmp_path, monkeypatch):
    from dataclasses import replace

    from media import _ffmpeg, sizes

    # A first guess that is far too generous.
    monkeypatch.setattr(sizes, "_SPARE", 3.0)
    encodes = []
    real = _ffmpeg.run

    async def counted(args, *more):
        if "-movflags" in args:
            encodes.append(args)
        await real(args, *more)

    monkeypatch.setattr(_ffmpeg, "run", counted)
    profile = PROFILES["wechat_mp4"]
    tight = replace(profile, bounds=replace(profile.bounds, size_bytes=400_000))
    rendered = await render(noise, facts_of(noise), tight, tmp_path)
    assert rendered.measured["size_bytes"] <= 400_000
    assert len(encodes) in (2, 3)
