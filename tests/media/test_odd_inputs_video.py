"""ODD-INPUTS.md, the lines on video and sound: each with its one right outcome in pixels, packets or time stamps."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from media.dressing import Dressing
from media.errors import Malformed, MediaError, NotMedia
from media.hls import read_master, read_packets
from media.inspect import inspect
from media.job import Crop
from media.profiles import PROFILES
from media.render import render

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "16", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


async def test_line_3_variable_rate_becomes_constant_for_television(variable, make_rendition):
    rendered = await make_rendition(variable, "tv_mxf")
    with av.open(rendered.files[0].path) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    steps = {later - earlier for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)}
    assert len(steps) == 1
    assert rendered.measured["frame_rate"] == "25"


async def test_line_4_constant_header_and_variable_stamps_trusts_the_stamps(
    make: Callable[..., Path], facts_of, make_rendition
):
    # Written with a nominal 30 a second; half of the pictures stand twice as long.
    uneven = (*LAVFI, "testsrc2=s=64x36:r=30:d=2,setpts='(N+floor(N/2))/30/TB'")
    source = make("uneven.mkv", *uneven, *H264, "-fps_mode", "passthrough")
    assert facts_of(source).video.is_variable_rate
    measured = (await make_rendition(source, "app_mp4")).measured
    assert float(Fraction(measured["frame_rate"])) == pytest.approx(20, rel=0.03)
    assert abs(measured["duration_difference_s"]) < 0.15


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001"])
async def test_line_5_rational_rates_give_true_segment_lengths(make, make_rendition, tmp_path, rate):
    source = make(f"rate{rate[:5]}.mp4", *LAVFI, f"testsrc2=s=64x36:r={rate}:d=6.6", *H264)
    rendered = await make_rendition(source, "app_hls")
    assert rendered.measured["frame_rate"] == rate
    (variant, *_) = read_master(tmp_path / "app_hls")
    frames = 6 * round(float(Fraction(rate)))
    assert variant.segment_durations_s[0] == pytest.approx(float(frames / Fraction(rate)), abs=0.001)


@pytest.mark.parametrize(("name", "cap"), [("app_mp4", 60), ("preview", 30), ("douyin_mp4", 30)])
async def test_line_6_high_rates_come_down_to_the_cap(make, make_rendition, name, cap):
    source = make("fast240.mp4", *LAVFI, "testsrc2=s=64x36:r=240:d=0.5", *H264)
    assert (await make_rendition(source, name)).measured["frame_rate"] == str(cap)


@pytest.mark.parametrize("transfer", ["arib-std-b67", "smpte2084"])
async def test_line_7_hdr_is_tone_mapped_and_tagged(make, make_rendition, facts_of, picture_at, transfer):
    tags = f"color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    # A mid grey with a bright half: mapped, the two stay apart and neither clips.
    graph = "color=0x606060:s=64x72:r=10:d=0.4[a];color=0xb0b0b0:s=64x72:r=10:d=0.4[b];[a][b]hstack,"
    hdr = make(
        f"{transfer}.mp4",
        "-filter_complex",
        f"{graph}format=yuv420p10le,setparams={tags}",
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=0",
    )
    rendered = await make_rendition(hdr, "app_mp4")
    video = facts_of(rendered.files[0].path).video
    assert (video.color_matrix, video.color_transfer, video.color_primaries) == (1, 1, 1)
    assert (video.pix_fmt, video.is_hdr) == ("yuv420p", False)
    picture = picture_at(rendered.files[0].path, 1).convert("L")
    dark, bright = picture.getpixel((20, 30)), picture.getpixel((100, 30))
    assert 5 < dark < bright - 15
    assert bright < 254


async def test_line_8_dolby_vision_alone_is_refused_with_the_reason(make, tmp_path):
    hevc = make(
        "hevc.mp4", *LAVFI, "testsrc2=s=64x36:r=10:d=1", "-c:v", "libx265", "-x265-params", "log-level=0"
    )
    for compatible, is_refused in ((0, True), (4, False)):
        # What phones and cameras write: version 1.0, profile 5 or 8, level 1, a base layer and its metadata.
        record = bytes((1, 0, (5 if is_refused else 8) << 1, (1 << 3) | 0b101, compatible << 4)) + bytes(19)
        path = tmp_path / f"dolby{compatible}.mp4"
        path.write_bytes(with_box(hevc.read_bytes(), box(b"dvcC", record)))
        if is_refused:
            with pytest.raises(NotMedia, match="Dolby Vision"):
                await inspect(path)
        else:
            assert (await inspect(path)).probe.video.codec == "hevc"


def with_box(content: bytes, added: bytes) -> bytes:
    """The MP4 with a box at the end of its sample entry: all boxes around it grow."""
    entry = content.index(b"hev1") - 4
    end = entry + int.from_bytes(content[entry : entry + 4], "big")
    grown = bytearray(content)
    around = [content.index(kind) - 4 for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")]
    for place in (*around, entry):
        size = int.from_bytes(content[place : place + 4], "big") + len(added)
        grown[place : place + 4] = size.to_bytes(4, "big")
    assert content.index(b"mdat") < content.index(b"moov")  # so no offset moves
    return bytes(grown[:end]) + added + bytes(grown[end:])


async def test_line_9_missing_colours_are_assumed_by_size(make, make_rendition, picture_at):
    # The same red, coded by the small and by the large pictures' matrix, and not tagged at all.
    for name, size, matrix in (("sd", "160x90", "bt601"), ("hd", "1280x720", "bt709")):
        graph = f"color=red:s={size}:r=10:d=0.3,format=rgb24,scale=out_color_matrix={matrix},format=yuv420p,"
        source = make(f"untagged-{name}.mkv", *LAVFI, f"{graph}setparams=colorspace=unknown", *H264)
        picture = picture_at((await make_rendition(source, "app_mp4")).files[0].path, 1)
        assert picture.getpixel((50, 50)) == pytest.approx((254, 0, 0), abs=6)


async def test_line_11_song_with_a_cover_goes_the_way_of_sound(make, tmp_path, ffmpeg_run, facts_of):
    cover, song = tmp_path / "cover.png", tmp_path / "song.mp3"
    ffmpeg_run(*LAVFI, "color=red:s=32x32:d=1", "-frames:v", 1, cover)
    ffmpeg_run(*LAVFI, "sine=d=1", "-i", cover, "-map", 0, "-map", 1, "-c:v", "copy", song)
    rendered = await render(song, facts_of(song), PROFILES["radio_mp3"], tmp_path / "out")
    with av.open(rendered.files[0].path) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


async def test_line_14_of_two_pictures_the_default_one_is_taken(make, make_rendition, picture_at):
    two = (
        *LAVFI,
        "color=red:s=64x36:r=10:d=0.5",
        *LAVFI,
        "color=blue:s=64x36:r=10:d=0.5",
        "-map",
        0,
        "-map",
        1,
    )
    source = make("two.mp4", *two, *H264, "-disposition:v:0", 0, "-disposition:v:1", "default")
    picture = picture_at((await make_rendition(source, "app_mp4")).files[0].path, 1)
    red, _, blue = picture.getpixel((30, 18))
    assert blue > 200 > red


async def test_line_14_default_picture_without_packets_leaves_the_other(make, make_rendition, picture_at):
    two = [
        make(f"{color}.mp4", *LAVFI, f"color={color}:s=64x36:r=10:d=0.5", *H264) for color in ("red", "blue")
    ]
    inputs = ("-i", two[0], "-i", two[1], "-map", 0, "-map", 1, "-c", "copy")
    # The filter throws all packets of the first one away.
    chosen = ("-bsf:v:0", "noise=drop=1", "-disposition:v:0", "default", "-disposition:v:1", 0)
    source = make("hollow.mkv", *inputs, *chosen)
    picture = picture_at((await make_rendition(source, "app_mp4")).files[0].path, 1)
    red, _, blue = picture.getpixel((30, 18))
    assert blue > 200 > red


async def test_line_16_wide_pixels_become_square(make, make_rendition, facts_of):
    source = make("anamorphic.mp4", *LAVFI, "testsrc2=s=72x57:r=10:d=0.4,setsar=64/45,pad=72:58", *H264)
    video = facts_of((await make_rendition(source, "app_mp4")).files[0].path).video
    assert video.is_square
    assert video.width / video.height == pytest.approx(72 * 64 / 45 / 58, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["top", "bottom"])
async def test_line_17_television_keeps_both_fields_upper_first(make, make_rendition, facts_of, first):
    # A bar that moves with every field: weaving the wrong way round would shake it.
    scan = "tff" if first == "top" else "bff"
    moving = "color=black:s=1920x1080:r=50:d=0.6[a];color=white:s=60x600:r=50:d=0.6[b];[a][b]overlay=x='n*40':y=200"
    flags = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "30M", "-g", 1)
    source = make(f"{first}.ts", "-filter_complex", f"{moving},interlace=scan={scan}:lowpass=off", *flags)
    assert facts_of(source).video.is_bottom_first is (first == "bottom")
    rendered = await make_rendition(source, "tv_mxf")
    path = rendered.files[0].path
    facts = facts_of(path)
    assert facts.video.is_interlaced
    assert not facts.video.is_bottom_first
    assert edges(path, 10) != edges(path, 10, bottom=True)  # two moments in one frame
    # In the order of the fields the bar only moves on.
    walk = [edges(path, number, bottom=is_bottom) for number in (8, 9, 10) for is_bottom in (False, True)]
    assert walk == sorted(walk)


async def test_line_17_fields_of_another_rate_are_woven_anew(make, make_rendition, facts_of):
    # 59.94 fields a second become 50: each shows a moment of its own, and the bar only moves on.
    moving = "color=black:s=640x360:r=60000/1001:d=0.7[a];color=white:s=40x200:r=60000/1001:d=0.7[b];"
    woven = "[a][b]overlay=x='n*12':y=80,interlace=scan=tff:lowpass=off"
    flags = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "9M", "-g", 1)
    source = make("ntsc.ts", "-filter_complex", f"{moving}{woven}", *flags)
    assert facts_of(source).video.is_interlaced
    assert facts_of(source).video.frame_rate == Fraction(30000, 1001)
    path = (await make_rendition(source, "tv_mxf")).files[0].path
    video = facts_of(path).video
    assert (video.frame_rate, video.is_interlaced, video.is_bottom_first) == (25, True, False)
    walk = [edges(path, number, bottom=is_bottom) for number in (6, 7, 8, 9) for is_bottom in (False, True)]
    assert walk == sorted(walk)
    assert len(set(walk)) == len(walk)


async def test_line_17_label_is_seen_on_fields_too(make, facts_of, tmp_path, picture_at):
    grey = (*LAVFI, "color=0x606060:s=128x96:r=50:d=0.6,interlace", "-flags", "+ildct+ilme", "-b:v", "2M")
    source = make("grey.ts", *grey, "-c:v", "mpeg2video")
    dressing = Dressing(ai_text="AI生成")
    rendered = await render(source, facts_of(source), PROFILES["tv_mxf"], tmp_path, None, dressing)
    picture = picture_at(rendered.files[0].path, 3).convert("L")
    assert picture.crop((0, 0, 700, 200)).getextrema()[1] > 200
    assert facts_of(rendered.files[0].path).video.is_interlaced


def edges(path: Path, number: int, *, bottom: bool = False) -> int:
    """The bar's left edge in one field of a frame."""
    with av.open(path) as container:
        for position, frame in enumerate(container.decode(video=0)):
            if position == number:
                plane = frame.planes[0]
                row = bytes(plane)[(500 + bottom) * plane.line_size :][:1920]
                return next(x for x, value in enumerate(row) if value > 128)
    raise AssertionError("no such frame")


async def test_line_18_crop_of_the_editor_fills_the_canvas(halves, facts_of, tmp_path, picture_at):
    # The left, red half of 160x90 only: 50x88 is 9:16 but for the even sizes.
    dressing = Dressing(crop=Crop(10, 0, 50, 88))
    rendered = await render(halves, facts_of(halves), PROFILES["douyin_mp4"], tmp_path, None, dressing)
    picture = picture_at(rendered.files[0].path, 1)
    assert picture.size == (1080, 1920)
    for x, y in ((5, 5), (1075, 5), (540, 960), (5, 1915), (1075, 1915)):
        red, _, blue = picture.getpixel((x, y))
        assert red > 200 > blue


@pytest.mark.parametrize("crop", [Crop(0, 0, 161, 90), Crop(-1, 0, 50, 50), Crop(0, 0, 4, 4)])
async def test_line_18_crop_outside_the_picture_is_refused(halves, facts_of, tmp_path, crop):
    with pytest.raises(NotMedia, match="crop"):
        await render(halves, facts_of(halves), PROFILES["douyin_mp4"], tmp_path, None, Dressing(crop=crop))


async def test_line_20_body_shorter_than_its_header_counts_as_decoded(
    make: Callable[..., Path], facts_of, make_rendition, tmp_path
):
    whole = make(
        "header.mkv", *LAVFI, "testsrc2=s=64x36:r=25:d=4", *H264, "-g", 10, "-cluster_time_limit", 400
    )
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    facts = facts_of(cut)
    assert facts.header_duration_s == pytest.approx(4, abs=0.1)
    assert facts.duration_s < 3.2
    measured = (await make_rendition(cut, "app_mp4")).measured
    assert measured["duration_s"] == pytest.approx(facts.duration_s, abs=0.2)


@pytest.mark.parametrize("way", ["transport", "edit"])
async def test_line_21_offset_and_edit_list_start_together(make, make_rendition, facts_of, tmp_path, way):
    # A white flash and a beep at 1.0 s.
    flash = (*LAVFI, "color=black:s=64x36:r=25:d=3,drawbox=color=white:t=fill:enable='between(t,0.98,1.1)'")
    beep = (*LAVFI, "aevalsrc='0.5*sin(2*PI*800*t)*between(t,1,1.12)':s=48000:d=3")
    whole = make("flash.ts", *flash, *beep, *H264, "-g", 5, *AAC, "-output_ts_offset", 100)
    source = whole
    if way == "edit":  # cut at 0.3 s without encoding: an edit list hides what comes before
        source = make("flash-edit.mp4", "-ss", 0.3, "-i", whole, "-c", "copy")
    path = (await make_rendition(source, "app_mp4")).files[0].path
    seen, heard = moments(path)
    assert seen == pytest.approx(heard, abs=0.06)
    if way == "transport":
        assert seen == pytest.approx(1.0, abs=0.06)


def moments(path: Path) -> tuple[float, float]:
    """When the picture turns white and when the sound begins, in seconds."""
    with av.open(path) as container:
        seen = next(
            frame.time
            for frame in container.decode(video=0)
            if bytes(frame.planes[0])[: frame.width][5] > 128
        )
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            values = memoryview(frame.planes[0]).cast("B").cast("f")[: frame.samples]
            loud = next((number for number, value in enumerate(values) if abs(value) > 0.1), None)
            if loud is not None:
                return seen, frame.time + loud / frame.sample_rate
    raise AssertionError("no beep")


async def test_line_31_success_without_packets_is_a_failure(clip, facts_of, tmp_path, monkeypatch):
    from media import _ffmpeg

    async def nothing(args, limits, *more):
        Path(args[-1]).write_bytes(b"")

    monkeypatch.setattr(_ffmpeg, "run", nothing)
    with pytest.raises(MediaError) as caught:
        await render(clip, facts_of(clip), PROFILES["preview"], tmp_path)
    assert caught.value.code == "media.output_wrong"


async def test_line_19_index_behind_is_put_in_front_and_a_cut_file_refused(
    clip, make, make_rendition, tmp_path
):
    behind = make("behind.mp4", "-i", clip, "-c", "copy")
    content = behind.read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")
    made = (await make_rendition(behind, "app_mp4")).files[0].path.read_bytes()
    assert made.index(b"moov") < made.index(b"mdat")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(Malformed):
        await inspect(cut)


async def test_line_10_no_sound_gives_a_stream_without_and_silent_tracks_for_television(
    silent_clip, make_rendition, tmp_path
):
    await make_rendition(silent_clip, "app_hls")
    assert set(read_packets(tmp_path / "app_hls", read_master(tmp_path / "app_hls")[0])) == {"video"}
    path = (await make_rendition(silent_clip, "tv_mxf")).files[0].path
    with av.open(path) as container:
        tracks = [stream.index for stream in container.streams.audio]
        assert len(tracks) == 2
        samples = 0
        for frame in container.decode(audio=0):
            samples += frame.samples
            assert not any(bytes(frame.planes[0]))
    assert samples == 48_000


async def test_line_12_unknown_sound_beside_aac_leaves_the_one_that_can_be_decoded(
    make, make_rendition, facts_of, tmp_path
):
    first, second = (*LAVFI, "sine=f=200:d=1"), (*LAVFI, "sine=f=2000:d=1")
    picture = (*LAVFI, "testsrc2=s=64x36:r=10:d=1")
    maps = ("-map", 0, "-map", 1, "-map", 2, "-c:a:0", "libmp3lame", "-c:a:1", "aac")
    whole = make("sounds.mkv", *picture, *first, *second, *maps, *H264)
    content = whole.read_bytes()
    assert b"A_MPEG/L3" in content
    odd = tmp_path / "odd.mkv"
    odd.write_bytes(content.replace(b"A_MPEG/L3", b"A_NEVER/9"))
    assert facts_of(odd).audio.codec == "aac"
    path = (await make_rendition(odd, "app_mp4")).files[0].path
    assert crossings(path) == pytest.approx(4000, rel=0.1)  # the second one's 2000 Hz


def crossings(path: Path) -> int:
    """How often the wave changes its sign in a second."""
    signs: list[bool] = []
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            values = memoryview(frame.planes[0]).cast("B").cast("f")[: frame.samples]
            signs += [value > 0 for value in values if abs(value) > 1e-3]
    return sum(one != other for one, other in pairwise(signs))
