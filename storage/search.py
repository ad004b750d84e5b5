"""Search of the archive: pieces by their words, newest first, as far as somebody may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from sqlalchemy import and_, exists, false, func, or_, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.content import Content
from states.item import State
from states.roles import Actor
from storage.board import visible
from storage.search_words import (
    CUT_VERSION,
    Excerpt,
    cut,
    excerpt,
    query_pairs,
    query_words,
    terms,
    text_of,
)
from storage.tables import Delivery, Destination, Revision, SearchEntry, Submission

_WENT_OUT = ("confirmed", "handed_off")


class Match(IntEnum):
    """How a piece was found; what was found in a later way comes after all of the earlier.

    WORDS: as it was asked, by whole words (和服). PART: as it was asked, across the words of the text (和服 in
    产品和服务). APART: all its words, with others between them.
    """

    WORDS = 1
    PART = 2
    APART = 3


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """What to look for. `after` is the last hit of the page before: how it was found, its time and id."""

    query: str
    states: tuple[State, ...] = ()
    column: str | None = None
    byline: str | None = None
    platform: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: tuple[Match, datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One piece that was found, and the sentence that says why."""

    row: Submission
    match: Match
    at: datetime
    byline: str
    excerpt: Excerpt | None


async def put_search_entry(
    session: AsyncSession, submission_id: UUID, number: int, content: Content, at: datetime
) -> None:
    """Make the newest revision of a piece the one that is found."""
    found = cut(text_of(content))
    values = {
        "revision_number": number,
        "cut_version": CUT_VERSION,
        "byline": content.byline,
        "words": list(found.words),
        "pairs": list(found.pairs),
        "plain": found.plain,
        "at": at,
    }
    statement = insert(SearchEntry).values(submission_id=submission_id, **values)
    await session.exec(statement.on_conflict_do_update(index_elements=["submission_id"], set_=values))


async def put_missing_entries(session: AsyncSession, limit: int) -> int:
    """Entries for pieces that have none, or one of an older cut; how many were made."""
    entry = select(SearchEntry.submission_id).where(
        col(SearchEntry.submission_id) == col(Submission.id), col(SearchEntry.cut_version) == CUT_VERSION
    )
    statement = (
        select(Revision)
        .join(
            Submission,
            (col(Submission.id) == col(Revision.submission_id))
            & (col(Submission.revision_number) == col(Revision.number)),
        )
        .where(~entry.exists())
        # An edit meanwhile waits for this transaction, so that the newer text stays.
        .with_for_update(of=Submission, skip_locked=True)
        .limit(limit)
    )
    missing = list(await session.exec(statement))
    for each in missing:
        content = Content.from_json(each.content)
        await put_search_entry(session, each.submission_id, each.number, content, each.created_at)
    return len(missing)


async def search(session: AsyncSession, actor: Actor, wanted: SearchFilter, limit: int) -> list[Hit]:
    """What the actor may see of what is wanted, way by way of `Match`, newest first in each.

    At most `limit` hits; none where the query has no letter, figure or Chinese character.
    """
    asked = terms(wanted.query)
    if not asked:
        return []
    found: list[tuple[Submission, SearchEntry, Match]] = []
    for match in Match:
        if len(found) < limit and (wanted.after is None or wanted.after[0] <= match):
            rows = await _page(session, actor, wanted, match, asked, limit - len(found))
            found += [(row, entry, match) for row, entry in rows]
    texts = await _texts(session, [entry for _, entry, _ in found])
    shown = {match: query_words(asked) if match is Match.APART else asked for match in Match}
    return [
        Hit(row, match, entry.at, entry.byline, excerpt(texts[row.id], shown[match]))
        for row, entry, match in found
    ]


async def _page(
    session: AsyncSession,
    actor: Actor,
    wanted: SearchFilter,
    match: Match,
    asked: Sequence[str],
    limit: int,
) -> list[tuple[Submission, SearchEntry]]:
    statement = (
        select(Submission, SearchEntry)
        .join(SearchEntry, col(SearchEntry.submission_id) == col(Submission.id))
        .where(visible(actor), *_hits(match, asked), *_filters(wanted))
    )
    if wanted.after is not None and wanted.after[0] is match:
        place = tuple_(col(SearchEntry.at), col(SearchEntry.submission_id))
        statement = statement.where(place < tuple_(*wanted.after[1:]))
    order = (col(SearchEntry.at).desc(), col(SearchEntry.submission_id).desc())
    return list((await session.exec(statement.order_by(*order).limit(limit))).all())


def _hits(match: Match, asked: Sequence[str]) -> list[ColumnElement[bool]]:
    words = query_words(asked)
    by_words = col(SearchEntry.words).contains(list(words))
    as_asked = and_(*(func.strpos(col(SearchEntry.plain), term) > 0 for term in asked))
    if match is Match.WORDS:
        return [by_words, as_asked]
    if match is Match.PART:
        return [col(SearchEntry.pairs).contains(list(query_pairs(asked))), as_asked, ~by_words]
    # Single characters apart from one another say nothing: a name that no dictionary has is cut into them.
    means_something = len(words) > len(asked) and min(map(len, words)) > 1
    return [by_words, ~as_asked] if means_something else [false()]


def _filters(wanted: SearchFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(col(Submission.state).in_([state.value for state in wanted.states]))
    if wanted.column is not None:
        conditions.append(col(Submission.column_name) == wanted.column)
    if wanted.byline:
        conditions.append(col(SearchEntry.byline).icontains(wanted.byline, autoescape=True))
    if wanted.platform is not None:
        conditions.append(_went_to(wanted.platform))
    if wanted.since is not None:
        conditions.append(col(SearchEntry.at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(SearchEntry.at) < wanted.until)
    return conditions


def _went_to(platform: str) -> ColumnElement[bool]:
    return exists().where(
        col(Delivery.submission_id) == col(Submission.id),
        col(Delivery.destination_id) == col(Destination.id),
        or_(col(Destination.platform) == platform, col(Destination.id) == platform),
        col(Delivery.state).in_(_WENT_OUT),
    )


async def _texts(session: AsyncSession, entries: Sequence[SearchEntry]) -> dict[UUID, str]:
    """The texts of the hits as they were written."""
    if not entries:
        return {}
    wanted = [(entry.submission_id, entry.revision_number) for entry in entries]
    statement = select(Revision.submission_id, Revision.content).where(
        tuple_(col(Revision.submission_id), col(Revision.number)).in_(wanted)
    )
    rows = (await session.exec(statement)).all()
    return {submission_id: text_of(Content.from_json(content)) for submission_id, content in rows}
