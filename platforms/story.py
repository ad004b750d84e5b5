"""The signed story as platforms see it: text, media, renditions, and the addresses readers get."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote

MediaKind = Literal["video", "audio", "still", "package"]
AiLabel = Literal["none", "assisted", "generated"]
Status = Literal["usable", "withdrawn", "canceled"]

PAGE_PROFILE = "app_package"
SUBTITLES = "subtitles"  # the role of a side file
# What readers may fetch, the best first; every other rendition (preview, vertical) stays private.
PUBLIC_PROFILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "video": ("app_hls", "app_mp4", "poster"),
        "audio": ("app_audio",),
        "still": ("app_still", "thumbnail"),
        "package": (PAGE_PROFILE,),
    }
)
# And what they may fetch beside it, where the file has it: a video's sound alone, for who has no data for pictures.
WHERE_POSSIBLE: Mapping[str, tuple[str, ...]] = MappingProxyType({"video": ("app_audio",)})

# XML 1.0, section 2.2: the characters that no document may hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class StoryFile:
    """One finished file of a rendition; `name` is relative to its rendition, `object_key` is private."""

    role: str
    name: str
    object_key: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoryRendition:
    """One profile's result; the first file is the one to open."""

    profile: str
    files: tuple[StoryFile, ...]
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def primary(self) -> StoryFile:
        """The file a player opens: the master playlist, the MP4, the picture."""
        return self.files[0]


@dataclass(frozen=True, slots=True)
class StoryMedia:
    """One asset of the story with the renditions made of it, by profile name."""

    asset_sha256: str
    kind: MediaKind
    filename: str
    caption: str
    renditions: Mapping[str, StoryRendition]

    @property
    def public_renditions(self) -> tuple[StoryRendition, ...]:
        """The renditions that readers get, the best first."""
        names = (*PUBLIC_PROFILES.get(self.kind, ()), *WHERE_POSSIBLE.get(self.kind, ()))
        made = (self.renditions.get(profile) for profile in names)
        return tuple(rendition for rendition in made if rendition is not None and rendition.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One signed revision. `body` is plain text with a blank line between paragraphs; times are UTC.

    Raises ValueError for an id that is no UUID in its usual form (feeds promise `urn:uuid:`), or for a
    time without a zone.
    """

    id: str
    version: int
    revision_sha256: str
    title: str
    digest: str
    body: str
    byline: str
    column: str
    language: str = "zh-CN"
    tags: tuple[str, ...] = ()
    ai_label: AiLabel = "none"
    published_at: datetime
    updated_at: datetime
    media: tuple[StoryMedia, ...] = ()
    cover: str = ""  # the asset whose picture stands for the story; empty: the first that has one
    status: Status = "usable"
    note: str | None = None

    def __post_init__(self) -> None:
        if str(uuid.UUID(self.id)) != self.id:
            raise ValueError("Story.id is not a UUID in lower case with hyphens")
        if self.published_at.tzinfo is None or self.updated_at.tzinfo is None:
            raise ValueError("Story times need a time zone")

    @property
    def urn(self) -> str:
        """The id in feeds; it never changes, whatever the version, title or host."""
        return f"urn:uuid:{self.id}"

    @property
    def cover_first(self) -> tuple[StoryMedia, ...]:
        """The media with the chosen cover before the others, for whoever takes the first picture."""
        return tuple(sorted(self.media, key=lambda media: media.asset_sha256 != self.cover))

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The body's paragraphs, without empty ones."""
        parts = re.split(r"\n[^\S\n]*\n", self.body.replace("\r\n", "\n"))
        return tuple(part.strip() for part in parts if part.strip())


@dataclass(frozen=True, slots=True)
class Site:
    """The newsroom's public face: its name, the addresses of pages, of public files, and of H5 pages.

    H5 pages run what they like, so that their address is of another origin than all the rest.
    """

    name: str
    url: str
    media_url: str
    pages_url: str
    language: str = "zh-CN"


def public_name(story: Story, media: StoryMedia, rendition: StoryRendition, file: StoryFile) -> str:
    """The file's key in the public bucket. Raises ValueError for a name that leaves its folder."""
    path = PurePosixPath(file.name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"rendition file name leaves its folder: {file.name!r}")
    return f"stories/{story.id}/v{story.version}/{media.asset_sha256[:16]}/{rendition.profile}/{path}"


def public_url(
    site: Site, story: Story, media: StoryMedia, rendition: StoryRendition, file: StoryFile
) -> str:
    """The address at which readers get the file. Raises ValueError as `public_name` does."""
    base = site.pages_url if rendition.profile == PAGE_PROFILE else site.media_url
    return f"{base.rstrip('/')}/{quote(public_name(story, media, rendition, file))}"


def site_link(site: Site, path: str) -> str:
    """An address on the site; `path` has no leading slash."""
    return f"{site.url.rstrip('/')}/{path}"


def story_url(site: Site, story: Story) -> str:
    """The address of the story's page."""
    return site_link(site, f"stories/{story.id}")


def legal_text(text: str) -> str:
    """The text without characters that XML 1.0 forbids (control characters, lone surrogates)."""
    return _ILLEGAL.sub("", text)


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second: `2026-11-22T06:05:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
