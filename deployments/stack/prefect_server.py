"""Prefect's server on our PostgreSQL, without calls to the outside."""

import signal
import sys
from pathlib import Path

import certifi

from deployments.stack.answers import answers

STOP_SIGNAL = signal.SIGTERM

_DAY_S = 24 * 3600
_ONE_AUTHORITY = "one-authority.pem"


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


def prepare(home: Path) -> None:
    """Before every start: one certificate in a file, for `client_environment`."""
    file = home / "prefect" / _ONE_AUTHORITY
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
    file.write_text(first + end, encoding="utf-8")


def client_environment(home: Path, api_url: str | None = None) -> dict[str, str]:
    """What every process needs that talks to Prefect: a home of its own, and no reports to anybody.

    Each client of Prefect's reads all authorities for TLS, 20 ms and more, and a run makes six clients, even where
    the address is plain HTTP; there it is given one authority to read.
    """
    one = home / "prefect" / _ONE_AUTHORITY
    is_plain = (api_url or "").startswith("http://") and one.exists()
    return {
        **({"PREFECT_API_SSL_CERT_FILE": str(one)} if is_plain else {}),
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "sanshen",
        # Without an address Prefect would start a server of its own, on SQLite, and work would vanish there.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    }


async def is_healthy(port: int) -> bool:
    """Whether the server answers."""
    return await answers(port, "/api/health")
