"""Renditions of video, checked on their pixels, packets and tags."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from media.errors import NotMedia
from media.hls import read_master, read_packets
from media.inspect import inspect

pytestmark = pytest.mark.slow

TINY = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-pix_fmt", "yuv420p")
TESTSRC = ("-f", "lavfi", "-i")


def luma(picture: Image.Image, x: int, y: int) -> int:
    value = picture.convert("L").getpixel((x, y))
    assert isinstance(value, int)
    return value


def color(picture: Image.Image, x: float, y: float) -> str:
    red, _, blue = picture.getpixel((int(picture.width * x), int(picture.height * y)))
    return "red" if red > blue else "blue"


def every_byte(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "turn",
    [
        (
            ("-display_rotation", 90),
            (90, 160),
            (0.5, 0.9),
        ),  # counterclockwise: the left edge comes to lie below
        (("-display_rotation", 270), (90, 160), (0.5, 0.1)),
        (("-display_rotation", 180), (160, 90), (0.9, 0.5)),
        (("-display_hflip",), (160, 90), (0.9, 0.5)),
    ],
)
async def test_preview_of_turned_phone_video_is_upright(
    tmp_path: Path, ffmpeg_run, halves, make_rendition, picture_at, turn
):
    options, size, where_red = turn
    turned = tmp_path / "turned.mp4"
    ffmpeg_run(*options, "-i", halves, "-c", "copy", turned)
    out = (await make_rendition(turned, "preview")).files[0].path
    picture = picture_at(out, 2)
    assert picture.size == size
    assert color(picture, *where_red) == "red"
    assert color(picture, 1 - where_red[0], 1 - where_red[1]) == "blue"


async def test_app_mp4_is_plain_h264_in_bt709_with_stereo_and_index_in_front(clip, make_rendition, facts_of):
    rendered = await make_rendition(clip, "app_mp4")
    path = rendered.files[0].path
    facts = facts_of(path)
    assert (facts.width, facts.height) == (320, 180)  # not enlarged
    assert facts.video.frame_rate == Fraction(30000, 1001)
    assert (facts.audio.sample_rate_hz, facts.audio.channels) == (48_000, 2)
    assert rendered.measured["duration_s"] == pytest.approx(2.0, abs=0.06)
    with av.open(path) as container:
        context = container.streams.video[0].codec_context
        named = (
            int(context.color_primaries),
            int(context.color_trc),
            int(context.colorspace),
            context.pix_fmt,
        )
        assert named == (1, 1, 1, "yuv420p")
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("name", ["preview", "app_hls", "poster", "vertical_cover"])
async def test_rendition_carries_nothing_of_its_maker(clip, make_rendition, tmp_path, name):
    secrets = (b"31.2304", b"Zhang Wei", b"secret-note", b"iPhone", b"CoreMedia")
    assert all(secret in clip.read_bytes() for secret in secrets)
    await make_rendition(clip, name)
    content = every_byte(tmp_path / name)
    assert [secret for secret in secrets if secret in content] == []


async def test_odd_size_becomes_even_and_no_larger(make: Callable[..., Path], make_rendition):
    odd = make("odd.mkv", *TESTSRC, "testsrc2=s=161x91:r=10:d=0.4", "-c:v", "ffv1")
    measured = (await make_rendition(odd, "app_mp4")).measured
    assert (measured["width"], measured["height"]) == (160, 90)


async def test_variable_rate_becomes_constant_at_the_average(variable, make_rendition, facts_of, tmp_path):
    rendered = await make_rendition(variable, "app_hls")
    packets = read_packets(tmp_path / "app_hls", read_master(tmp_path / "app_hls")[0])["video"]
    assert not packets.is_variable
    assert float(packets.rate) == pytest.approx(52 / 3, rel=0.03)
    assert rendered.measured["duration_s"] == pytest.approx(facts_of(variable).duration_s, abs=0.12)


async def test_high_rate_is_capped(make: Callable[..., Path], make_rendition):
    fast = make("fast.mp4", *TESTSRC, "testsrc2=s=64x64:r=120:d=0.5", *TINY)
    assert (await make_rendition(fast, "app_mp4")).measured["frame_rate"] == "60"


@pytest.mark.parametrize("name", ["preview", "app_hls", "app_mp4"])
async def test_video_without_sound_stays_without(silent_clip, make_rendition, tmp_path, name):
    rendered = await make_rendition(silent_clip, name)
    assert rendered.measured["has_audio"] is False
    if name == "app_hls":
        assert "mp4a" not in (tmp_path / name / "master.m3u8").read_text()


@pytest.mark.parametrize("frames", [1, 2])
async def test_a_frame_or_two_still_make_a_preview_and_are_refused_at_intake(make, make_rendition, frames):
    source = make(f"{frames}f.mp4", *TESTSRC, "testsrc2=s=64x64:r=25", "-frames:v", frames, *TINY)
    for name in ("preview", "poster"):
        assert (await make_rendition(source, name)).files
    with pytest.raises(NotMedia):
        await inspect(source)


async def test_shortest_video_that_intake_takes_makes_a_stream(make: Callable[..., Path], make_rendition):
    source = make("short.mp4", *TESTSRC, "testsrc2=s=64x64:r=10:d=0.6", *TINY)
    assert (await inspect(source)).probe.duration_s == pytest.approx(0.6)
    assert (await make_rendition(source, "app_hls")).measured["duration_s"] == pytest.approx(0.6)


async def test_late_sound_stays_with_its_picture(
    make: Callable[..., Path], silent_clip, make_rendition, facts_of
):
    sound = ("-itsoffset", 0.5, *TESTSRC, "sine=d=0.5")
    late = make("late.mp4", "-i", silent_clip, *sound, "-c:v", "copy", "-c:a", "aac")
    path = (await make_rendition(late, "app_mp4")).files[0].path
    with av.open(path) as container:
        silence = [
            frame for frame in container.decode(audio=0) if frame.time is not None and frame.time < 0.4
        ]
    assert silence
    assert all(max(abs(value) for value in _samples(frame)) < 0.01 for frame in silence)


async def test_sound_that_outlasts_the_picture_stands_on_its_last_frame(
    make, silent_clip, make_rendition, tmp_path
):
    sound = (*TESTSRC, "sine=d=3", "-c:v", "copy", "-c:a", "aac")
    source = make("outlasts.mp4", "-i", silent_clip, *sound)
    assert (await make_rendition(source, "app_hls")).measured["duration_s"] == pytest.approx(3.0, abs=0.1)


def _samples(frame: av.AudioFrame) -> list[float]:
    return list(memoryview(frame.planes[0]).cast("B").cast("f"))[: frame.samples]


async def test_hdr_becomes_bt709(make: Callable[..., Path], make_rendition, facts_of, picture_at):
    tags = "color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv"
    source = f"testsrc2=s=128x72:r=10:d=0.4,format=yuv420p10le,setparams={tags}"
    hdr = make(
        "hdr.mp4", *TESTSRC, source, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0"
    )
    assert facts_of(hdr).video.is_hdr
    video = facts_of((await make_rendition(hdr, "preview")).files[0].path).video
    assert (video.pix_fmt, video.color_matrix, video.is_hdr) == ("yuv420p", 1, False)
    assert (await make_rendition(hdr, "poster")).files


async def test_untagged_small_video_keeps_its_colors(halves, make_rendition, picture_at):
    picture = picture_at((await make_rendition(halves, "preview")).files[0].path, 1)
    red, blue = picture.getpixel((20, 45)), picture.getpixel((140, 45))
    assert red == pytest.approx((255, 0, 0), abs=12)
    assert blue == pytest.approx((0, 0, 255), abs=12)


async def test_interlaced_becomes_progressive(make: Callable[..., Path], make_rendition, facts_of):
    source = (
        "testsrc2=s=128x96:r=50:d=0.4,interlace",
        "-c:v",
        "mpeg2video",
        "-flags",
        "+ildct+ilme",
        "-b:v",
        "2M",
    )
    fields = make("fields.ts", *TESTSRC, *source)
    assert facts_of(fields).video.is_interlaced
    path = (await make_rendition(fields, "preview")).files[0].path
    assert not facts_of(path).video.is_interlaced


async def test_vertical_pads_landscape_with_blur_and_a_circle_stays_one(circle, make_rendition, picture_at):
    rendered = await make_rendition(circle, "vertical_mp4")
    picture = picture_at(rendered.files[0].path, 3).convert("L")
    assert picture.size == (1080, 1920)
    assert rendered.measured["frame_rate"] == "30"
    front = picture.crop((0, 657, 1080, 1263))  # 1080 x 607 in the middle
    left, top, right, bottom = front.point(lambda value: 255 * (value > 128)).getbbox()
    assert right - left == pytest.approx(120 * 1080 / 320, abs=8)
    assert bottom - top == pytest.approx(right - left, abs=6)
    # The bars are a blur of the same picture: light in the middle, no hard edge.
    assert luma(picture, 540, 300) > luma(picture, 20, 300)


async def test_vertical_keeps_a_vertical_source_whole(make: Callable[..., Path], make_rendition, picture_at):
    source = make("tall.mp4", *TESTSRC, "color=red:s=90x160:r=10:d=0.4", *TINY)
    picture = picture_at((await make_rendition(source, "vertical_mp4")).files[0].path, 1)
    assert picture.size == (1080, 1920)
    assert all(color(picture, x, y) == "red" for x in (0.02, 0.98) for y in (0.02, 0.98))


@pytest.mark.slow
async def test_ladder_has_rungs_up_to_the_source_and_keyframes_every_two_seconds(
    make: Callable[..., Path], make_rendition, tmp_path
):
    sound = (*TESTSRC, "sine=d=13")
    source = make(
        "ladder.mp4", *TESTSRC, "testsrc2=s=1000x562:r=24000/1001:d=13", *sound, *TINY, "-c:a", "aac"
    )
    rendered = await make_rendition(source, "app_hls")
    assert [file.role for file in rendered.files[:4]] == ["master", "playlist", "init", "segment"]
    assert [(rung["name"], rung["width"], rung["height"]) for rung in rendered.measured["rungs"]] == [
        ("540p", 960, 540),
        ("360p", 640, 360),
        ("234p", 416, 234),
    ]
    folder = tmp_path / "app_hls"
    for variant in read_master(folder):
        assert variant.segment_durations_s == pytest.approx((6.006, 6.006, 1.001), abs=0.03)
        packets = read_packets(folder, variant)["video"]
        steps = [time - packets.keyframe_times_s[0] for time in packets.keyframe_times_s]
        assert steps == pytest.approx([2.002 * number for number in range(7)], abs=0.001)
        sizes = [(folder / name).stat().st_size * 8 for name in variant.segments]
        peak_bps = max(size / length for size, length in zip(sizes, variant.segment_durations_s, strict=True))
        assert variant.bandwidth_bps >= peak_bps * 0.98
        assert "avc1.64" in variant.codecs
        assert "mp4a.40.2" in variant.codecs
    listed = {file.name for file in rendered.files}
    assert listed == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def test_poster_is_not_the_black_head(make: Callable[..., Path], make_rendition):
    graph = "color=black:s=320x180:r=10:d=2[a];testsrc2=s=320x180:r=10:d=1[b];[a][b]concat"
    source = make("blackhead.mp4", "-filter_complex", graph, *TINY)
    rendered = await make_rendition(source, "poster")
    with Image.open(rendered.files[0].path) as picture:
        assert picture.convert("L").resize((1, 1)).getpixel((0, 0)) > 60
        assert picture.size == (320, 180)
    assert rendered.measured["is_dark"] is False


async def test_poster_of_a_black_video_says_so(make: Callable[..., Path], make_rendition):
    source = make("black.mp4", *TESTSRC, "color=black:s=64x64:r=10:d=0.5", *TINY)
    assert (await make_rendition(source, "poster")).measured["is_dark"] is True
