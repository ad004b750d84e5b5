"""A PostgreSQL for the length of a `with` block: for tests and benchmarks."""

import contextlib
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.stack import postgres
from deployments.stack.errors import PartFailed
from deployments.stack.postgres import Cluster
from deployments.stack.process import die_with_parent
from states.text import Text

_START_TIMEOUT_S = 60.0


@contextmanager
def temporary_postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL on data in `folder` (new or used before) and give the URL of its database `sanshen`.

    `postgresql://sanshen:…@/sanshen?host=…`; the role may make databases. `app_url` turns it into that of the
    application's login, which owns nothing and has the same password. The server ends with the block,
    and on Linux also when this process dies. One user of a folder at a time. Same durability as in production.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = postgres.cluster_in(folder)
    password = _kept_password(folder)
    postgres.prepare(cluster, password)
    server = _start(cluster, folder / "log")
    try:
        _wait_until_ready(cluster, server, folder / "log")
        owners = dict.fromkeys(postgres.DATABASES, password)
        postgres.ensure_databases(cluster, password, owners, password)
        yield cluster.url("sanshen", password, "sanshen")
    finally:
        _stop(server)
        if cluster.sockets.parent != cluster.data.parent:
            shutil.rmtree(cluster.sockets, ignore_errors=True)


def app_url(owner_url: str) -> str:
    """The address of the same database with the application's login."""
    return owner_url.replace("//sanshen:", f"//{postgres.APP_LOGIN}:", 1)


def _kept_password(folder: Path) -> str:
    file = folder / "superuser.password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(20))
    return file.read_text()


def _start(cluster: Cluster, log: Path) -> subprocess.Popen[bytes]:
    # The kernel counts the death of the starting thread as that of the parent.
    in_main = threading.current_thread() is threading.main_thread()
    with log.open("ab") as output:
        return subprocess.Popen(
            postgres.command(cluster),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=cluster.user,
            group=cluster.user,
            extra_groups=[] if cluster.user else None,
            preexec_fn=die_with_parent(postgres.STOP_SIGNAL) if in_main else None,  # noqa: PLW1509 - a prctl
        )


def _wait_until_ready(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not postgres.is_answering(cluster):
        if server.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-800:]
            raise PartFailed(
                Text(zh=f"PostgreSQL 未能启动：\n{tail}", en=f"PostgreSQL did not start:\n{tail}")
            )
        time.sleep(0.05)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(postgres.STOP_SIGNAL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(10)
    server.kill()
    server.wait()
