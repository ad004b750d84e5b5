"""Events: what people ask of a submission."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Reason, Sha256, Shown, WallClock
from api.schemas.comments import MOST_COMMENTS, NewComment
from api.schemas.destinations import Slug
from api.schemas.submissions import Standing
from states.events import Event

_HASH = "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"


class EventOrder(Body):
    """One event. Decisions name the revision that was read; some events take a reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event": "claim"},
                {"event": "approve", "revision_sha256": _HASH, "comment": "事实已核对"},
                {"event": "return_for_revision", "revision_sha256": _HASH, "reason": "请补充现场照片"},
                {"event": "reject", "revision_sha256": _HASH, "preset_reason_id": "too-old"},
                {
                    "event": "return_for_revision",
                    "revision_sha256": _HASH,
                    "preset_reason_id": "facts-to-verify",
                    "comments": [
                        {
                            "body": "日期有误？",
                            "anchor": {
                                "kind": "text",
                                "field": "body",
                                "start": 0,
                                "end": 3,
                                "quote": "11月",
                            },
                        }
                    ],
                },
                {"event": "hand_over", "to": "0191d3a0-0000-7000-8000-000000000002"},
                {"event": "schedule", "release": {"local": "2026-11-23T08:00", "zone": "Asia/Shanghai"}},
            ]
        }
    )
    event: Event
    revision_sha256: Sha256 | None = None
    reason: Reason | None = None
    comment: Reason | None = None
    to: UUID | None = Field(None, description="Who takes the piece over (`hand_over`).")
    release: WallClock | None = Field(None, description="When it goes out (`schedule`).")
    preset_reason_id: Slug | None = Field(
        None, description="Its Chinese words are recorded as the reason, before those of `reason`."
    )
    comments: Annotated[list[NewComment], Field(max_length=MOST_COMMENTS)] = Field(default_factory=list)


class BatchItem(EventOrder):
    """One event for one submission. `version` is what If-Match is for a single one."""

    model_config = ConfigDict(json_schema_extra={})
    submission_id: UUID
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class Batch(Body):
    """Events for several submissions; each is done or refused on its own, in this order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [{"submission_id": "0191d3a0-0000-7000-8000-000000000001", "event": "claim"}]}
            ]
        }
    )
    items: Annotated[list[BatchItem], Field(min_length=1, max_length=100)]


class BatchResult(Shown):
    """What became of one item: where it stands, or the problem."""

    submission_id: UUID
    status: int
    standing: Standing | None = None
    problem: dict[str, Any] | None = None


class BatchResults(Shown):
    """One result for each item, in the same order."""

    results: list[BatchResult]
