"""The reviews of a column as data: the three that are always there, extra stages, countersigning, deadlines.

An item keeps the version that it was first sent in under. What may be wrong with a definition is in
`states.workflow_faults`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from states.item import REVIEWS, State
from states.roles import Role
from states.text import Text


@dataclass(frozen=True, slots=True)
class Deadline:
    """Minutes of working time for an ordinary piece, minutes by the clock on the fast track.

    `remind_min` before the deadline the holder is reminded; when it has passed, it is escalated.
    """

    ordinary_min: int
    fast_track_min: int
    remind_min: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. `state` is a review or `extra_review`; `next` names the stage that follows, None: sign-off."""

    key: str
    state: State
    label: Text
    role: Role
    next: str | None
    signatures: int = 1
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One version of a column's reviews; `start` is the key of its first stage."""

    stages: tuple[Stage, ...]
    start: str
    by_key: Mapping[str, Stage] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {stage.key: stage for stage in self.stages})

    def after(self, key: str) -> Stage | None:
        """The stage that follows; None when the sign-off does."""
        following = self.by_key[key].next
        return None if following is None else self.by_key[following]

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"start": self.start, "stages": [asdict(stage) for stage in self.stages]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Workflow":
        """The inverse of `to_json`."""
        return cls(tuple(_stage(each) for each in value["stages"]), value["start"])


def _stage(value: Mapping[str, Any]) -> Stage:
    deadline = value.get("deadline")
    return Stage(
        key=value["key"],
        state=State(value["state"]),
        label=Text(**value["label"]),
        role=Role(value["role"]),
        next=value["next"],
        signatures=value["signatures"],
        deadline=Deadline(**deadline) if deadline else None,
    )


REVIEW_ROLES: Mapping[State, Role] = {
    State.FIRST_REVIEW: Role.DUTY_EDITOR,
    State.SECOND_REVIEW: Role.DESK_HEAD,
    State.FINAL_REVIEW: Role.EDITOR_IN_CHIEF,
}
_LABELS = {
    State.FIRST_REVIEW: Text("初审", "first review"),
    State.SECOND_REVIEW: Text("复审", "second review"),
    State.FINAL_REVIEW: Text("终审", "final review"),
}
# A working morning for each review, half an hour each on the fast track; a newsroom sets its own.
_DEADLINE = Deadline(ordinary_min=240, fast_track_min=30, remind_min=60)

# What a column has until an administrator defines its own: the three reviews, one signature each.
STANDARD = Workflow(
    stages=tuple(
        Stage(state.value, state, _LABELS[state], REVIEW_ROLES[state], following, deadline=_DEADLINE)
        for state, following in zip(
            REVIEWS, (State.SECOND_REVIEW.value, State.FINAL_REVIEW.value, None), strict=True
        )
    ),
    start=State.FIRST_REVIEW.value,
)
