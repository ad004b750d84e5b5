"""Submissions: what is written, what a list shows, what a page shows."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.assets import AssetShown
from api.schemas.base import Body, Line, Name, PersonRef, Sha256, Shown, TextShown, WallClock, Words, refuse
from api.schemas.destinations import Slug
from states.content import AiLabel

_EXAMPLE: dict[str, Any] = {
    "title": "村口新桥通车 两岸往来更近",
    "digest": "青川村新桥昨日通车，村民过河由四十分钟缩短为五分钟。",
    "body": "11月21日上午，青川村新桥正式通车。\n\n“以前绕路要四十分钟。”村民王大爷说。",
    "byline": "通讯员 张伟",
    "column": "要闻",
    "tags": ["民生", "交通"],
    "ai_label": "none",
    "destinations": ["app"],
}


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise refuse("有重复项，请删除。", "Something is listed twice; remove it.")
    return values


Tag = Annotated[Line, Field(min_length=1, max_length=40)]


class AdaptationEntry(Body):
    """What one destination is told in other words; a field that is left out or null is as in the piece itself."""

    destination: Slug
    title: Line | None = Field(None, max_length=200)
    digest: Words | None = Field(None, max_length=1000)
    body: Words | None = Field(None, max_length=200_000)
    tags: Annotated[list[Tag], AfterValidator(_distinct)] | None = Field(None, max_length=20)
    cover: Sha256 | None = None


def _one_each(entries: list[AdaptationEntry]) -> list[AdaptationEntry]:
    _distinct([each.destination for each in entries])
    return entries


class ContentFields(Body):
    """The words of a submission. Plain text; paragraphs are separated by an empty line."""

    title: Line = Field("", max_length=200)
    digest: Words = Field("", max_length=1000)
    body: Words = Field("", max_length=200_000)
    byline: Line = Field("", max_length=200)
    column: Name | None = None
    language: str = Field("zh-CN", max_length=35, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    tags: Annotated[list[Tag], AfterValidator(_distinct)] = Field(default_factory=list, max_length=20)
    ai_label: AiLabel = "undeclared"
    destinations: Annotated[list[Slug], AfterValidator(_distinct)] = Field(
        default_factory=list, max_length=50
    )
    correction_note: Words = Field("", max_length=1000)
    embargo: WallClock | None = Field(
        None, description="禁发截止: not before this time, whatever is scheduled."
    )
    cover: Sha256 | Literal[""] = Field(
        "", description="The file whose picture stands for the piece; empty: the first that has one."
    )
    adaptations: Annotated[list[AdaptationEntry], AfterValidator(_one_each)] = Field(
        default_factory=list,
        max_length=50,
        description="Other words for single destinations, signed with the rest. The newsroom's own app takes none.",
    )


class NewSubmission(ContentFields):
    """A new draft. Everything can be left out and filled in later."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    is_fast_track: bool = Field(False, description="绿色通道: shorter waits, the same three reviews.")


class CropEntry(Body):
    """What of a picture is kept where another shape is needed; pixels of the upright picture, from its upper left."""

    x: int = Field(ge=0, le=100_000)
    y: int = Field(ge=0, le=100_000)
    width: int = Field(ge=16, le=100_000)
    height: int = Field(ge=16, le=100_000)


class FinishingEntry(Body):
    """后期: what is done to a file on its way out. Each platform gets what it allows."""

    crop: CropEntry | None = Field(
        None, description="Without one, another shape is filled up by a blurred frame."
    )
    subtitles: Sha256 | None = Field(
        None, description="SRT or WebVTT in UTF-8, a file of this submission too."
    )
    burns_in: bool = Field(False, description="Subtitles in the picture; else a file beside it.")
    has_logo: bool = Field(False, description="台标: the station's logo in the corner.")
    has_clips: bool = Field(False, description="片头片尾: the station's opening and closing clips.")


class AssetEntry(Body):
    """One file that the submission already has. A caption or finishing that is left out stays as it is."""

    sha256: Sha256
    caption: Words | None = Field(None, max_length=1000)
    finishing: FinishingEntry | None = Field(None, description="As a whole; null takes it away.")


class SubmissionPatch(ContentFields):
    """Fields to change; those left out stay as they are. `assets` reorders, captions and removes files."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"title": "新桥通车 过河只需五分钟", "tags": ["民生"]},
                {"assets": [{"sha256": "0" * 64, "caption": "通车现场"}]},
            ]
        }
    )
    assets: list[AssetEntry] = Field(default_factory=list, max_length=200)


class Standing(Shown):
    """Where a submission stands after a change; the version is also in the ETag."""

    id: UUID
    version: int
    state: str
    revision_number: int
    revision_sha256: str


class SubmissionLine(Standing):
    """One line of a list."""

    title: str
    column: str | None
    is_fast_track: bool
    author: PersonRef
    claimed_by: PersonRef | None
    claimed_until: datetime | None = Field(description="When the claim lapses unless it is renewed.")
    stage: str | None = Field(description="The stage of its workflow that the piece is in, or waits for.")
    due_at: datetime | None = Field(description="When that stage is due.")
    live_revision_number: int | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


class SubmissionPage(Shown):
    """One page of a list; `next` is the cursor of the page behind it."""

    items: list[SubmissionLine]
    next: str | None


class DestinationProblem(Shown):
    """Why a chosen destination would turn the submission away."""

    destination: str
    asset_sha256: str | None = Field(None, description="The file that it would not take.")
    code: str
    text: TextShown
    limit: int | None = None
    source: str = ""


class ReleaseShown(Shown):
    """When the piece goes out: the wall-clock time, if one is scheduled, and the moment (embargo included)."""

    local: str | None
    zone: str | None
    at: datetime


class OverrideShown(Shown):
    """An emergency override that waits for the second person."""

    asked_by: PersonRef
    asked_at: datetime
    stage: str


class SubmissionShown(SubmissionLine):
    """A submission, whole."""

    content: dict[str, object] = Field(description="The current revision, as it is hashed.")
    is_intake_done: bool
    last_editor: PersonRef
    workflow_id: int | None = Field(description="The version of its reviews; kept from the first submit on.")
    release: ReleaseShown | None
    override: OverrideShown | None
    allowed_events: list[str] = Field(description="What you could do now; `edit` is done by PATCH.")
    assets: list[AssetShown]
    problems: list[DestinationProblem]
    links: dict[str, str] = Field(description="`prefect_runs` for staff, `story` once readers see it.")
