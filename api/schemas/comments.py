"""Comments, where on a piece they stand, and the reasons that a newsroom keeps ready."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from api.schemas.base import Body, PersonRef, Reason, Sha256, Shown, Words, refuse
from api.schemas.destinations import Slug
from states.events import Event

MOST_COMMENTS = 50  # with one event
_LARGEST = 2**53 - 1  # what every JSON reader keeps exactly
_PARTS = 10_000


class TextAnchor(Body):
    """A range of a text, counted in Unicode code points from 0; `quote` is what stands there."""

    kind: Literal["text"]
    field: Literal["title", "digest", "body"]
    start: int = Field(ge=0, le=_LARGEST)
    end: int = Field(ge=1, le=_LARGEST, description="Behind the last code point.")
    quote: Words = Field(min_length=1, max_length=2000)


class RegionAnchor(Body):
    """A rectangle on a picture, in ten-thousandths of its width and height, from the upper left."""

    kind: Literal["region"]
    asset_sha256: Sha256
    x: int = Field(ge=0, lt=_PARTS)
    y: int = Field(ge=0, lt=_PARTS)
    width: int = Field(ge=1, le=_PARTS)
    height: int = Field(ge=1, le=_PARTS)

    @model_validator(mode="after")
    def _lies_inside(self) -> Self:
        if max(self.x + self.width, self.y + self.height) > _PARTS:
            raise refuse(
                "选区超出画面：x+width 和 y+height 不能超过 10000。",
                "The rectangle leaves the picture: x+width and y+height are 10000 at the most.",
            )
        return self


class Seconds(Body):
    """A time in a recording, as an exact fraction of seconds: frame 100 of 30000/1001 is 100100/30000."""

    num: int = Field(ge=0, le=_LARGEST)
    den: int = Field(ge=1, le=_LARGEST)


class TimeAnchor(Body):
    """A moment of a video or a sound, or the time from `at` until `until`."""

    kind: Literal["time"]
    asset_sha256: Sha256
    at: Seconds
    until: Seconds | None = None


Anchor = Annotated[TextAnchor | RegionAnchor | TimeAnchor, Field(discriminator="kind")]


class NewComment(Body):
    """A comment. Without `revision_sha256` it is on the revision that the event names, else the current one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"body": "请核对通车日期"},
                {
                    "body": "这里少一个字",
                    "anchor": {"kind": "text", "field": "title", "start": 2, "end": 4, "quote": "新桥"},
                },
                {
                    "body": "此处有车牌，请打码",
                    "anchor": {
                        "kind": "region",
                        "asset_sha256": "0" * 64,
                        "x": 1200,
                        "y": 5000,
                        "width": 800,
                        "height": 300,
                    },
                },
                {
                    "preset_reason_id": "facts-to-verify",
                    "anchor": {"kind": "time", "asset_sha256": "0" * 64, "at": {"num": 100100, "den": 30000}},
                },
            ]
        }
    )
    body: Reason | None = Field(None, description="Can be left out where a preset reason says it all.")
    revision_sha256: Sha256 | None = None
    anchor: Anchor | None = None
    preset_reason_id: Slug | None = None
    reply_to: UUID | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.preset_reason_id is None and not (self.body or "").strip():
            raise refuse("请写下批注，或选择一条预设理由。", "Write the comment, or choose a preset reason.")
        return self


class CommentShown(Shown):
    """One comment. Its hash is on record; an erased one has no words any more."""

    id: UUID
    submission_id: UUID
    revision_sha256: str
    is_current: bool = Field(description="Whether its revision is the current one.")
    author: PersonRef
    body: str
    anchor: dict[str, Any] | None
    item_seq: int | None = Field(description="The event that it came with; null when it was made apart.")
    preset_reason_id: str | None
    reply_to: UUID | None
    at: datetime
    resolved_at: datetime | None
    resolved_by: PersonRef | None
    sha256: str


class CommentPage(Shown):
    """One page of a list, in the order of making; `next` is the cursor of the page behind it."""

    items: list[CommentShown]
    next: str | None


_ReasonText = Annotated[Words, Field(min_length=1, max_length=200)]
_Position = Annotated[int, Field(ge=0, le=10_000, description="Among those of its event, least first.")]


class NewPresetReason(Body):
    """A reason to be kept ready for an event that takes one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "no-people-in-picture",
                    "event": "return_for_revision",
                    "zh": "图片中没有人物：请补充有人物的现场图片。",
                    "en": "There are no people in the pictures; send some with people at the scene.",
                    "position": 25,
                }
            ]
        }
    )
    id: Slug
    event: Event
    zh: _ReasonText
    en: _ReasonText
    position: _Position = 0


class PresetReasonPatch(Body):
    """Fields to change; those left out stay. What was recorded keeps the words of its day."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}, {"position": 5}]})
    zh: _ReasonText = ""
    en: _ReasonText = ""
    position: _Position = 0
    is_active: bool = True


class PresetReasonShown(Shown):
    """A reason kept ready. Name it by `preset_reason_id` in an event, and its Chinese words are recorded."""

    id: str
    event: str
    zh: str
    en: str
    position: int
    is_active: bool


class PresetReasonPage(Shown):
    """One page of a list, by event and position; `next` is the cursor of the page behind it."""

    items: list[PresetReasonShown]
    next: str | None
