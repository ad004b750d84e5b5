"""Lists: the same visibility as `states.access`, pages without gaps."""

from typing import Any

import pytest
from sqlmodel import select

from states.access import can_inspect, can_see
from states.events import Event
from states.item import State
from states.roles import Actor, Role
from storage.board import BoardFilter, list_submissions
from storage.errors import NotFound
from storage.seeing import visible_submission
from storage.tables import Submission


async def _list(newsroom: Any, actor: Actor, limit: int = 100, **wanted: Any) -> list[Submission]:
    async with newsroom.db.transaction() as session:
        return await list_submissions(session, actor, BoardFilter(**wanted), limit)


@pytest.fixture(scope="module")
async def all_rows(newsroom: Any) -> list[Submission]:
    """Items of two authors in several states."""
    for author in ("writer", "other_writer", "duty"):
        await newsroom.draft(author, title=f"{author} 的草稿")
    await newsroom.received(title="送审 100% 稿", column="要闻")
    await newsroom.in_state(State.FIRST_REVIEW)
    await newsroom.in_state(State.APPROVED)
    withdrawn = await newsroom.received()
    await newsroom.send(withdrawn, Event.WITHDRAW, "writer")
    async with newsroom.db.transaction() as session:
        return list(await session.exec(select(Submission)))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SYSTEM])
async def test_list_and_single_read_show_exactly_what_can_see_allows(
    newsroom: Any, all_rows: list[Submission], role: Role
) -> None:
    for name in ("writer", "duty", "other_writer"):
        actor = Actor(str(newsroom.people[name].id), frozenset({role}))
        expected = {row.id for row in all_rows if can_see(State(row.state), str(row.author_id), actor)}
        assert {row.id for row in await _list(newsroom, actor)} == expected
        async with newsroom.db.transaction() as session:
            for row in all_rows:
                if row.id in expected or can_inspect(State(row.state), str(row.author_id), actor):
                    assert (await visible_submission(session, row.id, actor)).id == row.id
                else:
                    with pytest.raises(NotFound):
                        await visible_submission(session, row.id, actor)


async def test_pages_follow_each_other_without_gap_or_repeat(
    newsroom: Any, all_rows: list[Submission]
) -> None:
    actor, seen, after = newsroom.actor("chief"), [], None
    while page := await _list(newsroom, actor, 2, after=after):
        seen += [row.id for row in page]
        after = (page[-1].updated_at, page[-1].id)
    assert len(seen) == len(set(seen)) == len(await _list(newsroom, actor))


async def test_text_is_searched_as_it_is_written(newsroom: Any, all_rows: list[Submission]) -> None:
    chief = newsroom.actor("chief")
    assert [row.title for row in await _list(newsroom, chief, text="100%")] == ["送审 100% 稿"]
    assert await _list(newsroom, chief, text="_") == []
