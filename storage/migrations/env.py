"""Alembic's entry: runs the migrations over asyncpg, one runner at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from storage import tables  # noqa: F401 - fills the metadata
from storage.database import engine_url

_LOCK = 3_141_592  # one number for every runner of migrations on this database


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        context.run_migrations()


async def _main() -> None:
    url = engine_url(context.config.attributes["database_url"])
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_main())
