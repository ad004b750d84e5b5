"""Duplicates: which files of other pieces are alike, how, and what a second run or a second examiner changes."""

import hashlib
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from states.events import Event
from storage.assets import Examined, Look, add_asset, looks_of, put_examined
from storage.duplicates import MOST_MATCHES, candidates_for, matches_of, put_matches
from storage.erasure import erase_person
from storage.keys import asset_key
from storage.tables import Asset, AssetMatch, JournalRow

pytestmark = pytest.mark.slow

MOST_BITS = 12
CAPTURE = {"position": [31.2, 121.5], "device": "小米 15", "owner": "张伟", "taken_at": None}


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _bits(seed: int, flipped: int = 0) -> int:
    """Pictures of different seeds are unlike; `flipped` bits are other than in the picture of that seed."""
    bits = random.Random(seed).getrandbits(64)
    for place in range(flipped):
        bits ^= 1 << (5 * place + 3)
    return bits - (1 << 64) if bits >> 63 else bits


@pytest.fixture
def examined(newsroom: Any) -> Any:
    """await examined(content, looks, item=…, essence=…): an examined file, of a new piece unless one is given."""

    async def make(
        content: str,
        looks: Sequence[Look] = (),
        item: UUID | None = None,
        essence: str | None = None,
        author: str = "writer",
        **more: Any,
    ) -> Asset:
        if item is None:
            item = (await newsroom.draft(author, title=f"稿件 {content}")).id
            await newsroom.send(item, Event.SUBMIT, author)
        sha256 = _sha256(content)
        asset = Asset(
            submission_id=item,
            sha256=sha256,
            size_bytes=1,
            filename=f"{content}.jpg",
            object_key=asset_key(sha256),
        )
        found = Examined(
            "still", "image/jpeg", {}, [], "1", essence and _sha256(essence), looks=tuple(looks), **more
        )
        async with newsroom.db.transaction() as session:
            asset = await add_asset(session, asset)
            await put_examined(session, asset.id, found)
        return asset

    return make


@pytest.fixture
def compare(newsroom: Any) -> Any:
    """await compare(asset): what intake does when nearness alone decides; the kinds by the other piece's title."""

    async def run(asset: Asset) -> dict[str, str]:
        async with newsroom.db.transaction() as session:
            own = (await looks_of(session, [asset.id])).get(asset.id, [])
            near = await candidates_for(session, asset.id, own, MOST_BITS)
            await put_matches(session, asset.id, near)
        return await shown(newsroom, asset)

    return run


async def shown(newsroom: Any, asset: Asset) -> dict[str, str]:
    async with newsroom.db.transaction() as session:
        return {
            each.submission.title: each.kind.value
            for each in (await matches_of(session, [asset.id]))[asset.id]
        }


@pytest.mark.parametrize(
    ("mine", "theirs", "kind"),
    [
        (("同 a", [], "e1"), ("同 a", [], "e1"), "same"),
        (("甲 1", [], "e2"), ("乙 1", [], "e2"), "essence"),
        (("甲 2", [Look(None, _bits(1))], "e3"), ("乙 2", [Look(None, _bits(1, 12))], "e4"), "likely"),
        (("甲 3", [Look(None, _bits(2))], "e5"), ("乙 3", [Look(None, _bits(2, 13))], "e6"), None),
        (("甲 4", [Look(None, _bits(3))], "e7"), ("乙 4", [Look(None, _bits(3))], "e7"), "essence"),
        (("甲 5", [], None), ("乙 5", [], None), None),
    ],
    ids=["same-bytes", "other-container", "12-bits", "13-bits", "strongest-kind-only", "nothing-to-compare"],
)
async def test_comparison_of_two_pieces_names_the_other_and_how_they_are_alike(
    newsroom: Any, examined: Any, compare: Any, mine: Any, theirs: Any, kind: str | None
) -> None:
    first = await examined(theirs[0], theirs[1], essence=theirs[2])
    second = await examined(mine[0], mine[1], essence=mine[2])
    assert await compare(second) == ({f"稿件 {theirs[0]}": kind} if kind else {})
    # Whoever looks at the older piece learns of it, too.
    assert await shown(newsroom, first) == ({f"稿件 {mine[0]}": kind} if kind else {})


async def test_files_of_the_same_piece_are_no_duplicates_of_each_other(
    newsroom: Any, examined: Any, compare: Any
) -> None:
    item = (await newsroom.draft()).id
    looks = [Look(None, _bits(10))]
    await examined("前一版", looks, item, essence="own")
    second = await examined("后一版", looks, item, essence="own")
    assert await compare(second) == {}


async def test_film_is_met_where_it_is_most_alike(newsroom: Any, examined: Any) -> None:
    await examined("旧片", [Look(0.5, _bits(20, 9)), Look(7.5, _bits(21, 2)), Look(9.0, _bits(22))])
    film = await examined("新片", [Look(1.0, _bits(20)), Look(8.0, _bits(21)), Look(12.0, _bits(23))])
    async with newsroom.db.transaction() as session:
        own = (await looks_of(session, [film.id]))[film.id]
        (found,) = await candidates_for(session, film.id, own, MOST_BITS)
    assert own == [Look(1.0, _bits(20)), Look(8.0, _bits(21)), Look(12.0, _bits(23))]
    assert (found.at_s, found.distance) == (8.0, 2)
    assert [each.at_s for each in found.looks] == [0.5, 7.5, 9.0]


async def test_comparison_that_runs_twice_changes_nothing(newsroom: Any, examined: Any, compare: Any) -> None:
    await examined("一", [Look(None, _bits(30))])
    second = await examined("二", [Look(None, _bits(30, 1))])
    assert await compare(second) == await compare(second) == {"稿件 一": "likely"}
    async with newsroom.db.transaction() as session:
        rows = await session.exec(select(AssetMatch).where(col(AssetMatch.asset_id) == second.id))
        assert len(rows.all()) == 1


async def test_two_files_examined_at_the_same_moment_are_shown_once_each(
    newsroom: Any, examined: Any, compare: Any
) -> None:
    one = await examined("并 1", [Look(None, _bits(40))])
    other = await examined("并 2", [Look(None, _bits(40, 3))])
    assert await compare(one) == {"稿件 并 2": "likely"}
    assert await compare(other) == {"稿件 并 1": "likely"}
    assert await shown(newsroom, one) == {"稿件 并 2": "likely"}


async def test_file_that_is_everywhere_names_a_few_pieces_only(
    newsroom: Any, examined: Any, compare: Any
) -> None:
    for _ in range(MOST_MATCHES + 3):
        last = await examined("台标", [Look(None, _bits(50))], essence="logo")
    async with newsroom.db.transaction() as session:
        await put_matches(session, last.id, [])
        assert len((await matches_of(session, [last.id]))[last.id]) == MOST_MATCHES


async def test_erasing_a_person_takes_away_what_their_files_tell_of_them(
    newsroom: Any, examined: Any, as_owner: Any
) -> None:
    from storage.database import Database

    theirs = await examined("现场", author="other_writer", capture=CAPTURE)
    copied = await examined("现场", author="writer", capture=CAPTURE)  # the same bytes tell the same of them
    kept = await examined("别处", author="writer", capture=CAPTURE)
    owner = Database(as_owner(newsroom.db.url), pool_size=1)
    try:
        async with owner.transaction() as session:
            await erase_person(session, "other_writer")
    finally:
        await owner.close()
    async with newsroom.db.transaction() as session:
        found = {row.id: row.capture for row in await session.exec(select(Asset))}
        said = (await session.exec(select(JournalRow).where(col(JournalRow.action) == "erased"))).one()
    assert (found[theirs.id], found[copied.id], found[kept.id]) == (None, None, CAPTURE)
    assert said.facts["files"] == 2


async def test_equal_files_are_found_by_index(newsroom: Any, examined: Any) -> None:
    asset = await examined("计划", [Look(None, _bits(70))], essence="plan")
    async with newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        from storage.duplicates import _PUT_EQUAL

        plan = await connection.execute(
            text(f"EXPLAIN {_PUT_EQUAL.text}"), {"asset": asset.id, "most": MOST_MATCHES}
        )
        lines = "\n".join(row[0] for row in plan)
    assert "ix_asset_sha256" in lines
    assert "ix_asset_essence_sha256" in lines
