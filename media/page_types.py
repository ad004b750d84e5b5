"""The types of the files in an H5 page, by their extension alone: what they say of themselves is never believed."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

BINARY = "application/octet-stream"
# WHATWG MIME Sniffing Standard and the IANA registry, read 2026-11-22. Without a charset: a page names its own.
PAGE_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "html": "text/html",
        "htm": "text/html",
        "css": "text/css",
        "js": "text/javascript",
        "mjs": "text/javascript",
        "json": "application/json",
        "webmanifest": "application/manifest+json",
        "wasm": "application/wasm",
        "txt": "text/plain",
        "atlas": "text/plain",
        "vtt": "text/vtt",
        "xml": "application/xml",
        "svg": "image/svg+xml",
        "png": "image/png",
        "apng": "image/apng",
        "jpg": "image/jpeg",
        "jpeg": "image/jpeg",
        "gif": "image/gif",
        "webp": "image/webp",
        "avif": "image/avif",
        "bmp": "image/bmp",
        "ico": "image/vnd.microsoft.icon",
        "mp4": "video/mp4",
        "m4v": "video/mp4",
        "webm": "video/webm",
        "mp3": "audio/mpeg",
        "m4a": "audio/mp4",
        "aac": "audio/aac",
        "ogg": "audio/ogg",
        "wav": "audio/wav",
        "woff": "font/woff",
        "woff2": "font/woff2",
        "ttf": "font/ttf",
        "otf": "font/otf",
        "glb": "model/gltf-binary",
        "gltf": "model/gltf+json",
    }
)


def page_type(name: str) -> str:
    """The type of a file of a page; `BINARY` for every extension that is not in the table."""
    return PAGE_TYPES.get(PurePosixPath(name).suffix.removeprefix(".").lower(), BINARY)
