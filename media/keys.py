"""The identity of a rendition: the same source, profile, tools and graph give the same key, on any machine."""

import hashlib
import json
from dataclasses import asdict

from media._ffmpeg import ffmpeg_build
from media.commands import GRAPH_VERSION
from media.profiles import Profile


def rendition_key(source_sha256: str, profile: Profile) -> str:
    """A lower-case hex SHA-256 over source hash, profile definition, ffmpeg build and graph version."""
    definition = {
        "source": source_sha256,
        "profile": asdict(profile),
        "ffmpeg": ffmpeg_build(),
        "graph": GRAPH_VERSION,
    }
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
