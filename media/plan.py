"""The plan for one source: the fewest runs of ffmpeg that make all wanted renditions. A value that prints."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from pathlib import Path

from media.commands import file_of, run_args
from media.conform import picture_objections, sound_objections
from media.job import Gain, Job, Picture, Source, Worn
from media.loudness import Tuned
from media.probe import Probe
from media.profiles_form import Loudness, Output, Profile
from media.sizes import pictures_for, spend
from media.sniff import Kind
from media.twins import Twin, without_twins
from states.text import Text

# Six outputs of 1080p take a gigabyte in one process; more than that is not worth the memory.
_MOST_OUTPUTS = 8
_SOUND = (Output.M4A, Output.MP3, Output.WAV)
_PICTURE = (Output.JPEG, Output.TIFF)


class Way(StrEnum):
    """How a run makes what it makes."""

    REMUX = "remux"
    ENCODE = "encode"
    SOUND = "sound"
    FRAME = "frame"
    STILL = "still"
    UNPACK = "unpack"


_NO_COMMAND = (Way.FRAME, Way.STILL, Way.UNPACK)


@dataclass(frozen=True, slots=True)
class Run:
    """One process for these jobs (a few short ones for a frame: some seeks)."""

    way: Way
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rendition that cannot be made of this source, and why."""

    profile: Profile
    text: Text


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run for one source, in order; each rendition goes into the folder of its name."""

    source: Source
    runs: tuple[Run, ...]
    twins: tuple[Twin, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def commands(self, out_dir: Path) -> tuple[tuple[str, ...], ...]:
        """The arguments of ffmpeg for every run that is one command; frames and stills have none."""
        return tuple(tuple(self.command(run, out_dir)) for run in self.runs if run.way not in _NO_COMMAND)

    def command(self, run: Run, out_dir: Path) -> list[str]:
        """The arguments of ffmpeg for one of these runs."""
        return run_args(self.source, [(job, out_dir / job.profile.name) for job in run.jobs])

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, out_dir: Path = Path("out")) -> list[str]:
        """The plan in words, with its commands as a shell would take them."""
        lines = []
        for number, run in enumerate(self.runs, 1):
            names = ", ".join(job.profile.name for job in run.jobs)
            lines.append(f"{number}. {run.way.value}: {names}")
            lines += [f"   {line}" for job in run.jobs for line in _about(job)]
            if run.way not in _NO_COMMAND:
                lines.append(f"   $ ffmpeg {shlex.join(self.command(run, out_dir))}")
        lines += [_about_twin(twin) for twin in self.twins]
        lines += [f"✗  {each.profile.name}: {each.text.zh} {each.text.en}" for each in self.refusals]
        return lines


def make_plan(
    source: Source,
    profiles: Iterable[Profile],
    tuned: Mapping[Loudness, Tuned] | None = None,
    worn: Mapping[str, Worn] | None = None,
) -> Plan:
    """The plan for these profiles. `tuned` by loudness (measured before), `worn` by the profile's name.

    Refusals come first: a kind the profile does not take, sound that is not there, a limit that the source is
    over. One decode serves all that are encoded, up to eight outputs a process.
    """
    jobs: list[Job] = []
    refusals: list[Refusal] = []
    for profile in profiles:
        dress = (worn or {}).get(profile.name, Worn())
        sound = (tuned or {}).get(profile.loudness, Tuned(Gain())) if profile.loudness else Tuned(Gain())
        made = _job(source, profile, sound.gain, dress)
        if isinstance(made, Job):
            jobs.append(replace(made, findings=sound.findings))
        else:
            refusals.append(Refusal(profile, made))
    kept, twins = without_twins(source, jobs)
    return Plan(source, _runs(source, kept), twins, tuple(refusals))


def way_of(source: Source, job: Job) -> Way:
    """How a job is made."""
    if job.profile.output is Output.PAGE:
        return Way.UNPACK
    if job.profile.output in _PICTURE:
        return Way.FRAME if source.facts.kind is Kind.VIDEO else Way.STILL
    if job.profile.output in _SOUND:
        return Way.SOUND
    return Way.REMUX if job.copies_picture else Way.ENCODE


def budgeted(source: Source, job: Job, most_bps: float = inf) -> Job | None:
    """The same job with size and bit rates for its byte budget, `most_bps` in all; None when nothing fits."""
    duration_s = (source.facts.duration_s or 0.0) + job.worn.clips_s
    spending = spend(source.facts, job.profile, duration_s, most_bps)
    if spending is None:
        return None
    return replace(
        job,
        pictures=(spending.picture,),
        audio_bitrate_bps=spending.audio_bitrate_bps,
        is_poor=spending.is_poor,
    )


def _job(source: Source, profile: Profile, gain: Gain, worn: Worn) -> Job | Text:
    facts = source.facts
    if facts.kind not in profile.kinds:
        return not_taken(profile)
    if profile.output in (*_PICTURE, Output.PAGE):
        return Job(profile, worn=worn)
    duration_s = (facts.duration_s or 0.0) + worn.clips_s
    limit_s = profile.bounds.duration_s
    if limit_s is not None and duration_s > limit_s:
        return _too_long(profile, duration_s, limit_s)
    if profile.output in _SOUND:
        return _sound_job(facts, profile, gain, worn, duration_s)
    if profile.is_budgeted:
        job = budgeted(source, Job(profile, gain=gain, worn=worn))
        return job or _no_budget(profile, duration_s)
    return _video_job(facts, profile, gain, worn)


def _video_job(facts: Probe, profile: Profile, gain: Gain, worn: Worn) -> Job:
    pictures: Sequence[Picture] = pictures_for(facts, profile, worn.crop)
    objections = picture_objections(facts, profile, pictures[0])
    if worn.changes_picture:
        objections = (*objections, "dressed")
    no_sound = sound_objections(facts.audio, profile)
    if gain != Gain():
        no_sound = (*no_sound, "loudness is corrected")
    is_copied = not objections
    return Job(
        profile,
        tuple(pictures),
        profile.audio_bitrate_bps,
        gain,
        worn,
        copies_picture=is_copied,
        copies_sound=is_copied and not no_sound,
        reasons=tuple(dict.fromkeys((*objections, *no_sound))),
    )


def _sound_job(facts: Probe, profile: Profile, gain: Gain, worn: Worn, duration_s: float) -> Job | Text:
    if facts.audio is None:
        return Text(
            "文件没有声音，无法制作音频成品。", "There is no sound in this file to make a recording of."
        )
    rate_bps = profile.audio_bitrate_bps
    size_bytes = profile.bounds.size_bytes
    if size_bytes is not None and rate_bps * duration_s / 8 > size_bytes * 0.98:
        return _no_budget(profile, duration_s)
    return Job(profile, (), rate_bps, gain, worn)


def _runs(source: Source, jobs: Sequence[Job]) -> tuple[Run, ...]:
    by_way: dict[Way, list[Job]] = {way: [] for way in Way}
    for job in jobs:
        by_way[way_of(source, job)].append(job)
    runs = []
    for way, group in by_way.items():
        # A remux is over in a moment and must not wait for an encode; frames and stills are short, too.
        most = _MOST_OUTPUTS if way in (Way.ENCODE, Way.SOUND) else 1
        runs += [Run(way, tuple(group[start : start + most])) for start in range(0, len(group), most)]
    return tuple(runs)


def _about(job: Job) -> list[str]:
    is_page = job.profile.output is Output.PAGE
    about = [f"{job.profile.name}/{'' if is_page else file_of(job.profile, Path()).name}"]
    about += [
        f"  {each.width}x{each.height} at {each.rate}, up to {each.rung.max_bitrate_bps / 1000:g} kb/s"
        for each in job.pictures
    ]
    if job.reasons:
        about.append(f"  not copied: {', '.join(job.reasons)}")
    if job.is_poor:
        about.append("  poor: too long for its byte budget to look well")
    return about


def _about_twin(twin: Twin) -> str:
    of = f"{twin.of} ({twin.rung}), packed anew" if twin.rung else twin.of
    return f"=  {twin.profile.name}: the same film as {of}"


def not_taken(profile: Profile) -> Text:
    """The words for a file of a kind that the profile does not take."""
    return Text(
        f"“{profile.label.zh}”不适用于这类文件，请为它选择别的成品。",
        f"“{profile.label.en}” is not made of this kind of file; choose another rendition for it.",
    )


def _too_long(profile: Profile, duration_s: float, limit_s: int) -> Text:
    return Text(
        f"“{profile.label.zh}”最长 {limit_s} 秒，此文件有 {duration_s:.0f} 秒，请剪短后重新上传。",
        f"“{profile.label.en}” lasts {limit_s} s at the most and this file lasts {duration_s:.0f} s; "
        "cut it and upload it again.",
    )


def _no_budget(profile: Profile, duration_s: float) -> Text:
    size = (profile.bounds.size_bytes or 0) / 1e6
    return Text(
        f"“{profile.label.zh}”上限 {size:g} MB，放不下 {duration_s:.0f} 秒，请剪短后重新上传。",
        f"{duration_s:.0f} s do not fit into the {size:g} MB of “{profile.label.en}”; "
        "cut it and upload it again.",
    )
