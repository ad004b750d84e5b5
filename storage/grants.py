"""What the application's own login may do: add to the record, and never change it, whatever its code does.

Triggers refuse a change of the record to everybody; grants keep the application from taking the triggers away.
"""

from collections.abc import Iterable, Mapping

import asyncpg

from states.text import Text
from storage.errors import StorageError

_LOCK = 3_141_592  # that of the migrations: nobody changes tables meanwhile

# Beside what triggers refuse (`refuse_change`), read from the database itself, so that a new table of the record
# needs no line here: what only the owner's commands change, and where single columns alone may change.
# Erasing is a command of the owner's; of a revision, a function of the owner's that asks the rule (`forget_draft`).
_OWNERS_ONLY = frozenset({"disclosure", "revision"})
_CHANGEABLE: Mapping[str, tuple[str, ...]] = {
    "delegation": ("revoked_at", "revoked_by"),
    "comment": ("resolved_at", "resolved_by"),
}
_READ_ONLY = frozenset({"alembic_version"})

# PostgreSQL, pg_trigger.h: the bits of `tgtype`.
_DELETE, _UPDATE = 1 << 3, 1 << 4

_TABLES = """
SELECT c.relname AS name, coalesce(bit_or(t.tgtype::int), 0) AS refused
FROM pg_class c
LEFT JOIN (pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'refuse_change')
    ON t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A')
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
GROUP BY c.relname ORDER BY c.relname
"""
_ROLE = """
SELECT rolsuper OR rolcreaterole OR rolbypassrls AS is_strong, pg_has_role(oid, current_user, 'MEMBER') AS is_owner
FROM pg_roles WHERE rolname = $1
"""
_CREATES = """
SELECT has_schema_privilege($1, current_schema(), 'CREATE')
    OR has_database_privilege($1, current_database(), 'CREATE, TEMPORARY')
"""
_CHANGES = """
SELECT bool_or(
    pg_has_role(c.relowner, 'MEMBER')
    OR has_table_privilege(c.oid, 'UPDATE') AND (t.tgtype & 16) <> 0
    OR has_table_privilege(c.oid, 'DELETE') AND (t.tgtype & 8) <> 0
    OR has_table_privilege(c.oid, 'TRUNCATE')
)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgfoid IN (SELECT oid FROM pg_proc WHERE proname = 'refuse_change')
"""


class LoginTooStrong(StorageError):
    """The login that the application shall have could undo what the grants forbid."""

    def __init__(self, role: str) -> None:
        super().__init__(
            Text(
                f"登录角色 {role} 不存在或权限过大：应用须用独立的普通角色登录，不得是超级用户、表的所有者或其成员。"
                "请由数据库管理员另建一个，写入 SANSHEN_DATABASE_URL。",
                f"The login {role} is missing or may do too much: the application needs a plain role of its own, no "
                "superuser, neither owner of the tables nor its member. Have one made and name it in "
                "SANSHEN_DATABASE_URL.",
            )
        )
        self.role = role


async def apply_grants(owner_url: str, app_role: str) -> None:
    """Give the role what the application needs on every table there is, and take all else away. Repeat at will.

    `owner_url` is the login that owns the tables. Raises LoginTooStrong.
    """
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
            role = await connection.fetchrow(_ROLE, app_role)
            if role is None or role["is_strong"] or role["is_owner"]:
                raise LoginTooStrong(app_role)
            for statement in await _statements(connection, app_role):
                await connection.execute(statement)
            if await connection.fetchval(_CREATES, app_role):
                raise LoginTooStrong(app_role)
    finally:
        await connection.close()


async def is_held_by_grant(database_url: str) -> bool:
    """Whether this login can change nothing of the record, and take no trigger away: then not even a fault can."""
    connection = await asyncpg.connect(database_url)
    try:
        return not await connection.fetchval(_CHANGES)
    finally:
        await connection.close()


async def _statements(connection: asyncpg.Connection, app_role: str) -> list[str]:
    schema, database = await connection.fetchrow("SELECT current_schema(), current_database()")
    schema, database, role = _quoted(schema), _quoted(database), _quoted(app_role)
    statements = [
        # A table of one's own, be it temporary, could stand before ours in the eyes of a trigger.
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}",
        f"GRANT CONNECT ON DATABASE {database} TO {role}",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
    ]
    for name, refused in await connection.fetch(_TABLES):
        table = f"{schema}.{_quoted(name)}"
        statements.append(f"REVOKE ALL ON {table} FROM PUBLIC, {role}")
        statements.append(f"GRANT {', '.join(_privileges(name, refused))} ON {table} TO {role}")
    return statements


def _privileges(table: str, refused: int) -> Iterable[str]:
    yield "SELECT"
    if table in _READ_ONLY:
        return
    yield "INSERT"
    if table in _OWNERS_ONLY:
        return
    if columns := _CHANGEABLE.get(table):
        yield f"UPDATE ({', '.join(columns)})"
        return
    if not refused & _UPDATE:
        yield "UPDATE"
    if not refused & _DELETE:
        yield "DELETE"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
