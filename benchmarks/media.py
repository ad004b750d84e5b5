"""Renditions of a 60 s clip of 1080p: CPU of the shared run over one process each, and the speed of a remux."""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from media.commands import run_args
from media.inspect import inspect
from media.job import Job, Source
from media.plan import Run, Way, make_plan
from media.profiles import PROFILES
from media.render import _encode, plan_for, render_plan
from media.sample import make_clip

_SECONDS = int(os.environ.get("SANSHEN_BENCH_MEDIA_S", "60"))
# What an ordinary story needs; three of the platforms take the very same film, and the plan knows it.
_SIX = ("app_hls", "app_mp4", "wechat_mp4", "douyin_mp4", "kuaishou_mp4", "channels_mp4")


async def measure() -> dict[str, Any]:
    """Ratios inside one run. Encoding alone is compared; what proves the outputs right is counted apart."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        work = Path(folder)
        clip = work / "clip.mp4"
        await make_clip(clip, _SECONDS, 1920, 1080)
        source = Source(clip, (await inspect(clip)).probe)
        plan = await plan_for(source, [PROFILES[name] for name in _SIX], work)
        runs = [run for run in plan.runs if run.way is Way.ENCODE]
        shared = sum([await _cpu_s(source, run.jobs, work / "shared") for run in runs])
        # A plan for one profile alone is what a process per rendition would run.
        jobs = [make_plan(source, [PROFILES[name]]).runs[0].jobs for name in _SIX]
        alone = sum([await _cpu_s(source, job, work / "alone") for job in jobs])
        return {
            "seconds of 1080p": _SECONDS,
            "outputs": len(_SIX),
            "films, equal ones counted once": sum(len(run.jobs) for run in runs),
            "processes": len(runs),
            "CPU s, planned": shared,
            "CPU s, one process each": alone,
            "CPU, planned / one process each (goal <= 0.75)": shared / alone,
            **await _remux(work / "shared" / "app_mp4" / "app_mp4.mp4", work),
        }


async def _cpu_s(source: Source, jobs: tuple[Job, ...], out_dir: Path) -> float:
    """User and system seconds of the bare command: within its walls nobody could read them."""
    pairs = [(job, out_dir / job.profile.name) for job in jobs]
    for _, folder in pairs:
        folder.mkdir(parents=True, exist_ok=True)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *run_args(source, pairs)]
    process = subprocess.Popen(command)
    _, status, used = await asyncio.to_thread(os.wait4, process.pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


async def _remux(path: Path, work: Path) -> dict[str, Any]:
    source = Source(path, (await inspect(path)).probe)
    started = time.perf_counter()
    plan = await plan_for(source, [PROFILES["app_mp4"]], work)
    (run,) = plan.runs
    assert _is_copy(run), run.jobs[0].reasons
    planned = time.perf_counter()
    await _encode(source, [(run.jobs[0], work / "bare")], None)
    bare_s = time.perf_counter() - planned
    outcomes = [outcome async for outcome in render_plan(plan, work / "whole")]
    whole_s = time.perf_counter() - started - bare_s
    assert all(outcome.rendered for outcome in outcomes)
    return {
        "remux, times real time (goal >= 50)": _SECONDS / bare_s,
        "the same with plan, loudness and proof": _SECONDS / whole_s,
    }


def _is_copy(run: Run) -> bool:
    return run.way is Way.REMUX and run.jobs[0].copies_sound
