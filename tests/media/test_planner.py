"""Plans: what shares a decode, what is taken over as it is, and that one failure blocks no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from media import _ffmpeg
from media.errors import EncodeFailed, OutputWrong, OverLimit
from media.job import Source
from media.plan import Way, make_plan
from media.profiles import PROFILES
from media.render import make_renditions, plan_for, render_plan

pytestmark = pytest.mark.slow

TAGGED = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "24", "-g", "25", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "48000")
# -16 LUFS, where the platforms want it.
TONE = ("-f", "lavfi", "-i", "sine=f=997:r=48000:d=3.2,volume=5.05dB")


def profiles(*names: str):
    return [PROFILES[name] for name in names]


@pytest.fixture
def source_of(facts_of) -> Callable[[Path], Source]:
    return lambda path: Source(path, facts_of(path))


@pytest.fixture(scope="session")
def conforming(make: Callable[..., Path]) -> Path:
    """What a phone set to 1080p would send, but small: H.264 in BT.709 with AAC, as loud as it should be."""
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d=3.2,format=yuv420p,{TAGGED}")
    metadata = ("-metadata", "location=+31.2304+121.4737/")
    return make("conforming.mp4", *picture, *TONE, *H264, *AAC, *metadata)


def test_plan_for_six_outputs_is_one_decode(clip, source_of):
    names = ("preview", "app_hls", "app_mp4", "douyin_mp4", "wechat_mp4", "toutiao_mp4")
    plan = make_plan(source_of(clip), profiles(*names))
    assert [run.way for run in plan.runs] == [Way.ENCODE]
    (command,) = plan.commands(Path("out"))
    assert command.count("-i") == 1
    assert plan.runs[0].jobs[0].profile.name == "preview"


def test_plan_takes_sound_and_pictures_apart_from_the_encode(clip, source_of):
    plan = make_plan(source_of(clip), profiles("preview", "poster", "app_audio", "radio_mp3", "wechat_cover"))
    ways = [(run.way.value, [job.profile.name for job in run.jobs]) for run in plan.runs]
    assert ways == [
        ("encode", ["preview"]),
        ("sound", ["app_audio", "radio_mp3"]),
        ("frame", ["poster"]),
        ("frame", ["wechat_cover"]),
    ]
    sound = plan.commands(Path("out"))[1]
    assert sound.index("-vn") < sound.index("-i")  # the picture is not even read


def test_plan_makes_equal_films_once(clip, source_of):
    plan = make_plan(source_of(clip), profiles("vertical_mp4", "douyin_mp4", "kuaishou_mp4", "channels_mp4"))
    assert [job.profile.name for run in plan.runs for job in run.jobs] == ["vertical_mp4"]
    assert {twin.profile.name: twin.of for twin in plan.twins} == dict.fromkeys(
        ("douyin_mp4", "kuaishou_mp4", "channels_mp4"), "vertical_mp4"
    )


SIX = ("app_hls", "app_mp4", "douyin_mp4", "channels_mp4_1260", "wechat_mp4", "tv_mxf")


@pytest.fixture(scope="session")
def large(make: Callable[..., Path]) -> Path:
    """0.8 s of 1280x720 with a tone, in no colours that anyone named."""
    picture = ("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=0.8,format=yuv420p")
    return make("large.mp4", *picture, "-f", "lavfi", "-i", "sine=d=0.8", *H264, *AAC)


def test_plan_codes_the_film_of_a_rung_once(large, source_of):
    plan = make_plan(source_of(large), profiles(*SIX, "bilibili_mp4"))
    assert [job.profile.name for run in plan.runs for job in run.jobs] == [
        name for name in SIX if name != "app_mp4"
    ]
    assert [(twin.profile.name, twin.of, twin.rung) for twin in plan.twins] == [
        ("app_mp4", "app_hls", "720p"),
        ("bilibili_mp4", "app_mp4", None),
    ]
    assert "=  app_mp4: the same film as app_hls (720p), packed anew" in str(plan)


def test_plan_scales_once_what_two_outputs_want_in_one_size(large, source_of):
    command = " ".join(
        make_plan(source_of(large), profiles("app_hls", "wechat_mp4")).commands(Path("out"))[0]
    )
    sizes = [f"scale={width}:{height}:" for width, height in ((1280, 720), (960, 540), (640, 360))]
    assert [command.count(size) for size in sizes] == [1, 1, 1]


async def test_film_packed_from_a_rung_is_the_one_that_is_coded_alone(large, source_of, tmp_path):
    wanted = profiles("app_hls", "app_mp4", "bilibili_mp4")
    outcomes = await make_renditions(source_of(large), wanted, tmp_path)
    packed, twin = (outcome.rendered for outcome in outcomes[1:])
    assert packed.measured["packed_from"] == "app_hls"
    assert twin.files[0].sha256 == packed.files[0].sha256
    (alone,) = await make_renditions(source_of(large), profiles("app_mp4"), tmp_path / "alone")
    path, other = packed.files[0].path, alone.rendered.files[0].path
    # Sound begins a little before zero in both, where an edit list hides it.
    assert packets(path) == [(index, pytest.approx(time, abs=0.0003)) for index, time in packets(other)]
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert pixels(path) == pixels(other)
    assert packed.measured["ssim"] == outcomes[0].rendered.measured["ssim"]


def pixels(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(frame.planes[0]) for frame in container.decode(video=0)]


async def test_film_whose_stream_failed_is_coded_after_all(large, source_of, tmp_path, monkeypatch):
    real = _ffmpeg.run

    async def spoil(args, limits, *more):
        await real(args, limits, *more)
        for master in tmp_path.glob("app_hls/master.m3u8"):
            master.unlink()

    monkeypatch.setattr(_ffmpeg, "run", spoil)
    outcomes = await make_renditions(source_of(large), profiles("app_hls", "app_mp4"), tmp_path)
    found = {outcome.profile: outcome for outcome in outcomes}
    assert isinstance(found["app_hls"].error, OutputWrong)
    assert found["app_mp4"].rendered
    assert "packed_from" not in found["app_mp4"].rendered.measured


def test_plan_prints_its_runs_commands_and_refusals(clip, photo_like, source_of):
    plan = make_plan(source_of(clip), profiles("app_mp4", "app_still"))
    shown = str(plan)
    assert "1. encode: app_mp4" in shown
    assert "$ ffmpeg -f mov -format_whitelist mov" in shown
    assert "✗  app_still" in shown


@pytest.fixture
def photo_like() -> None:
    """Nothing; a still profile is refused for a video."""


async def test_conforming_source_is_taken_over_without_its_metadata(conforming, source_of, tmp_path):
    source = source_of(conforming)
    assert source.facts.has_location
    plan = await plan_for(source, profiles("app_mp4"), tmp_path)
    (run,) = plan.runs
    assert (run.way, run.jobs[0].copies_sound) == (Way.REMUX, True)
    (outcome,) = [each async for each in render_plan(plan, tmp_path)]
    made = outcome.rendered.files[0].path
    assert packets(made) == packets(conforming)
    assert outcome.rendered.measured["is_copy"] is True
    content = made.read_bytes()
    assert b"+31.2304" not in content
    assert b"x264 - core" in conforming.read_bytes()
    assert b"x264 - core" not in content  # what encoders and cameras write beside the picture
    assert content.index(b"moov") < content.index(b"mdat")


def packets(path: Path) -> list[tuple[int, float]]:
    """Each stream's packets in their order; how picture and sound lie among each other is the container's."""
    with av.open(path) as container:
        found = [
            (packet.stream_index, round(float(packet.pts * packet.time_base), 4))
            for packet in container.demux()
            if packet.pts is not None
        ]
    return sorted(found, key=lambda each: each[0])


async def test_picture_is_taken_over_and_sound_made_louder_when_only_that_is_wrong(
    make, conforming, source_of, tmp_path
):
    quiet = make("quiet.mp4", "-i", conforming, "-c:v", "copy", "-af", "volume=-12dB", *AAC)
    (outcome,) = await make_renditions(source_of(quiet), profiles("app_mp4"), tmp_path)
    measured = outcome.rendered.measured
    assert measured["is_copy"] is True
    assert measured["loudness_lufs"] == pytest.approx(-16, abs=0.5)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("turned", ("-display_rotation", 90, "-i", None, "-c", "copy"), "turned"),
        ("mirrored", ("-display_hflip", "-i", None, "-c", "copy"), "turned or mirrored"),
        ("wide", ("-i", None, "-c", "copy", "-aspect", "2:1"), "not square"),
        ("untagged", ("-i", None, "-c", "copy", "-bsf:v", "h264_metadata=colour_primaries=2"), "BT.709"),
        ("full", ("-i", None, "-c", "copy", "-bsf:v", "h264_metadata=video_full_range_flag=1"), "full range"),
        ("level", ("-i", None, "-c", "copy", "-bsf:v", "h264_metadata=level=5.1"), "level"),
        ("late", ("-itsoffset", 0.5, "-i", None, "-c", "copy"), "begins late"),
        ("ten", ("-i", None, "-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-c:a", "copy"), "8-bit"),
        ("fields", ("-i", None, *H264, "-flags", "+ildct+ilme", "-x264opts", "tff=1", *AAC), "interlaced"),
        ("hevc", ("-i", None, "-c:v", "libx265", "-x265-params", "log-level=0", *AAC), "not H.264"),
        ("rare", ("-i", None, *H264, "-g", "999", "-r", "7", *AAC), ""),
        ("mkv", ("-i", None, "-c", "copy"), "not an MP4"),
    ],
)
def test_source_that_breaks_one_condition_is_encoded(
    make: Callable[..., Path], conforming, source_of, name, change, reason
):
    suffix = "mkv" if name == "mkv" else "mp4"
    odd = make(f"odd-{name}.{suffix}", *[conforming if part is None else part for part in change])
    (run,) = make_plan(source_of(odd), profiles("app_mp4")).runs
    if name == "rare":  # a low rate alone breaks nothing
        assert run.way is Way.REMUX
        return
    assert run.way is Way.ENCODE
    assert reason in ", ".join(run.jobs[0].reasons)


def test_source_over_the_bit_rate_or_the_rate_is_encoded(conforming, source_of):
    source, profile = source_of(conforming), PROFILES["app_mp4"]
    tight = replace(profile, rungs=(replace(profile.rungs[0], max_bitrate_bps=10_000),))
    slow = replace(profile, max_frame_rate=profile.max_frame_rate / 4)
    for changed, reason in ((tight, "bit rate over the cap"), (slow, "another frame rate")):
        (run,) = make_plan(source, [changed]).runs
        assert run.way is Way.ENCODE
        assert reason in run.jobs[0].reasons


async def test_one_bad_profile_of_a_shared_run_blocks_no_other(clip, source_of, tmp_path):
    # No encoder takes this rate; ffmpeg gives up the whole run for it.
    bad = replace(PROFILES["app_mp4"], name="bad_mp4", keyframe_interval_s=10**9)
    wanted = [PROFILES["preview"], bad, PROFILES["wechat_mp4"]]
    outcomes = await make_renditions(source_of(clip), wanted, tmp_path)
    found = {outcome.profile: outcome for outcome in outcomes}
    assert isinstance(found["bad_mp4"].error, EncodeFailed)
    assert found["preview"].rendered
    assert found["wechat_mp4"].rendered


async def test_output_of_a_shared_run_that_is_wrong_is_made_again_alone(
    clip, source_of, tmp_path, monkeypatch
):
    ran = []
    real = _ffmpeg.run

    async def spoil(args, limits, *more):
        await real(args, limits, *more)
        outputs = [arg for arg in args if arg.endswith(("preview.mp4", "app_mp4.mp4"))]
        if "-movflags" in args:
            ran.append(len(outputs))
        if len(outputs) == 2:  # it said that all went well
            Path(outputs[1]).write_bytes(b"")

    monkeypatch.setattr(_ffmpeg, "run", spoil)
    outcomes = await make_renditions(source_of(clip), profiles("preview", "app_mp4"), tmp_path)
    assert ran == [2, 1]
    assert all(outcome.rendered for outcome in outcomes)


async def test_plan_refuses_what_no_run_could_make(silent_clip, source_of, tmp_path):
    outcomes = await make_renditions(source_of(silent_clip), profiles("radio_wav", "app_still"), tmp_path)
    assert all(isinstance(outcome.error, OverLimit) for outcome in outcomes)


async def test_twin_gets_a_file_of_its_own_name(make: Callable[..., Path], source_of, tmp_path):
    source = make("tiny.mp4", "-f", "lavfi", "-i", "testsrc2=s=90x160:r=30:d=0.4", *H264)
    progress: list[float] = []
    outcomes = await make_renditions(
        source_of(source), profiles("vertical_mp4", "kuaishou_mp4"), tmp_path, progress.append
    )
    one, other = (outcome.rendered.files[0] for outcome in outcomes)
    assert other.path == tmp_path / "kuaishou_mp4" / "kuaishou_mp4.mp4"
    assert one.sha256 == other.sha256
    assert progress[-1] == 1.0
    assert all(0 <= value <= 1 for value in progress)
