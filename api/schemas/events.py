"""Events: what people ask of a submission."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Reason, Sha256, Shown
from api.schemas.submissions import Standing
from states.submission import Event

_HASH = "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"


class EventOrder(Body):
    """One event. Decisions name the revision that was read; some events take a reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event": "claim"},
                {"event": "approve", "revision_sha256": _HASH, "comment": "事实已核对"},
                {"event": "return_for_revision", "revision_sha256": _HASH, "reason": "请补充现场照片"},
            ]
        }
    )
    event: Event
    revision_sha256: Sha256 | None = None
    reason: Reason | None = None
    comment: Reason | None = None


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
