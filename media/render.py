"""Carries out plans: renditions made, proved right, tried again where that helps. Knows no store and no flow."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from media import _ffmpeg
from media.aigc import add_to_wave
from media.commands import file_of, run_args
from media.dressing import NOTHING, Dressing, dress
from media.errors import (
    EncodeFailed,
    EncoderKilled,
    Malformed,
    MediaError,
    NotMedia,
    OutputWrong,
    OverLimit,
    TimedOut,
    TooLarge,
)
from media.job import Job, Source
from media.loudness import tune_all
from media.made import Outcome, Rendered, RenderedFile
from media.plan import Plan, Run, Way, make_plan, not_taken
from media.probe import Probe
from media.profiles_form import Output, Profile
from media.proof import prove
from media.quality import with_quality
from media.render_still import make_frame, make_still
from media.render_twin import copy_twin, pack_rung
from media.sizes import pictures_for
from media.twins import Twin
from media.unpacked import unpack_page

__all__ = ["Rendered", "RenderedFile", "make_renditions", "pictures_for", "plan_for", "render", "render_plan"]

Progress = Callable[[float], None]
_TRIES = 3
# What another try with fewer outputs may mend.
_SHARED_FAILURES = (EncodeFailed, EncoderKilled, TimedOut, TooLarge, OutputWrong)


async def render(
    source: Path,
    probe: Probe,
    profile: Profile,
    out_dir: Path,
    on_progress: Progress | None = None,
    dressing: Dressing = NOTHING,
) -> Rendered:
    """Makes the rendition in `out_dir` (made if missing, best empty); `on_progress` gets 0.0 to 1.0.

    Raises NotMedia when the profile does not take this kind, OverLimit when the platform would not take it,
    EncodeFailed, TooLarge, Malformed and OutputWrong (final), TimedOut and EncoderKilled (try again).
    Cancelling it kills ffmpeg and leaves files that count for nothing.
    """
    if probe.kind not in profile.kinds:
        raise NotMedia(not_taken(profile))
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".work-") as work:
        plan = await plan_for(Source(source, probe), [profile], Path(work), dressing)
        if plan.refusals:
            raise OverLimit(plan.refusals[0].text)
        (run,) = plan.runs
        rendered = await _alone(plan.source, run.way, run.jobs[0], out_dir, on_progress)
    if on_progress:
        on_progress(1.0)
    return rendered


async def plan_for(
    source: Source, profiles: Iterable[Profile], work_dir: Path, dressing: Dressing = NOTHING
) -> Plan:
    """The plan for these profiles, after the sound was measured and the dressing made ready in `work_dir`."""
    wanted = list(profiles)
    tuned = await tune_all(
        source, [each.loudness for each in wanted if source.facts.kind in each.kinds], work_dir
    )
    worn = await dress(source, wanted, dressing, work_dir)
    return make_plan(source, wanted, tuned, worn)


async def make_renditions(
    source: Source,
    profiles: Iterable[Profile],
    out_dir: Path,
    on_progress: Progress | None = None,
    dressing: Dressing = NOTHING,
) -> list[Outcome]:
    """Plans and carries out in one go; each rendition lies in the folder of its name."""
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".work-") as work:
        plan = await plan_for(source, profiles, Path(work), dressing)
        return [outcome async for outcome in render_plan(plan, out_dir, on_progress)]


async def render_plan(
    plan: Plan, out_dir: Path, on_progress: Progress | None = None
) -> AsyncIterator[Outcome]:
    """What became of each profile of the plan, as it finishes; one that fails blocks no other.

    Cancelling it, or leaving the loop and closing the iterator, kills ffmpeg.
    """
    for refusal in plan.refusals:
        yield Outcome(refusal.profile.name, error=OverLimit(refusal.text))
    done: dict[str, Outcome] = {}
    for number, run in enumerate(plan.runs):
        async for outcome in _carry_out(
            plan.source, run, out_dir, _part(on_progress, number, len(plan.runs))
        ):
            done[outcome.profile] = outcome
            yield outcome
    for twin in plan.twins:
        done[twin.profile.name] = outcome = await _twin(plan.source, twin, done[twin.of], out_dir)
        yield outcome
    if on_progress:
        on_progress(1.0)


async def _twin(source: Source, twin: Twin, original: Outcome, out_dir: Path) -> Outcome:
    if twin.job is None:
        return await asyncio.to_thread(copy_twin, twin, original, out_dir)
    folder = out_dir / twin.profile.name
    try:
        packed = await pack_rung(source, twin, original, folder)
        return Outcome(twin.profile.name, packed or await _alone(source, Way.ENCODE, twin.job, folder, None))
    except MediaError as error:
        return Outcome(twin.profile.name, error=error)


def _part(on_progress: Progress | None, number: int, count: int) -> Progress | None:
    if on_progress is None:
        return None
    return lambda value: on_progress((number + value) / count)


async def _carry_out(
    source: Source, run: Run, out_dir: Path, on_progress: Progress | None
) -> AsyncIterator[Outcome]:
    rest: Sequence[Job] = run.jobs
    if len(run.jobs) > 1:
        rest = []
        async for job, rendered in _together(source, run, out_dir, on_progress):
            if isinstance(rendered, Rendered):
                yield Outcome(job.profile.name, rendered)
            else:
                rest.append(rendered or job)
    for job in rest:
        try:
            made = await _alone(source, run.way, job, out_dir / job.profile.name, on_progress)
            yield Outcome(job.profile.name, made)
        except MediaError as error:
            yield Outcome(job.profile.name, error=error)


async def _together(
    source: Source, run: Run, out_dir: Path, on_progress: Progress | None
) -> AsyncIterator[tuple[Job, Rendered | Job | None]]:
    """One process for all; beside each job its rendition, the job to try instead, or None to try it alone."""
    pairs = [(job, out_dir / job.profile.name) for job in run.jobs]
    try:
        await _encode(source, pairs, on_progress)
    except _SHARED_FAILURES:
        for job in run.jobs:
            yield job, None
        return
    for job, folder in pairs:
        yield job, await _proved_or_none(source, job, folder)


async def _proved_or_none(source: Source, job: Job, folder: Path) -> Rendered | Job | None:
    try:
        outcome = await prove(source, job, folder, is_last=False)
        return await with_quality(source, job, outcome) if isinstance(outcome, Rendered) else outcome
    except (OutputWrong, Malformed, OverLimit):
        return None


async def _alone(source: Source, way: Way, job: Job, folder: Path, on_progress: Progress | None) -> Rendered:
    if way is Way.UNPACK:
        return await unpack_page(source, job, folder)
    if way is Way.FRAME:
        return await make_frame(source, job, folder)
    if way is Way.STILL:
        return await make_still(source, job, folder)
    for number in range(1, _TRIES + 1):
        await _encode(source, [(job, folder)], on_progress)
        outcome = await prove(source, job, folder, is_last=number == _TRIES)
        if isinstance(outcome, Rendered):
            return await with_quality(source, job, outcome)
        job = outcome
    raise AssertionError("the last try gives a rendition or raises")


async def _encode(source: Source, jobs: Sequence[tuple[Job, Path]], on_progress: Progress | None) -> None:
    for _, folder in jobs:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    worn = [job.worn for job, _ in jobs]
    length_s = (source.facts.duration_s or 0.0) + max(each.clips_s for each in worn)
    reads = [path for each in worn for path in (each.subtitles, each.fonts) if path]
    await _ffmpeg.run(
        run_args(source, jobs), _limits([job for job, _ in jobs], length_s), length_s, on_progress, reads
    )
    for job, folder in jobs:
        if job.worn.aigc and job.profile.output is Output.WAV:
            await asyncio.to_thread(add_to_wave, file_of(job.profile, folder), job.worn.aigc)


def _limits(jobs: Sequence[Job], length_s: float) -> _ffmpeg.Limits:
    # The smallest machine we support encodes the ladder at a quarter of real time; HDR takes twice that.
    wall_s = 120 + 30 * length_s * max(1, len(jobs) / 2)
    return _ffmpeg.Limits(wall_s, file_bytes=max(_largest_file(job, length_s) for job in jobs))


def _largest_file(job: Job, length_s: float) -> int:
    picture_bps = max((each.rung.max_bitrate_bps for each in job.pictures), default=0)
    return int(20_000_000 + 2 * length_s * (picture_bps + max(job.audio_bitrate_bps, 2_400_000)) / 8)
