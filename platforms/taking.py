"""What a platform will not take of a file, as far as the file's facts tell: before anything is made of it."""

from media.job import Source
from media.plan import make_plan
from media.profiles import PROFILES, profiles_for
from platforms.frame import Platform, Problem


def not_taken(platform: Platform, source: Source) -> tuple[Problem, ...]:
    """A problem for each rendition that this platform needs and that cannot be made of the source. Reads no file."""
    kind = source.facts.kind
    names = [name for name in platform.renditions.get(kind.value, ()) if name in PROFILES]
    refusals = make_plan(source, profiles_for(kind, names)).refusals
    return tuple(
        Problem(f"{platform.name}.not_taken", each.text, None, each.profile.source) for each in refusals
    )
