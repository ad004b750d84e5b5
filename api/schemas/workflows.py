"""Workflows: the reviews of a column, as administrators define them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Line, Name, PersonRef, Shown, TextShown
from states.item import State
from states.roles import Role
from states.text import Text
from states.workflow import Deadline, Stage, Workflow

_EXAMPLE: dict[str, Any] = {
    "column": "要闻",
    "start": "first_review",
    "stages": [
        {
            "key": "first_review",
            "state": "first_review",
            "label": {"zh": "初审（双签）", "en": "first review, two signatures"},
            "role": "duty_editor",
            "next": "second_review",
            "signatures": 2,
            "deadline": {"ordinary_min": 120, "fast_track_min": 20, "remind_min": 30},
        },
        {
            "key": "second_review",
            "state": "second_review",
            "label": {"zh": "复审", "en": "second review"},
            "role": "desk_head",
            "next": "legal",
        },
        {
            "key": "legal",
            "state": "extra_review",
            "label": {"zh": "法务审读", "en": "legal reading"},
            "role": "desk_head",
            "next": "final_review",
        },
        {
            "key": "final_review",
            "state": "final_review",
            "label": {"zh": "终审", "en": "final review"},
            "role": "editor_in_chief",
        },
    ],
}
_YEAR_MIN = 366 * 24 * 60

# What only an integer too large for the database, or a name that is none, keeps out; the rest is named as faults.
Minutes = Annotated[int, Field(ge=-_YEAR_MIN, le=_YEAR_MIN)]
Key = Annotated[Line, Field(min_length=1, max_length=100)]


class LabelOrder(Body):
    """The name of a stage in both languages."""

    zh: Name
    en: Name


class DeadlineOrder(Body):
    """Working minutes for an ordinary piece, minutes by the clock on the fast track; when to remind before."""

    ordinary_min: Minutes
    fast_track_min: Minutes
    remind_min: Minutes = 0


class StageOrder(Body):
    """One stage. `next` is the key of the one that follows; the final review has none."""

    key: Key
    state: Literal["first_review", "second_review", "final_review", "extra_review"]
    label: LabelOrder
    role: Role
    next: Key | None = None
    signatures: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        1, description="会签: how many must sign, 1 to 9."
    )
    deadline: DeadlineOrder | None = None


class WorkflowOrder(Body):
    """The reviews of a column; without a column, of every column without its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    column: Name | None
    start: Key
    stages: Annotated[list[StageOrder], Field(max_length=20)]

    def to_workflow(self) -> Workflow:
        """As `states` knows it."""
        return Workflow(tuple(_stage(each) for each in self.stages), self.start)


def _stage(order: StageOrder) -> Stage:
    return Stage(
        key=order.key,
        state=State(order.state),
        label=Text(order.label.zh, order.label.en),
        role=order.role,
        next=order.next,
        signatures=order.signatures,
        deadline=Deadline(**order.deadline.model_dump()) if order.deadline else None,
    )


class DeadlineShown(Shown):
    """As in `DeadlineOrder`."""

    ordinary_min: int
    fast_track_min: int
    remind_min: int


class StageShown(Shown):
    """One stage of the reviews."""

    key: str
    state: str
    label: TextShown
    role: str
    next: str | None
    signatures: int
    deadline: DeadlineShown | None


class WorkflowShown(Shown):
    """One version of the reviews; it never changes. `number` counts the versions of its column."""

    id: int
    column: str | None = Field(description="null: every column without its own")
    number: int
    start: str
    stages: list[StageShown]
    created_by: PersonRef | None = Field(description="null: it came with the product")
    created_at: datetime
