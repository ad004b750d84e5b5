"""Search of the archive over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from api.asking import Asker, Unit
from api.cursors import read_place, write_place
from api.detail import lines
from api.openapi import API, problems
from api.problems import invalid_field
from api.schemas.base import Name, Words
from api.schemas.search import ExcerptShown, SearchHit, SearchPage
from api.schemas.submissions import SubmissionLine
from states.item import State
from storage.search import Hit, Match, SearchFilter, search
from storage.search_words import terms

router = APIRouter(prefix=API, tags=["submissions"])


async def _wanted(  # noqa: PLR0917 - one for each part of the query string
    q: Annotated[Words, Query(min_length=1, max_length=100, description="Words; all of them must be there.")],
    state: Annotated[list[State] | None, Query(description="Only these states.")] = None,
    column: Annotated[Words | None, Query(max_length=100)] = None,
    byline: Annotated[Words | None, Query(max_length=100, description="Part of the byline.")] = None,
    platform: Annotated[Name | None, Query(description="Went out to this platform or destination.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Revised at this time or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Revised before this time.")] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
) -> SearchFilter:
    if not terms(q):
        raise invalid_field("q", "请输入要找的词。", "Give words to look for.")
    after = None
    if cursor is not None:
        at, item_id, number = read_place(cursor)
        if number not in list(Match):
            raise invalid_field("cursor", "不是有效的游标。", "This is no cursor of a search.")
        after = (Match(number), at, item_id)
    return SearchFilter(q, tuple(state or ()), column, byline, platform, since, until, after)


@router.get("/search", summary="检索 · Search the archive", responses=problems("invalid-request"))
async def found(
    wanted: Annotated[SearchFilter, Depends(_wanted)],
    asker: Asker,
    unit: Unit,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> SearchPage:
    """Pieces that you may see, by title, digest, byline, tags, text and captions of their newest revision."""
    hits = await search(unit, asker, wanted, limit + 1)
    page, has_more = hits[:limit], len(hits) > limit
    shown = zip(page, await lines(unit, [each.row for each in page]), strict=True)
    last = page[-1] if has_more else None
    return SearchPage(
        items=[_shown(hit, line) for hit, line in shown],
        next=write_place(last.at, last.row.id, last.match) if last else None,
    )


def _shown(hit: Hit, line: SubmissionLine) -> SearchHit:
    excerpt = hit.excerpt and ExcerptShown(sentence=hit.excerpt.sentence, marks=list(hit.excerpt.marks))
    return SearchHit(
        **dict(line), byline=hit.byline, match=hit.match.name.lower(), revised_at=hit.at, excerpt=excerpt
    )
