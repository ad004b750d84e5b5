"""The identity of a rendition: the same source, profile, tools and graph give the same key, on any machine."""

import hashlib
import json
from dataclasses import asdict

from media._ffmpeg import ffmpeg_build
from media.commands import GRAPH_VERSION
from media.dressing import NOTHING, Dressing
from media.profiles import Profile

# Words and where numbers are from change no pixel.
_WORDS = ("label", "source", "cited")


def rendition_key(source_sha256: str, profile: Profile, dressing: Dressing = NOTHING) -> str:
    """A lower-case hex SHA-256 over source hash, profile definition, dressing, ffmpeg build and graph version.

    Reads the dressing's files to hash them; what the profile does not take of it counts all the same.
    """
    numbers = {name: value for name, value in asdict(profile).items() if name not in _WORDS}
    definition = {
        "source": source_sha256,
        "profile": numbers,
        "dressing": dressing.identity() if dressing != NOTHING else None,
        "ffmpeg": ffmpeg_build(),
        "graph": GRAPH_VERSION,
    }
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
