"""Search of the archive over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.asking import Asker, Unit
from api.cursors import read_place, write_place
from api.detail import lines
from api.openapi import API, problems
from api.problems import invalid_field
from api.schemas.search import ExcerptShown, SearchHit, SearchPage, SearchQuery
from api.schemas.submissions import SubmissionLine
from storage.search import Hit, Match, SearchFilter, search
from storage.search_words import terms

router = APIRouter(prefix=API, tags=["submissions"])


def _filter(asked: SearchQuery) -> SearchFilter:
    if not terms(asked.q):
        raise invalid_field("q", "请输入要找的词。", "Give words to look for.")
    after = None
    if asked.cursor is not None:
        at, item_id, number = read_place(asked.cursor)
        if number not in list(Match):
            raise invalid_field("cursor", "不是有效的游标。", "This is no cursor of a search.")
        after = (Match(number), at, item_id)
    narrowed = asked.model_dump(include={"column", "byline", "platform", "since", "until"})
    return SearchFilter(asked.q, tuple(asked.state), after=after, **narrowed)


@router.get("/search", summary="检索 · Search the archive", responses=problems("invalid-request"))
async def found(asked: Annotated[SearchQuery, Query()], asker: Asker, unit: Unit) -> SearchPage:
    """Pieces that you may see, by title, digest, byline, tags, text and captions of their newest revision."""
    hits = await search(unit, asker, _filter(asked), asked.limit + 1)
    page, has_more = hits[: asked.limit], len(hits) > asked.limit
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
