"""My queue: what waits for the person who asks."""

from pydantic import Field

from api.schemas.base import Shown
from api.schemas.submissions import SubmissionLine


class QueueLine(SubmissionLine):
    """One piece that waits for you."""

    why: str = Field(
        description="`held`: you have it in hand; `correcting`: a correction of yours; `override`: an emergency "
        "override waits for your confirmation; `returned`: your own piece, to be revised; `review`: you could "
        "claim it."
    )
    time_left_s: float | None = Field(description="Seconds until it is due, below zero once it is overdue.")
    is_overdue: bool


class Queue(Shown):
    """One page, what is due first first; `next` is the cursor of the page behind it."""

    items: list[QueueLine]
    next: str | None
