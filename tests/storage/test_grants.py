"""The application's own login can add to the record and do nothing else to it, not even by taking triggers away."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from sqlmodel import SQLModel

from deployments.stack.postgres import APP_LOGIN
from states.events import Event
from states.item import State
from storage.database import Database
from storage.grants import LoginTooStrong, apply_grants, is_held_by_grant

pytestmark = pytest.mark.slow

RECORD = (
    "event",
    "revision",
    "approval",
    "journal",
    "workflow",
    "log_leaf",
    "log_node",
    "checkpoint",
    "disclosure",
)
FREE = {
    name
    for name in SQLModel.metadata.tables
    if name not in (*RECORD, "checkpoint_copy", "comment", "delegation")
}


async def _try(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def signed(newsroom: Any) -> Any:
    """There is something to lose."""
    return await newsroom.in_state(State.APPROVED)


@pytest.mark.parametrize("table", RECORD)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "TRUNCATE {table} CASCADE",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "ALTER TABLE {table} DISABLE TRIGGER USER",
        "ALTER TABLE {table} ADD COLUMN more text",
        "ALTER TABLE {table} OWNER TO CURRENT_USER",
        "DROP TABLE {table} CASCADE",
        "CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING",
    ],
)
async def test_change_of_the_record_is_refused_to_the_application_by_grant(
    signed: Any, module_database: str, table: str, statement: str
) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.WrongObjectTypeError)) as refused:
        await _try(module_database, statement.format(table=table))
    assert "append-only" not in str(refused.value)  # the trigger was not even asked


@pytest.mark.parametrize("table", RECORD)
async def test_update_of_any_column_of_the_record_is_refused_to_the_application(
    signed: Any, module_database: str, table: str
) -> None:
    for column in SQLModel.metadata.tables[table].columns:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.GeneratedAlwaysError)):
            await _try(module_database, f'UPDATE {table} SET "{column.name}" = "{column.name}"')


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER FUNCTION refuse_change() RENAME TO gone",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION check_approval() CASCADE",
        "SET session_replication_role = replica",
        "SET ROLE sanshen",
        "SET SESSION AUTHORIZATION sanshen",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE submission (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "ALTER ROLE sanshen_app SUPERUSER",
        "CREATE DATABASE mine",
        "DELETE FROM delegation",
        "UPDATE delegation SET ends_at = ends_at",
        "UPDATE comment SET body = ''",
        "DELETE FROM alembic_version",
        "COPY event TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
async def test_way_around_the_grants_is_closed_to_the_application(
    fresh_database: str, as_owner: Callable[[str], str], statement: str
) -> None:
    await apply_grants(
        as_owner(fresh_database), APP_LOGIN
    )  # what belongs to a database is not cloned with it
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _try(fresh_database, statement)


async def test_application_can_work_with_everything_else(newsroom: Any, module_database: str) -> None:
    item = await newsroom.in_state(State.PUBLISHED)
    async with newsroom.db.transaction() as session:
        connection = await (await session.connection()).get_raw_connection()
        rights = await connection.driver_connection.fetch(
            "SELECT t AS name, has_table_privilege(t, 'SELECT') AND has_table_privilege(t, 'INSERT') "
            "AND has_table_privilege(t, 'UPDATE') AND has_table_privilege(t, 'DELETE') AS has_all "
            "FROM unnest($1::text[]) AS t",
            sorted(FREE),
        )
    assert [name for name, has_all in rights if not has_all] == []
    await newsroom.send(item, Event.RETRACT, "chief", reason="错误")


async def test_record_is_held_by_grant_for_the_application_and_not_for_the_owner(
    module_database: str, as_owner: Callable[[str], str]
) -> None:
    assert await is_held_by_grant(module_database)
    assert not await is_held_by_grant(as_owner(module_database))


async def test_application_cannot_grant_itself_more(fresh_database: str) -> None:
    await _try(fresh_database, *(f"GRANT ALL ON {table} TO CURRENT_USER" for table in RECORD))
    assert await is_held_by_grant(fresh_database)


@pytest.mark.parametrize("privilege", ["UPDATE ON event", "DELETE ON approval", "TRUNCATE ON journal"])
async def test_grant_that_should_not_be_there_is_seen_and_taken_back(
    fresh_database: str, as_owner: Callable[[str], str], privilege: str
) -> None:
    owner = as_owner(fresh_database)
    await _try(owner, f"GRANT {privilege} TO {APP_LOGIN}")
    assert not await is_held_by_grant(fresh_database)
    await asyncio.gather(*(apply_grants(owner, APP_LOGIN) for _ in range(4)))
    assert await is_held_by_grant(fresh_database)


async def test_table_that_a_later_version_adds_is_closed_until_the_grants_are_renewed(
    fresh_database: str, as_owner: Callable[[str], str]
) -> None:
    owner = as_owner(fresh_database)
    await _try(
        owner,
        "CREATE TABLE later (id int)",
        "CREATE TRIGGER later_append_only BEFORE UPDATE OR DELETE ON later "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _try(fresh_database, "INSERT INTO later VALUES (1)")
    await apply_grants(owner, APP_LOGIN)
    await _try(fresh_database, "INSERT INTO later VALUES (1)")
    for statement in ("UPDATE later SET id = 2", "DELETE FROM later"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _try(fresh_database, statement)


@pytest.mark.parametrize("role", ["sanshen", "postgres", "nobody_of_this_name", 'a "b"'])
async def test_login_that_could_undo_the_grants_is_refused_in_words(
    fresh_database: str, as_owner: Callable[[str], str], role: str
) -> None:
    with pytest.raises(LoginTooStrong) as refused:
        await apply_grants(as_owner(fresh_database), role)
    assert role in refused.value.text.zh
    assert "SANSHEN_DATABASE_URL" in refused.value.text.en


async def test_owner_can_still_erase_what_opens_a_commitment(
    newsroom: Any, signed: Any, module_database: str, owner_db: Database
) -> None:
    async with owner_db.transaction() as session:
        connection = await (await session.connection()).get_raw_connection()
        done = await connection.driver_connection.execute(
            "UPDATE disclosure SET opened = '{}' WHERE submission_id = $1", signed
        )
    assert done != "UPDATE 0"
