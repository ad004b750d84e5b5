"""Prefect's server on our PostgreSQL, without calls to the outside."""

import signal
import sys
from pathlib import Path

from deployments.stack.answers import answers

STOP_SIGNAL = signal.SIGTERM

_DAY_S = 24 * 3600


def command(port: int) -> tuple[str, ...]:
    """The command line, by this interpreter: a `prefect` on the PATH may be another one."""
    return (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))


def environment(home: Path, database_url: str) -> dict[str, str]:
    """Settings of the server; `database_url` is the plain `postgresql://…` of its own database."""
    return {
        **client_environment(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": database_url.replace("postgresql:", "postgresql+asyncpg:", 1),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # 76 kB a run (measured, PREFECT-FACTS): the truth is in our own database, runs are for looking at.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(14 * _DAY_S),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",
    }


def client_environment(home: Path) -> dict[str, str]:
    """What every process needs that talks to Prefect: a home of its own, and no reports to anybody."""
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "sanshen",
        # Without an address Prefect would start a server of its own, on SQLite, and work would vanish there.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    }


async def is_healthy(port: int) -> bool:
    """Whether the server answers."""
    return await answers(port, "/api/health")
