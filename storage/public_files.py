"""How public bytes are labelled: what a browser may show, and what it only may save."""

from collections.abc import Mapping
from types import MappingProxyType

# S3's own word for it. SeaweedFS 4.48 forgets `application/octet-stream` and goes by the name: `x.html` stored as
# that comes back as text/html (measured 2026-11-22).
BINARY = "binary/octet-stream"
# Nothing here runs in a browser. SVG, HTML, XML and PDF do, and are handed out as downloads.
_SHOWN = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/apng",
        "image/gif",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "video/iso.segment",
        "audio/mp4",
        "audio/mpeg",
        "audio/aac",
        "audio/ogg",
        "audio/wav",
        "application/vnd.apple.mpegurl",
        "text/vtt",
    }
)
# A copy in a shared cache outlives a retraction by this much and no more.
CACHING = "public, max-age=60"
_COMMON = {"Cache-Control": CACHING}


def public_labels(media_type: str) -> tuple[str, Mapping[str, str]]:
    """The type under which a public file is stored and sent, and its other headers.

    What is not among the types that only show becomes a binary file to be saved.
    """
    plain = media_type.partition(";")[0].strip().lower()
    if plain in _SHOWN:
        return plain, MappingProxyType(_COMMON)
    return BINARY, MappingProxyType({**_COMMON, "Content-Disposition": "attachment"})
