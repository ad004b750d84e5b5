"""The door to PostgreSQL: one engine a process, one session a unit of work. The edge commits, once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession


def engine_url(database_url: str) -> str:
    """The address for SQLAlchemy's asyncpg dialect, from a plain `postgresql://…` one."""
    return make_url(database_url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


# PostgreSQL manual, appendix A: lost connections, a server that starts or stops, no connection left, a full disk,
# and transactions that were given up for the sake of others.
_DISK_FULL = "53100"
_PASSING = ("08", "57P", "53300", "40001", "40P01", _DISK_FULL)


def is_unavailable(error: BaseException) -> bool:
    """Whether the database could not do the work now and may do it later; nothing was written."""
    if isinstance(error, OSError | PoolTimeout):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _sqlstate(error).startswith(_PASSING)


def is_disk_full(error: BaseException) -> bool:
    """Whether the database could not write as its disk is full. It reads on, and writes again once there is room."""
    return _sqlstate(error) == _DISK_FULL


def _sqlstate(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


class Database:
    """One pool of connections. `close` it when the process ends."""

    def __init__(self, database_url: str, pool_size: int = 20) -> None:
        self.url = database_url
        self.engine: AsyncEngine = create_async_engine(
            engine_url(database_url), pool_size=pool_size, max_overflow=0, pool_pre_ping=False
        )
        self._sessions = async_sessionmaker(
            self.engine, class_=AsyncSession, expire_on_commit=False, autoflush=False
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: committed at the end, rolled back on any error."""
        async with self._sessions() as session, session.begin():
            yield session

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
