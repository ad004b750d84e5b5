"""From what the newsroom keeps to the story that a platform is given. Structural: it imports no storage."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

from platforms.story import MediaKind, Story, StoryFile, StoryMedia, StoryRendition
from states.content import AssetRef, Content

_MEDIA_KINDS = ("video", "audio", "still", "package")


class RenditionRecord(Protocol):
    """One finished rendition, as it is stored."""

    source_sha256: str
    profile: str
    files: list[Any]
    measured: dict[str, Any]


class StoryRecord(Protocol):
    """One revision with its renditions, as `storage.stories` reads it."""

    @property
    def submission_id(self) -> UUID: ...
    @property
    def revision_number(self) -> int: ...
    @property
    def revision_sha256(self) -> str: ...
    @property
    def content(self) -> Content: ...
    @property
    def asset_kinds(self) -> Mapping[str, str]: ...
    @property
    def renditions(self) -> Sequence[RenditionRecord]: ...
    @property
    def published_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def is_retracted(self) -> bool: ...
    @property
    def retraction_note(self) -> str | None: ...


def story_from(record: StoryRecord, destination: str = "") -> Story:
    """The story of one revision, with those of its assets that can be shown, in the words for this destination."""
    content = record.content.adapted(destination)
    return Story(
        id=str(record.submission_id),
        version=record.revision_number,
        revision_sha256=record.revision_sha256,
        title=content.title,
        digest=content.digest,
        body=content.body,
        byline=content.byline,
        column=content.column or "",
        language=content.language,
        tags=content.tags,
        # Undeclared cannot pass sign-off; a draft that is only checked counts as declared "none".
        ai_label="none" if content.ai_label == "undeclared" else content.ai_label,
        published_at=record.published_at,
        updated_at=record.updated_at,
        media=tuple(_media(record, asset) for asset in content.assets if _is_media(record, asset)),
        cover=content.cover,
        status="canceled" if record.is_retracted else "usable",
        note=record.retraction_note if record.is_retracted else content.correction_note or None,
    )


def _is_media(record: StoryRecord, asset: AssetRef) -> bool:
    return record.asset_kinds.get(asset.sha256) in _MEDIA_KINDS


def _media(record: StoryRecord, asset: AssetRef) -> StoryMedia:
    made = {
        each.profile: _rendition(each) for each in record.renditions if each.source_sha256 == asset.sha256
    }
    kind = cast(MediaKind, record.asset_kinds[asset.sha256])
    return StoryMedia(asset.sha256, kind, asset.filename, asset.caption, made)


def _rendition(record: RenditionRecord) -> StoryRendition:
    measured = record.measured
    files = tuple(StoryFile(**file) for file in record.files)
    return StoryRendition(
        record.profile,
        files,
        measured.get("width"),
        measured.get("height"),
        measured.get("duration_s"),
        measured,
    )
