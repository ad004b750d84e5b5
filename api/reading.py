"""Answers for readers and feed readers: validators, caching, and headers for pages."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import urlsplit

from fastapi import Request, Response

from api.asking import Resources
from api.preconditions import has_current
from platforms.story import Site
from storage.settings import Settings

# Shared caches may keep an answer for a few seconds; a retraction must not wait for longer.
_CACHING = "public, max-age=5"


def site_of(settings: Settings) -> Site:
    """The newsroom's public face, from the settings."""
    return Site(
        settings.site_name, settings.reader_url, settings.reader_media_url, settings.reader_packages_url
    )


def public_answer(
    request: Request, body: bytes, media_type: str, changed_at: datetime | None, status: int = 200
) -> Response:
    """The body with its validators, or 304 when the reader has it (RFC 9110 sections 13.1.2 and 13.1.3)."""
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": _CACHING}
    if changed_at is not None:
        headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    if status == 200 and _is_known(request.headers, headers["ETag"], changed_at):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, media_type)


def _is_known(asked: Mapping[str, str], etag: str, changed_at: datetime | None) -> bool:
    if "if-none-match" in asked:  # then the date does not count
        return has_current(asked["if-none-match"], etag)
    try:
        since = parsedate_to_datetime(asked.get("if-modified-since", ""))
    except (ValueError, TypeError):
        return False
    if changed_at is None or since.tzinfo is None:
        return False
    return changed_at.replace(microsecond=0) <= since


def page_headers(held: Resources) -> dict[str, str]:
    """A page of ours runs no script, and loads media and H5 pages from their own origins only."""
    origin, pages = map(_origin, (held.settings.reader_media_url, held.settings.reader_packages_url))
    policy = (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"img-src 'self' {origin}",
        f"media-src 'self' {origin}",
        f"connect-src {origin}",
        f"frame-src {pages}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
