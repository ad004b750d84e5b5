"""A story as IPTC ninjs 3.1 (iptc/newsinjson, schema 3.1, read 2026-11-22)."""

import base64
from typing import Any

from platforms.story import Site, Story, StoryMedia, StoryRendition, public_url, utc_text

MEDIA_TYPE = "application/json"

_STANDARD = {
    "name": "ninjs",
    "version": "3.1",
    "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json",
}
_PUB_STATUS = {"usable": "usable", "withdrawn": "withheld", "canceled": "canceled"}
_TYPES = {"video": "video", "audio": "audio", "still": "picture", "package": "component"}
# IPTC NewsCodes, Digital Source Type.
_SOURCE_TYPES = {
    "generated": ("人工智能生成内容", "trainedAlgorithmicMedia"),
    "assisted": ("含人工智能辅助生成内容", "compositeWithTrainedAlgorithmicMedia"),
}


def ninjs(story: Story, site: Site) -> dict[str, Any]:
    """The story as a ninjs 3.1 item. A withdrawn or cancelled one carries its id, status and note only."""
    item: dict[str, Any] = {
        "uri": story.urn,
        "standard": dict(_STANDARD),
        "type": "composite" if story.media else "text",
        "representationType": "full",
        "version": str(story.version),
        "firstCreated": utc_text(story.published_at),
        "versionCreated": utc_text(story.updated_at),
        "pubStatus": _PUB_STATUS[story.status],
        "language": story.language,
        "infoSources": [{"name": site.name, "role": "publisher", "uri": site.url}],
    }
    if story.note:
        item["edNote"] = story.note
    if story.status == "usable":
        item |= _content(story, site)
    return item


def _content(story: Story, site: Site) -> dict[str, Any]:
    body = "\n\n".join(story.paragraphs)
    content: dict[str, Any] = {
        "title": story.title,
        "headlines": [{"role": "main", "contentType": "text/plain", "value": story.title}],
        "bodies": [{"role": "main", "contentType": "text/plain", "charCount": len(body), "value": body}],
        "subjects": _subjects(story),
    }
    if story.byline:
        content["by"] = story.byline
    if story.digest:
        content["descriptions"] = [{"role": "summary", "contentType": "text/plain", "value": story.digest}]
    if story.ai_label in _SOURCE_TYPES:
        name, code = _SOURCE_TYPES[story.ai_label]
        uri = f"http://cv.iptc.org/newscodes/digitalsourcetype/{code}"
        content["digitalSourceType"] = {"name": name, "uri": uri}
    if story.media:
        content["associations"] = [
            _association(story, site, number, media) for number, media in enumerate(story.media, 1)
        ]
    return content


def _subjects(story: Story) -> list[dict[str, str]]:
    column = [{"name": story.column, "rel": "column"}] if story.column else []
    return column + [{"name": tag, "rel": "about"} for tag in story.tags]


def _association(story: Story, site: Site, number: int, media: StoryMedia) -> dict[str, Any]:
    item: dict[str, Any] = {
        "name": f"media-{number}",
        "uri": _content_uri(media.asset_sha256),
        "type": _TYPES[media.kind],
        "versionCreated": utc_text(story.updated_at),
        "renditions": [_rendition(story, site, media, made) for made in media.public_renditions],
    }
    if media.caption:
        item["descriptions"] = [{"role": "caption", "contentType": "text/plain", "value": media.caption}]
    return item


def _content_uri(sha256: str) -> str:
    """RFC 6920: a name for the content itself, the same wherever the file is."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
    return f"ni:///sha-256;{digest}"


def _rendition(story: Story, site: Site, media: StoryMedia, rendition: StoryRendition) -> dict[str, Any]:
    file = rendition.primary
    facts: dict[str, Any] = {
        "name": rendition.profile,
        "href": public_url(site, story, media, rendition, file),
        "contentType": file.media_type,
    }
    if file.role not in ("master", "playlist"):  # a playlist's own size says nothing about the video
        facts["sizeInBytes"] = file.size_bytes
    if rendition.width and rendition.height:
        facts |= {"width": rendition.width, "height": rendition.height}
    if rendition.duration_s is not None:
        facts["duration"] = rendition.duration_s
    return facts
