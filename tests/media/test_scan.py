"""The technical look, on films whose black, frozen, silent and clipped places are known."""

import asyncio
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from PIL import Image

from media.findings import find
from media.inspect import inspect
from media.job import Source
from media.scan import scan

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", 16, "-pix_fmt", "yuv420p")
TAGS = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
VOICE = (
    "(0.6+0.4*sin(2*PI*3*t))*(0.25*sin(2*PI*140*t+3*sin(2*PI*2*t))+0.1*sin(2*PI*720*t))+0.01*(random(0)-0.5)"
)
# A frame of 25 a second, twice; AAC smears an edge over 21 ms at the most.
NEAR_S = 0.08


@pytest.fixture
def scanned(facts_of, tmp_path):
    """await scanned(path): the scan of a film."""

    async def found(path: Path, **more):
        return await scan(Source(path, facts_of(path)), tmp_path / "scan", **more)

    return found


def codes(found):
    return [finding.code for finding in found.findings]


@pytest.fixture(scope="module")
def marked(make: Callable[..., Path]) -> Path:
    """12 s of 160x90: black 1 to 2, frozen 4 to 7, silent 2.5 to 5, clipped 8 to 9."""
    black = "drawbox=c=black:t=fill:enable='between(n,25,49)'"
    picture = f"testsrc2=s=160x90:r=25:d=9,{black},loop=loop=75:size=1:start=100,{TAGS}"
    sound = f"if(between(t,2.5,5),0,if(between(t,8,9),clip(9*({VOICE}),-1,1),{VOICE}))"
    heard = (*LAVFI, f"aevalsrc=exprs='{sound}|{sound}':s=48000:d=12")
    return make("marked.mp4", *LAVFI, picture, *heard, *H264, "-c:a", "aac", "-b:a", "128k")


async def test_known_places_are_found_within_two_frames(marked, scanned):
    found = await scanned(marked)
    places = {finding.code: (finding.at_s, finding.until_s) for finding in found.findings}
    assert len(found.findings) == len(places)
    assert places.keys() == {"black", "frozen", "silence", "clipped"}
    assert places["black"] == pytest.approx((1.0, 2.0), abs=NEAR_S)
    assert places["frozen"] == pytest.approx((4.0, 7.0), abs=NEAR_S)
    assert places["silence"] == pytest.approx((2.5, 5.0), abs=NEAR_S)
    # Looked for a tenth of a second at a time, and a voice is not loud all the time.
    assert places["clipped"] == pytest.approx((8.0, 9.0), abs=0.25)
    assert "0:01.0 至 0:02.0" in next(f.text.zh for f in found.findings if f.code == "black")


async def test_clean_film_has_no_findings_and_all_files(make, scanned, tmp_path):
    picture = (*LAVFI, f"testsrc2=s=160x90:r=25:d=4,{TAGS}")
    sound = (*LAVFI, f"aevalsrc=exprs='{VOICE}|{VOICE}':s=48000:d=4")
    progress: list[float] = []
    found = await scanned(
        make("clean.mp4", *picture, *sound, *H264, "-c:a", "aac"), on_progress=progress.append
    )
    assert found.findings == ()
    assert -25 < found.loudness_lufs < -10
    assert -20 < found.peak_dbtp < -1
    assert [frame.at_s for frame in found.frames] == pytest.approx([n / 4 for n in range(16)], abs=0.04)
    for frame in found.frames:
        with Image.open(frame.path) as picture_of:
            assert (picture_of.format, picture_of.size) == ("JPEG", (160, 90))
    assert found.samples.stat().st_size == pytest.approx(4 * 8000 * 2, abs=400)
    assert progress[-1] == 1.0
    assert all(0 <= part <= 1 for part in progress)
    kept = {found.samples, *(frame.path for frame in found.frames)}
    assert {path for path in (tmp_path / "scan").rglob("*") if path.is_file()} == kept


async def test_long_film_has_120_frames_evenly(make, scanned):
    # A slow film: a hundred seconds without the work.
    long = make("slow.mp4", *LAVFI, f"testsrc2=s=64x36:r=2:d=100,{TAGS}", *H264)
    frames = (await scanned(long)).frames
    assert len(frames) <= 120
    gaps = {round(later.at_s - earlier.at_s, 3) for earlier, later in pairwise(frames)}
    assert max(gaps) <= 1.0
    assert frames[0].at_s == 0.0
    assert frames[-1].at_s > 98


async def test_places_keep_their_times_when_the_file_starts_late(marked, make, scanned):
    # MPEG-TS starts at 1.4 s; the film's zero is what a player shows first.
    late = make("late-start.ts", "-i", marked, "-c", "copy", "-output_ts_offset", 5)
    places = {finding.code: finding.at_s for finding in (await scanned(late)).findings}
    assert places["black"] == pytest.approx(1.0, abs=NEAR_S)
    assert places["silence"] == pytest.approx(2.5, abs=NEAR_S)


@pytest.mark.parametrize(
    ("name", "sound", "is_clipped"),
    [
        ("flat.mp3", f"clip(8*({VOICE}),-1,1)", True),
        ("flat.wav", f"clip(8*({VOICE}),-1,1)", True),
        ("flat.m4a", f"clip(8*({VOICE}),-1,1)", True),
        ("voice.m4a", VOICE, False),
        ("hum.wav", "0.9*sin(2*PI*60*t)", False),
    ],
)
async def test_flat_tops_are_found_in_any_coding(make, scanned, name, sound, is_clipped):
    codec = {"mp3": "libmp3lame", "wav": "pcm_s16le", "m4a": "aac"}[name.rpartition(".")[2]]
    path = make(f"tops-{name}", *LAVFI, f"aevalsrc=exprs='{sound}':s=48000:d=3.5", "-c:a", codec)
    found = await scanned(path)
    assert ("clipped" in codes(found)) is is_clipped
    assert found.frames == ()


@pytest.mark.parametrize(("duration_s", "code"), [(4, "silence"), (1, "too_short_for_loudness")])
async def test_silent_or_short_sound_has_no_loudness(make, scanned, duration_s, code):
    film = (*LAVFI, f"testsrc2=s=64x36:r=25:d={duration_s},{TAGS}", *LAVFI, "anullsrc=r=48000:cl=stereo")
    found = await scanned(make(f"mute{duration_s}.mp4", *film, "-t", duration_s, *H264, "-c:a", "aac"))
    assert codes(found) == [code]
    assert found.loudness_lufs is None


@pytest.mark.parametrize(
    ("name", "picture", "tag", "found"),
    [
        ("full", "X*2", "tv", ["range_mistagged"]),
        ("limited", "16+X*219/127", "pc", ["range_mistagged"]),
        ("dark", "if(lt(X,30),0,120)", "tv", ["levels_outside"]),
        ("right", "16+X*219/127", "tv", []),
        ("right-full", "X*2", "pc", []),
    ],
)
async def test_levels_that_contradict_their_tag_are_found(make, scanned, name, picture, tag, found):
    graph = f"color=gray:s=128x72:r=10:d=1.2,format=yuv420p,geq=lum='{picture}':cb=128:cr=128,"
    film = make(f"levels-{name}.mkv", *LAVFI, f"{graph}{TAGS}:range={tag}", *H264, "-color_range", tag)
    assert codes(await scanned(film)) == found


@pytest.mark.parametrize(
    ("name", "made", "tag", "found"),
    [
        (
            "woven",
            "testsrc2=s=352x288:r=50:d=1.2,interlace=scan=tff:lowpass=off",
            "prog",
            ["looks_interlaced"],
        ),
        ("smooth", "gradients=s=352x288:r=25:d=1.2:speed=0.06:seed=3", "tff", ["looks_progressive"]),
        ("right", "testsrc2=s=352x288:r=50:d=1.2,interlace=scan=tff:lowpass=off", "tff", []),
    ],
)
async def test_fields_that_contradict_their_tag_are_found(make, scanned, name, made, tag, found):
    flags = ("-flags", "+ildct+ilme", "-x264opts", "tff=1") if tag == "tff" else ()
    graph = f"{made},format=yuv420p,{TAGS}:field_mode={tag}"
    assert codes(await scanned(make(f"fields-{name}.mp4", *LAVFI, graph, *H264, *flags))) == found


async def test_camera_that_stands_still_is_neither_frozen_nor_interlaced(make, scanned):
    # Nothing moves but the noise of the sensor, and a good coder keeps it.
    still = "gradients=s=320x180:r=25:d=0.04:c0=blue:c1=orange:seed=2,format=yuv420p,loop=loop=75:size=1"
    fine = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 18)
    film = (*LAVFI, f"{still},noise=alls=4:allf=t,{TAGS}", *fine)
    assert codes(await scanned(make("tripod.mp4", *film))) == []


async def test_held_picture_with_keyframes_in_it_is_one_frozen_stretch(make, scanned):
    moving = "gradients=s=320x180:r=25:d=1:c0=blue:c1=orange:speed=0.05:seed=2,noise=alls=6:allf=t"
    coarse = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 30, "-g", 20, "-pix_fmt", "yuv420p")
    film = (*LAVFI, f"{moving},loop=loop=75:size=1:start=24,{TAGS}", *coarse)
    (frozen,) = (await scanned(make("held.mp4", *film))).findings
    assert (frozen.at_s, frozen.until_s) == pytest.approx((0.96, 4.0), abs=NEAR_S)


async def test_broken_tail_counts_up_to_there(make, scanned, tmp_path):
    film = (*LAVFI, f"testsrc2=s=160x90:r=25:d=3,{TAGS}", *H264, "-movflags", "+faststart")
    content = make("tail.mp4", *film).read_bytes()
    # The index in front is whole and promises 75 pictures; the last third of them is nothing.
    kept = len(content) * 2 // 3
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content[:kept] + b"\xff" * (len(content) - kept))
    found = await scanned(broken)
    (damaged,) = [finding for finding in found.findings if finding.code == "damaged"]
    assert damaged.at_s == pytest.approx(2.0, abs=0.3)
    assert damaged.until_s == pytest.approx(3.0, abs=NEAR_S)
    assert found.frames[-1].at_s == pytest.approx(1.75, abs=0.3)


async def test_frames_stand_upright_with_square_pixels(halves, make, scanned):
    turned = make("turned.mp4", "-display_rotation", 90, "-i", halves, "-c", "copy")
    with Image.open((await scanned(turned)).frames[0].path) as frame:
        assert frame.size == (90, 160)
        assert is_red(frame.getpixel((45, 140))) is not is_red(frame.getpixel((45, 20)))
    red = "color=red:s=72x58:r=10:d=1,format=rgb24,scale=out_color_matrix=bt709,format=yuv420p"
    wide = make("wide.mp4", *LAVFI, f"{red},{TAGS},setsar=64/45", *H264)
    with Image.open((await scanned(wide)).frames[0].path) as frame:
        assert frame.size == (102, 58)
        assert frame.getpixel((50, 30)) == pytest.approx((254, 0, 0), abs=8)


def is_red(pixel: tuple[int, int, int]) -> bool:
    return pixel[0] > 180 and pixel[2] < 80


async def test_frames_of_hdr_are_toned(make, scanned):
    tags = "color_primaries=unknown:color_trc=arib-std-b67:colorspace=bt2020nc:range=tv"
    graph = "color=0x606060:s=64x72:r=10:d=0.8[a];color=0xb0b0b0:s=64x72:r=10:d=0.8[b];[a][b]hstack,"
    film = make(
        "toned.mp4",
        "-filter_complex",
        f"{graph}format=yuv420p10le,setparams={tags}",
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=0",
    )
    with Image.open((await scanned(film)).frames[0].path) as frame:
        grey = frame.convert("L")
    assert 5 < grey.getpixel((20, 30)) < grey.getpixel((100, 30)) - 15
    assert grey.getpixel((100, 30)) < 254


async def test_unknown_sound_beside_a_known_one_is_a_warning(clip, make, tmp_path, facts_of):
    maps = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", "-c:a:1", "ac3")
    two = make("two-sounds.mp4", "-i", clip, *maps)
    unknown = tmp_path / "unknown.mp4"
    # What a telephone's spatial sound is to a decoder that is older than it.
    unknown.write_bytes(two.read_bytes().replace(b"ac-3", b"zzzz"))
    inspection = await inspect(unknown)
    assert inspection.probe.audio.codec == "aac"
    assert "unknown_sound" in [finding.code for finding in inspection.findings]
    assert "several_sounds" in [finding.code for finding in find(facts_of(two))]
    assert (await scan(Source(unknown, inspection.probe), tmp_path)).samples.stat().st_size > 30_000


async def test_any_folder_name_will_do(halves, facts_of, tmp_path):
    odd = tmp_path / "a'b, [c]; d:e =f 中 %d"
    found = await scan(Source(halves, facts_of(halves)), odd)
    assert found.frames
    assert all(frame.path.parent == odd for frame in found.frames)


async def test_cancelled_scan_leaves_no_process_and_no_file(long_clip, facts_of, tmp_path):
    started = asyncio.Event()
    task = asyncio.create_task(
        scan(Source(long_clip, facts_of(long_clip)), tmp_path, lambda _: started.set())
    )
    await asyncio.wait_for(started.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    children = psutil.Process(os.getpid()).children(recursive=True)
    assert not [child for child in children if "ffmpeg" in child.name()]
    assert list(tmp_path.iterdir()) == []
