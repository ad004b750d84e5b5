"""Search of the archive: what was found, and where."""

from datetime import datetime

from pydantic import AwareDatetime, Field

from api.schemas.base import Body, Name, Shown, Words
from api.schemas.submissions import SubmissionLine
from states.item import State


class SearchQuery(Body):
    """What to look for, and among what."""

    q: Words = Field(min_length=1, max_length=100, description="Words; all of them must be there.")
    state: list[State] = Field([], description="Only these states.")
    column: Words | None = Field(None, max_length=100)
    byline: Words | None = Field(None, max_length=100, description="Part of the byline.")
    platform: Name | None = Field(None, description="Went out to this platform or destination.")
    since: AwareDatetime | None = Field(None, description="Revised at this time or later.")
    until: AwareDatetime | None = Field(None, description="Revised before this time.")
    cursor: str | None = Field(None, max_length=100, description="`next` of the page before.")
    limit: int = Field(20, ge=1, le=100)


class ExcerptShown(Shown):
    """The sentence with the hit. `marks` are [from, to) in characters (Unicode code points) of the sentence."""

    sentence: str
    marks: list[tuple[int, int]]


class SearchHit(SubmissionLine):
    """One piece that was found."""

    byline: str
    match: str = Field(
        description="`words`: as asked, by whole words (和服); `part`: as asked, across other words (产品和服务); "
        "`apart`: all its words, with others between. In this order."
    )
    revised_at: datetime = Field(description="When its newest revision was made, by which hits are in order.")
    excerpt: ExcerptShown | None


class SearchPage(Shown):
    """One page of hits; `next` is the cursor of the page behind it."""

    items: list[SearchHit]
    next: str | None
