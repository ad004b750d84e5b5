"""Which renditions of a plan are the same film: coded once, and kept under several names. Reads jobs alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from media.geometry import contain
from media.job import Job, Source
from media.profiles_form import Bounds, Output, Profile
from media.sizes import video_size
from states.text import Text


@dataclass(frozen=True, slots=True)
class Twin:
    """A rendition that is the same film as another one, or with `rung` as that rung of a stream.

    The film of a rung is packed into a file of its own, and proved as `job`; it is never coded a second time.
    """

    profile: Profile
    of: str
    rung: str | None = None
    job: Job | None = None


def without_twins(source: Source, jobs: Sequence[Job]) -> tuple[list[Job], tuple[Twin, ...]]:
    """The jobs that are to be carried out, and those that are had from them, in the order to make them in."""
    kept, copies = _without_copies(source, jobs)
    rungs = {film: (job.profile.name, name) for job in kept for film, name in _films(source, job)}
    coded, packed = [], []
    for job in kept:
        found = None if job.copies_picture else rungs.get(_identity(source, job))
        if found is None or job.profile.output is not Output.MP4:
            coded.append(job)
        else:
            packed.append(Twin(job.profile, *found, job))
    return coded, (*packed, *copies)


def _without_copies(source: Source, jobs: Sequence[Job]) -> tuple[list[Job], tuple[Twin, ...]]:
    first: dict[Job, str] = {}
    kept, twins = [], []
    for job in jobs:
        name = first.setdefault(_identity(source, job), job.profile.name)
        if name == job.profile.name:
            kept.append(job)
        else:
            twins.append(Twin(job.profile, name))
    return kept, tuple(twins)


def _films(source: Source, job: Job) -> list[tuple[Job, str]]:
    """Each rung of a stream as the job of an MP4, by which that one is known again."""
    if job.profile.output is not Output.HLS:
        return []
    alone = replace(job, profile=replace(job.profile, output=Output.MP4), copies_picture=False)
    return [
        (_identity(source, replace(alone, pictures=(picture,))), picture.rung.name)
        for number, picture in enumerate(job.pictures)
        if number or not job.copies_picture
    ]


def _identity(source: Source, job: Job) -> Job:
    """The job without its name, limits and reasons: what decides the film itself."""
    anonymous = replace(
        job.profile, name="", kinds=(), label=Text("", ""), source="", bounds=Bounds(), extras=(), cited=()
    )
    if job.profile.output is Output.MP4:
        anonymous = replace(anonymous, segment_s=0)
    if job.pictures:  # they hold the sizes and rates by now
        anonymous = replace(anonymous, rungs=(), max_frame_rate=Fraction(1), is_rate_fixed=False)
        top = job.pictures[0]
        if contain(*video_size(source.facts), (top.width, top.height)) == (top.width, top.height):
            anonymous = replace(anonymous, canvas=None, is_landscape=False)  # nothing to pad
    return replace(job, profile=anonymous, reasons=())
