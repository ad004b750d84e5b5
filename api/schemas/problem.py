"""The problem document (RFC 9457) as OpenAPI describes it."""

from typing import Any

from pydantic import ConfigDict, Field

from api.schemas.base import Shown


class FieldProblem(Shown):
    """What is wrong with one field of the request."""

    field: str = Field(examples=["assets.0.sha256"])
    zh: str
    en: str


class FaultProblem(Shown):
    """What is wrong with a workflow, at which stage; null: with the whole."""

    code: str = Field(examples=["review-skipped"])
    stage: str | None
    zh: str
    en: str


class Problem(Shown):
    """Why a request was not done, and what to do next. Nothing has changed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(description="Stable name of the kind of problem.", examples=["/problems/illegal-event"])
    title: str
    status: int
    detail: str = Field(description="In the reader's language, by Accept-Language.")
    detail_zh: str
    detail_en: str
    instance: str = Field(description="The path that was asked for.")
    request_id: str
    errors: list[FieldProblem] | None = Field(None, description="For `/problems/invalid-request`.")
    allowed_events: list[str] | None = Field(None, description="For `/problems/illegal-event`.")
    guard: str | None = Field(None, description="For `/problems/guard-refused`: which condition.")
    details: list[Any] | None = Field(None, description="For `/problems/guard-refused`: what exactly.")
    current_version: int | None = Field(None, description="For `/problems/stale-version`.")
    faults: list[FaultProblem] | None = Field(
        None, description="For `/problems/workflow-invalid`: every one."
    )
