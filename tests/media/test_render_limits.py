"""Renditions are as loud as their profiles want, and inside the limits of their platforms: measured."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from media.job import Source
from media.loudness import measure
from media.made import Outcome
from media.plan import make_plan
from media.profiles import PROFILES
from media.render import make_renditions
from media.sniff import Kind

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
# Soft speech with loud claps: by gain alone the peaks would be over every limit.
SPEECH = (
    "aevalsrc='0.08*(0.5+0.5*sin(2*PI*3*t))*sin(2*PI*180*t+2*sin(2*PI*5*t))"
    "+0.7*lt(mod(t,1),0.004)*sin(2*PI*900*t)':s=48000:d=3.2"
)
WITH_SOUND = [name for name, each in PROFILES.items() if each.loudness]


@pytest.fixture(scope="module")
async def sounding(
    make: Callable[..., Path], facts_of, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """What became of every profile with a loudness: of one small film, or of sound where only that is taken."""
    film = make("loud.mp4", *LAVFI, "testsrc2=s=64x36:r=25:d=3.2", *LAVFI, SPEECH, *H264, "-c:a", "aac")
    sound = make("loud.wav", *LAVFI, SPEECH)
    done: list[Outcome] = []
    for path, kind in ((film, Kind.VIDEO), (sound, Kind.AUDIO)):
        known = {outcome.profile for outcome in done}
        wanted = [PROFILES[name] for name in WITH_SOUND if kind in PROFILES[name].kinds and name not in known]
        done += await make_renditions(Source(path, facts_of(path)), wanted, tmp_path_factory.mktemp("loud"))
    return {outcome.profile: outcome for outcome in done}


@pytest.mark.parametrize("name", WITH_SOUND)
async def test_rendition_is_as_loud_as_its_profile_wants(sounding, facts_of, tmp_path, name):
    target, rendered = PROFILES[name].loudness, sounding[name].rendered
    assert rendered is not None
    assert rendered.measured["loudness_lufs"] == pytest.approx(target.target_lufs, abs=0.5)
    assert rendered.measured["true_peak_dbtp"] <= target.max_peak_dbtp
    assert [finding.code for finding in rendered.findings if finding.code == "loudness_not_reached"] == []
    if len(rendered.files) == 1:  # by the meter once more, on the file as it lies there
        path = rendered.files[0].path
        again = await measure(Source(path, facts_of(path)), tmp_path)
        assert again.integrated_lufs == rendered.measured["loudness_lufs"]


@pytest.mark.parametrize("name", WITH_SOUND)
async def test_rendition_with_a_limit_is_inside_it(sounding, name):
    bounds, rendered = PROFILES[name].bounds, sounding[name].rendered
    assert rendered.size_bytes == sum(file.path.stat().st_size for file in rendered.files)
    assert rendered.size_bytes <= (bounds.size_bytes or float("inf"))
    assert rendered.measured["duration_s"] <= (bounds.duration_s or float("inf")) + 0.1


async def test_five_minutes_for_wechat_are_under_ten_megabytes(make: Callable[..., Path], facts_of, tmp_path):
    # Noise at which any quality that looks well takes several times the budget.
    busy = (*LAVFI, "testsrc2=s=160x90:r=12:d=10,noise=alls=90:allf=t", *LAVFI, "sine=d=10:r=16000")
    part = make("busy.mp4", *busy, *H264, "-crf", 30, "-c:a", "aac")
    source = make("five.mp4", "-stream_loop", 29, "-i", part, "-c", "copy")
    (outcome,) = await make_renditions(
        Source(source, facts_of(source)), [PROFILES["wechat_mp4"]], tmp_path / "out"
    )
    path = outcome.rendered.files[0].path
    assert 5_000_000 < path.stat().st_size <= 10_000_000
    assert outcome.rendered.measured["duration_s"] == pytest.approx(300, abs=2)


@pytest.mark.parametrize(("minutes", "is_poor"), [(1, False), (5, False), (20, True)])
def test_long_film_for_wechat_says_when_nobody_wants_to_watch_it(clip, facts_of, minutes, is_poor):
    facts = facts_of(clip)
    video = replace(facts.video, width=1920, height=1080)
    source = Source(clip, replace(facts, duration_s=minutes * 60.0, video=video))
    (run,) = make_plan(source, [PROFILES["wechat_mp4"]]).runs
    assert run.jobs[0].is_poor is is_poor
