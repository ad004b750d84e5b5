"""The database's own rules for comments, and that the models are what the migrations make."""

import re
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from storage.comments import Remark, comment_by_id, is_as_recorded, make_comment, resolve_comment
from storage.database import Database
from storage.tables import Comment

_OURS = re.compile(r"\b(comment|preset_reason|autosave)\b")


async def _made(newsroom: Any, **given: Any) -> Comment:
    item = await newsroom.draft()
    remark = Remark(item.id, item.revision_sha256, newsroom.people["duty"].id, "请核对", **given)
    async with newsroom.db.transaction() as session:
        return await make_comment(session, remark)


async def _execute(owner_db: Database, statement: str, row: Comment) -> None:
    """As the owner of the tables, whom no grant stops."""
    async with owner_db.engine.begin() as connection:
        await connection.execute(text(statement), {"id": row.id, "who": row.author_id})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE comment SET body = '改过' WHERE id = :id",
        "UPDATE comment SET anchor = NULL, sha256 = 'x' WHERE id = :id",
        "UPDATE comment SET resolved_at = now() WHERE id = :id",
        "UPDATE comment SET resolved_at = now(), resolved_by = :who, body = '改过' WHERE id = :id",
        "UPDATE comment SET body = '' WHERE id = :id",
        "UPDATE comment SET body = '改过', salt = NULL WHERE id = :id",
        "DELETE FROM comment WHERE id = :id",
        "TRUNCATE comment",
    ],
)
async def test_change_of_a_comment_is_refused_by_the_database(
    newsroom: Any, owner_db: Database, statement: str
) -> None:
    row = await _made(newsroom)
    with pytest.raises(DBAPIError, match=r"append-only|never changed"):
        await _execute(owner_db, statement, row)


async def test_resolved_comment_is_not_resolved_anew_by_anybody(newsroom: Any, owner_db: Database) -> None:
    row = await _made(newsroom)
    async with newsroom.db.transaction() as session:
        await resolve_comment(session, row.id, newsroom.people["writer"].id)
    for change in ("resolved_by = :who", "resolved_at = NULL, resolved_by = NULL"):
        with pytest.raises(DBAPIError, match="never changed"):
            await _execute(owner_db, f"UPDATE comment SET {change} WHERE id = :id", row)


async def test_erased_comment_keeps_its_place_and_its_hash(newsroom: Any, owner_db: Database) -> None:
    row = await _made(newsroom)
    assert is_as_recorded(row)
    await _execute(owner_db, "UPDATE comment SET body = '', salt = NULL WHERE id = :id", row)
    async with newsroom.db.transaction() as session:
        erased = await comment_by_id(session, row.id)
        assert (erased.body, erased.sha256, erased.at) == ("", row.sha256, row.at)
        assert not is_as_recorded(erased)
        resolved = await resolve_comment(session, row.id, newsroom.people["duty"].id)
        assert resolved.resolved_at is not None


async def test_hash_covers_every_part_of_a_comment(newsroom: Any) -> None:
    row = await _made(newsroom, anchor={"kind": "text", "start": 0})
    other = (await _made(newsroom)).id
    changes = {
        "body": "请再核对",
        "salt": "0" * 32,
        "anchor": None,
        "author_id": newsroom.people["head"].id,
        "revision_sha256": "0" * 64,
        "reply_to": other,
        "preset_reason_id": "too-old",
        "submission_id": other,
        "id": other,
    }
    for name, value in changes.items():
        assert not is_as_recorded(Comment(**{**row.model_dump(), name: value})), name


async def test_equal_words_have_different_hashes(newsroom: Any) -> None:
    assert (await _made(newsroom)).sha256 != (await _made(newsroom)).sha256


async def test_tables_of_comments_are_what_the_migration_makes(newsroom: Any) -> None:
    async with newsroom.db.engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), SQLModel.metadata
            )
        )
    assert [each for each in found if _OURS.search(str(each))] == []
