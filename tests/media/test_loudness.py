"""Loudness: measured, corrected, measured again, on sound with peaks, without any, and in all its layouts."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from media.job import Gain, Source
from media.loudness import measure, retuned, tune
from media.profiles import PROFILES
from media.profiles_form import Loudness
from media.render import render

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
# Loud claps in a soft murmur: brought to -16 by gain alone it would clip.
CLAPS = "aevalsrc='0.02*random(0)+0.9*lt(mod(t,1),0.004)*sin(2*PI*900*t)':s=48000:d=6"
SPEECH = "aevalsrc='0.15*(0.5+0.5*sin(2*PI*3*t))*sin(2*PI*180*t+2*sin(2*PI*5*t))':s=48000:d=5"


@pytest.fixture
def source_of(facts_of) -> Callable[[Path], Source]:
    return lambda path: Source(path, facts_of(path))


@pytest.mark.parametrize("name", ["app_audio", "radio_wav", "radio_mp3"])
@pytest.mark.parametrize("graph", [SPEECH, CLAPS], ids=["speech", "claps"])
async def test_recording_comes_out_as_loud_as_its_profile_wants(
    make: Callable[..., Path], source_of, make_rendition, name, graph
):
    target = PROFILES[name].loudness
    recording = make(f"loud-{graph is CLAPS}.wav", *LAVFI, graph)
    rendered = await make_rendition(recording, name)
    again = await measure(source_of(rendered.files[0].path), rendered.files[0].path.parent)
    assert again.integrated_lufs == pytest.approx(target.target_lufs, abs=0.5)
    assert again.peak_dbtp <= target.max_peak_dbtp
    assert rendered.measured["loudness_lufs"] == again.integrated_lufs
    assert rendered.findings == ()


async def test_television_gets_minus_24_on_two_tracks(make: Callable[..., Path], make_rendition, facts_of):
    # The left side alone: two tracks are measured together, not one of them.
    sound = (*LAVFI, SPEECH, "-af", "pan=stereo|c0=c0|c1=0*c0", "-c:a", "pcm_s16le")
    source = make("left.mov", *LAVFI, "color=gray:s=64x36:r=25:d=5", *sound, "-c:v", "libx264")
    rendered = await make_rendition(source, "tv_mxf")
    assert rendered.measured["loudness_lufs"] == pytest.approx(-24, abs=0.5)
    assert rendered.measured["true_peak_dbtp"] <= -2
    facts = facts_of(rendered.files[0].path)
    assert (facts.audio_streams, facts.audio.channels) == (2, 1)


@pytest.mark.parametrize(
    ("name", "graph", "code"),
    [
        ("silence", "anullsrc=r=48000:cl=stereo:d=4", "silence"),
        ("brief", "sine=d=1:r=48000", "too_short_for_loudness"),
    ],
)
async def test_silence_and_brief_sound_are_left_alone_with_a_finding(
    make: Callable[..., Path], source_of, make_rendition, name, graph, code
):
    recording = make(f"{name}.wav", *LAVFI, graph)
    before = await measure(source_of(recording), recording.parent)
    rendered = await make_rendition(recording, "radio_wav")
    assert [finding.code for finding in rendered.findings] == [code]
    assert rendered.measured["findings"][0]["code"] == code
    assert await measure(source_of(rendered.files[0].path), recording.parent) == before


async def test_sound_that_is_right_gets_no_gain(make: Callable[..., Path], source_of, tmp_path):
    recording = make("right.wav", *LAVFI, "sine=f=997:r=48000:d=4,volume=2.05dB")
    tuned = await tune(source_of(recording), Loudness(-16, -1), tmp_path)
    assert tuned.before.integrated_lufs == pytest.approx(-16, abs=0.3)
    assert tuned.gain == Gain()
    assert retuned(Gain(), tuned.before, Loudness(-16, -1)) is None


@pytest.mark.parametrize(
    ("channels", "said"), [(1, "mono on both channels"), (6, "5.1 to stereo by ITU-R BS.775")]
)
async def test_downmix_is_stated_and_keeps_both_sides(
    make: Callable[..., Path], make_rendition, channels, said
):
    layout = {1: "mono", 6: "5.1"}[channels]
    # Only the centre of 5.1 sounds: it must come out on both sides alike.
    sounding = {1: 0, 6: 2}[channels]
    parts = "|".join("0.3*sin(2*PI*500*t)" if c == sounding else "0" for c in range(channels))
    graph = f"aevalsrc=exprs='{parts}':c={layout}:s=48000:d=1"
    recording = make(f"mixed-{channels}.wav", *LAVFI, graph)
    rendered = await make_rendition(recording, "radio_wav")
    assert rendered.measured["downmix"].startswith(said)
    left, right = peaks(rendered.files[0].path)
    assert left == right
    assert left == pytest.approx(0.3 if channels == 1 else 0.3 * 0.7071 / 2.4142, rel=0.05)


def peaks(path: Path) -> tuple[float, float]:
    largest = [0.0, 0.0]
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            values = memoryview(frame.planes[0]).cast("B").cast("i")[: frame.samples * 2]
            for side in (0, 1):
                largest[side] = max(largest[side], *(abs(value) for value in values[side::2]))
    return round(largest[0] / 2**31, 4), round(largest[1] / 2**31, 4)


async def test_loudness_is_measured_without_decoding_the_picture(clip, facts_of, tmp_path, monkeypatch):
    from media import _ffmpeg
    from media.commands import loudness_args

    args = loudness_args(Source(clip, facts_of(clip)), Gain(), tmp_path)
    assert args.index("-vn") < args.index("-i")
    await _ffmpeg.run(args, _ffmpeg.Limits(wall_s=20, file_bytes=1 << 20))
    assert (tmp_path / "I").stat().st_size > 0


async def test_preview_has_no_target_and_is_not_measured(clip, facts_of, tmp_path):
    rendered = await render(clip, facts_of(clip), PROFILES["preview"], tmp_path)
    assert "loudness_lufs" not in rendered.measured
