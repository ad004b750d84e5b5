"""Unsaved work: what somebody typed, kept apart from the piece."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from api.schemas.base import Body, PersonRef, Shown, Words


class TypedCrop(Body):
    """A crop as it was drawn."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


class TypedFinishing(Body):
    """What is to be done to a file, as far as it was chosen."""

    crop: TypedCrop | None = None
    subtitles: Words | None = Field(None, max_length=64)
    burns_in: bool = False
    has_logo: bool = False
    has_clips: bool = False


class TypedAsset(Body):
    """A file as it was arranged and captioned."""

    sha256: Words = Field(max_length=64)
    caption: Words | None = Field(None, max_length=1000)
    finishing: TypedFinishing | None = None


class TypedWallClock(Body):
    """A time as it was typed."""

    local: Words = Field("", max_length=32)
    zone: Words = Field("", max_length=64)


_Short = Annotated[Words, Field(max_length=100)]


class TypedAdaptation(Body):
    """The words for one destination as they were typed."""

    destination: _Short = ""
    title: Words | None = Field(None, max_length=200)
    digest: Words | None = Field(None, max_length=1000)
    body: Words | None = Field(None, max_length=200_000)
    tags: list[_Short] | None = Field(None, max_length=20)
    cover: _Short | None = None


class TypedContent(Body):
    """The fields of a submission as they were typed: sizes as for saving, but nothing need be complete or right."""

    title: Words = Field("", max_length=200)
    digest: Words = Field("", max_length=1000)
    body: Words = Field("", max_length=200_000)
    byline: Words = Field("", max_length=200)
    column: _Short | None = None
    language: _Short = ""
    tags: list[_Short] = Field(default_factory=list, max_length=20)
    ai_label: _Short = ""
    destinations: list[_Short] = Field(default_factory=list, max_length=50)
    correction_note: Words = Field("", max_length=1000)
    embargo: TypedWallClock | None = None
    cover: _Short = ""
    adaptations: list[TypedAdaptation] = Field(default_factory=list, max_length=50)
    assets: list[TypedAsset] = Field(default_factory=list, max_length=200)


class NewAutosave(Body):
    """What was typed, and over which revision. Fields left out were not touched."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"base_revision_number": 3, "content": {"title": "村口新桥通车", "tags": ["民"]}}]
        }
    )
    base_revision_number: int = Field(ge=1, le=2**31 - 1)
    content: TypedContent


class AutosaveShown(Shown):
    """A person's unsaved copy."""

    person: PersonRef
    base_revision_number: int
    current_revision_number: int
    is_outdated: bool = Field(description="The piece has changed since: compare before saving.")
    saved_at: datetime
    content: dict[str, Any]


class Autosaves(Shown):
    """Unsaved copies, newest first, 20 at the most."""

    autosaves: list[AutosaveShown]
