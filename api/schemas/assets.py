"""Files of a submission: what intake made of them and found in them."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.schemas.base import Shown, TextShown


class AssetLinks(Shown):
    """Addresses that can be read for one hour; what is not made is null."""

    original: str | None = Field(
        description="null while a file waits for its malware scan, or did not pass it"
    )
    preview: str | None = None
    poster: str | None = None
    thumbnail: str | None = None


class Finding(Shown):
    """Something about a file that a reviewer should know; with its place in a film or a sound, where it has one."""

    code: str
    zh: str
    en: str
    at_s: float | None = Field(None, description="Seconds from the start.")
    until_s: float | None = Field(None, description="The end of a stretch that begins at `at_s`.")


class DuplicateShown(Shown):
    """A file of another submission that is like this one. What you may not see has no name here."""

    kind: Literal["same", "essence", "likely"] = Field(
        description="`same` bytes, the same `essence` in another container, or pictures that `likely` are the same."
    )
    text: TextShown
    submission_id: UUID | None = None
    title: str | None = None
    column: str | None = None
    state: str | None = None
    filename: str | None = None
    link: str | None = Field(None, description="The other submission in this API.")
    at_s: float | None = Field(None, description="Where in this film the pictures are most alike.")


class CoverShown(Shown):
    """A picture that may stand for a film; no reader sees it before it is chosen."""

    at_s: float
    width: int
    height: int
    url: str


class StoryboardShown(Shown):
    """Small pictures of a film on one sheet; the cues (WebVTT) say `storyboard.jpg#xywh=…` for the sheet."""

    sheet: str
    cues: str
    count: int
    tile_width: int
    tile_height: int


class ReviewShown(Shown):
    """What reviewers look at beside the preview; addresses that can be read for one hour."""

    covers: list[CoverShown]
    storyboard: StoryboardShown | None
    waveform: str | None = Field(description="JSON of audiowaveform, version 2")
    loudness_lufs: float | None
    peak_dbtp: float | None


class CaptureShown(Shown):
    """What the file itself says of its making. Kept in the archive alone, for the author and for editors."""

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    device: str | None = None
    author: str | None = None
    owner: str | None = None
    copyright: str | None = None
    taken_at: str | None = Field(None, description="ISO 8601, with an offset where one is stated.")
    software: str | None = None


class CropShown(Shown):
    """What is kept where another shape is needed; pixels of the upright picture, from its upper left."""

    x: int
    y: int
    width: int
    height: int


class FinishingShown(Shown):
    """What is done to the file on its way out, on each platform as far as it allows."""

    crop: CropShown | None
    subtitles: str = Field(description="SHA-256 of the file of subtitles; empty where there is none")
    burns_in: bool
    has_logo: bool
    has_clips: bool


class AssetShown(Shown):
    """A file of the current revision, with what intake made of it."""

    sha256: str
    filename: str
    caption: str
    finishing: FinishingShown | None
    size_bytes: int
    intake: str = Field(description="waiting, passed or refused")
    kind: str | None
    media_type: str | None
    refusal: Finding | None
    findings: list[Finding]
    duplicates: list[DuplicateShown] = Field(description="Hints for a person; no file is refused for them.")
    review: ReviewShown | None = Field(
        description="null for what is neither film nor sound, and before intake"
    )
    capture: CaptureShown | None = Field(description="null where there is none, or it is not for you")
    contents: dict[str, Any] = Field(
        description="`package` (files of an H5 page), `document` (its first paragraphs, its pictures), `appended` "
        "(what follows a picture in its file)."
    )
    links: AssetLinks
