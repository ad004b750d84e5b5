"""Renditions of a 60 s clip of 1080p: CPU of the plan over one process each, and the speed of a remux."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from media.commands import pack_args, run_args
from media.hls import join_segments, read_master, read_packets
from media.inspect import inspect
from media.job import Job, Source
from media.plan import Run, Way, make_plan
from media.profiles import PROFILES
from media.render import _encode, plan_for, render_plan
from media.sample import make_clip
from media.twins import Twin

_SECONDS = int(os.environ.get("SANSHEN_BENCH_MEDIA_S", "60"))
_FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
_SCENE_S = 6
# As the better phones record 1080p.
_PHONE = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "17M", "-c:a", "aac", "-b:a", "128k")
_BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
# No two of these are the same film as a whole: a ladder of five, an MP4, 9:16, 6:7, under 10 MB, and XDCAM.
# The MP4 is what the ladder's first rung is, and that is where the plan saves.
_DIFFERENT = ("app_hls", "app_mp4", "douyin_mp4", "channels_mp4_1260", "wechat_mp4", "tv_mxf")
# What an ordinary story goes out as: three of the platforms take what another one takes.
_ORDINARY = ("app_hls", "app_mp4", "douyin_mp4", "channels_mp4", "wechat_mp4", "bilibili_mp4")


async def measure() -> dict[str, Any]:
    """Ratios inside one run. Coding alone is compared; what proves the outputs right is counted apart."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        work = Path(folder)
        source = await _phone_clip(work)
        alone = {name: await _alone(source, name, work) for name in _DIFFERENT}
        # Their commands are those of their twins, but for the name of the file.
        alone |= {"channels_mp4": alone["douyin_mp4"], "bilibili_mp4": alone["app_mp4"]}
        found: dict[str, Any] = {"seconds of 1080p at 17 Mb/s": _SECONDS}
        for title, names in (("six different films", _DIFFERENT), ("an ordinary six", _ORDINARY)):
            planned = await _planned(source, names, work / title.replace(" ", "-"))
            each = sum(alone[name] for name in names)
            found |= {
                title: ", ".join(names),
                f"{title}: CPU s, planned": planned,
                f"{title}: CPU s, one process each": each,
                f"{title}: planned / one process each (goal <= 0.75)": planned / each,
            }
        conforming = work / "an-ordinary-six" / "app_mp4" / "app_mp4.mp4"
        return found | await _remux(conforming, work)


async def _phone_clip(work: Path) -> Source:
    scene, clip = work / "scene.mp4", work / "clip.mp4"
    await make_clip(scene, _SCENE_S, 1920, 1080)
    looped = ("-stream_loop", "-1", "-t", str(_SECONDS), "-i", str(scene))
    command = [*_FFMPEG, *looped, *_PHONE, *_BT709, str(clip)]
    await asyncio.to_thread(subprocess.run, command, check=True)
    return Source(clip, (await inspect(clip)).probe)


async def _alone(source: Source, name: str, work: Path) -> float:
    # A plan for one profile alone is what a process per rendition would run.
    return await _cpu_s(source, make_plan(source, [PROFILES[name]]).runs[0].jobs, work / "alone")


async def _planned(source: Source, names: Sequence[str], out_dir: Path) -> float:
    plan = make_plan(source, [PROFILES[name] for name in names])
    spent = [await _cpu_s(source, run.jobs, out_dir) for run in plan.runs if run.way is Way.ENCODE]
    spent += [await _packing_s(twin, out_dir) for twin in plan.twins if twin.job]
    return sum(spent)


async def _cpu_s(source: Source, jobs: tuple[Job, ...], out_dir: Path) -> float:
    """User and system seconds of the bare command: within its walls nobody could read them."""
    pairs = [(job, out_dir / job.profile.name) for job in jobs]
    for _, folder in pairs:
        folder.mkdir(parents=True, exist_ok=True)
    return await _spent(run_args(source, pairs))


async def _packing_s(twin: Twin, out_dir: Path) -> float:
    assert twin.job is not None
    stream, folder = out_dir / twin.of, out_dir / twin.profile.name
    folder.mkdir(exist_ok=True)
    started = time.process_time()
    variant = read_master(stream)[0]
    join_segments(stream, variant, folder / "joined.mp4")
    own = time.process_time() - started
    timings = await asyncio.to_thread(read_packets, stream, variant)
    run_in_s = timings["video"].start_s - timings["audio"].start_s
    args = pack_args(folder / "joined.mp4", run_in_s, twin.job, folder / f"{twin.profile.name}.mp4")
    return own + await _spent(args)


async def _spent(args: Sequence[str]) -> float:
    process = subprocess.Popen([*_FFMPEG, *args])
    _, status, used = await asyncio.to_thread(os.wait4, process.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


async def _remux(path: Path, work: Path) -> dict[str, Any]:
    source = Source(path, (await inspect(path)).probe)
    started = time.perf_counter()
    plan = await plan_for(source, [PROFILES["app_mp4"]], work)
    (run,) = plan.runs
    assert run.way is Way.REMUX, run.jobs[0].reasons
    planned = time.perf_counter()
    bare = [await _remux_s(source, run, work / f"bare-{number}") for number in range(3)]
    before = time.perf_counter()
    outcomes = [outcome async for outcome in render_plan(plan, work / "whole")]
    whole_s = planned - started + time.perf_counter() - before
    assert all(outcome.rendered for outcome in outcomes)
    return {
        "remux, times real time, median of 3 (goal >= 50)": _SECONDS / sorted(bare)[1],
        "the same with plan, loudness and proof": _SECONDS / whole_s,
    }


async def _remux_s(source: Source, run: Run, folder: Path) -> float:
    started = time.perf_counter()
    await _encode(source, [(run.jobs[0], folder)], None)
    return time.perf_counter() - started
