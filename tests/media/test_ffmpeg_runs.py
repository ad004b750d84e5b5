"""Runs that end otherwise than well: nothing is left, and the reason is typed."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from media import _ffmpeg, commands, verify
from media.errors import EncoderKilled, MediaError, OutputWrong, RetryableMediaError, TimedOut, TooLarge
from media.profiles import PROFILES
from media.render import pictures_for, render

pytestmark = pytest.mark.slow

ROOMY = _ffmpeg.Limits(wall_s=60, file_bytes=1 << 30)


def encoders() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "ffmpeg" in child.name()]


@pytest.fixture
def args(long_clip, facts_of, tmp_path) -> list[str]:
    facts, profile = facts_of(long_clip), PROFILES["app_mp4"]
    source = commands.Source(long_clip, facts)
    return commands.mp4_args(source, profile, pictures_for(facts, profile)[0], tmp_path / "out.mp4")


async def test_cancel_kills_the_encoder_within_two_seconds(long_clip, facts_of, tmp_path):
    seen = asyncio.Event()
    progress: list[float] = []

    def note(value: float) -> None:
        progress.append(value)
        seen.set()

    work = asyncio.create_task(render(long_clip, facts_of(long_clip), PROFILES["app_hls"], tmp_path, note))
    await asyncio.wait_for(seen.wait(), 20)
    assert encoders()
    began = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - began < 2
    assert encoders() == []
    assert all(0 <= value <= 1 for value in progress)


async def test_time_limit_ends_the_run_and_may_be_tried_again(args):
    with pytest.raises(TimedOut):
        await _ffmpeg.run(args, _ffmpeg.Limits(wall_s=0.3, file_bytes=1 << 30))
    assert encoders() == []
    assert issubclass(TimedOut, RetryableMediaError)


async def test_size_limit_ends_the_run(args):
    with pytest.raises(TooLarge):
        await _ffmpeg.run(args, _ffmpeg.Limits(wall_s=60, file_bytes=50_000))


async def test_encoder_killed_from_outside_may_be_tried_again(args):
    work = asyncio.create_task(_ffmpeg.run(args, ROOMY))
    (await asyncio.to_thread(_wait_for, encoders))[0].send_signal(signal.SIGKILL)
    with pytest.raises(EncoderKilled):
        await work


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_encoder_dies_with_a_killed_parent(args, tmp_path: Path):
    script = "import asyncio, sys; from media import _ffmpeg\n"
    script += "asyncio.run(_ffmpeg.run(sys.argv[1:], _ffmpeg.Limits(60, 1 << 30)))"
    parent = subprocess.Popen([sys.executable, "-c", script, *args])
    try:
        children = _wait_for(
            lambda: [p for p in psutil.Process(parent.pid).children(recursive=True) if "ffmpeg" in p.name()]
        )
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert _wait_for(lambda: not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE)


def _wait_for(condition):
    for _ in range(200):
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def test_output_that_is_shorter_than_its_source_does_not_count(long_clip, clip, silent_clip, facts_of):
    facts = facts_of(clip)
    picture = pictures_for(facts, PROFILES["app_mp4"])[0]
    for path, source in ((clip, facts_of(long_clip)), (silent_clip, facts), (long_clip, facts)):
        with pytest.raises(OutputWrong):
            verify.verify_video(path, source, picture, (320, 180))


def test_errors_survive_pickling():
    error = verify.wrong("detail")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, MediaError)
    assert (again.text, again.detail, str(again)) == (error.text, error.detail, str(error))


def test_build_names_the_version():
    assert _ffmpeg.ffmpeg_build().startswith("ffmpeg version")
