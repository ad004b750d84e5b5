"""Search of the archive: what was found, and where."""

from datetime import datetime

from pydantic import Field

from api.schemas.base import Shown
from api.schemas.submissions import SubmissionLine


class ExcerptShown(Shown):
    """The sentence with the hit. `marks` are [from, to) in characters (Unicode code points) of the sentence."""

    sentence: str
    marks: list[tuple[int, int]]


class SearchHit(SubmissionLine):
    """One piece that was found."""

    byline: str
    match: str = Field(
        description="`words`: as asked, by whole words (和服); `part`: as asked, across other words (产品和服务); `apart`: "
        "all its words, with others between. In this order."
    )
    revised_at: datetime = Field(description="When its newest revision was made, by which hits are in order.")
    excerpt: ExcerptShown | None


class SearchPage(Shown):
    """One page of hits; `next` is the cursor of the page behind it."""

    items: list[SearchHit]
    next: str | None
