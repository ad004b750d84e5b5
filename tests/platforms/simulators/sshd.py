"""A real OpenSSH server with its own keys and configuration in a folder, for drop folders."""

import getpass
import os
import resource
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import asyncssh

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
MISSING = "OpenSSH's sshd is not here (Debian: openssh-server)"
_PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass
class Sshd:
    """A running server and how to get in; `drop` is its folder as this machine sees it."""

    process: subprocess.Popen[bytes]
    port: int
    user: str
    host_key: str
    private_key: str
    drop: Path
    log: Path

    def settings(self, **changes: str) -> dict[str, str]:
        """What a destination needs to know of it."""
        mine = {"host": "localhost", "port": str(self.port), "user": self.user, "folder": str(self.drop)}
        return mine | {"host_key": self.host_key} | changes

    def names(self) -> list[str]:
        """What lies in the drop folder."""
        return sorted(path.name for path in self.drop.iterdir())

    def stop(self) -> None:
        """End it and the sessions that it has."""
        os.killpg(self.process.pid, 15)
        self.process.wait(10)


def start_sshd(folder: Path, largest_file_bytes: int | None = None, *more: str) -> Sshd:
    """A server that answers. `largest_file_bytes`: writes beyond it fail as on a full disk."""
    assert SSHD is not None
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    host, user = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    host.write_private_key(folder / "host")
    (folder / "host").chmod(0o600)
    user.write_public_key(folder / "authorized")
    drop, log, port = folder / "drop", folder / "log", _free_port()
    drop.mkdir(exist_ok=True)
    (folder / "config").write_text(_config(folder, port, more))
    command = [SSHD, "-D", "-f", str(folder / "config"), "-E", str(log)]
    process = subprocess.Popen(
        command,
        start_new_session=True,
        # Python ignores SIGXFSZ, and so does what it starts: a file that is too large is an error, not a death.
        restore_signals=False,
    )
    if largest_file_bytes is not None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes))
    _await_answer(process, port, log)
    public = host.export_public_key().decode().strip()
    return Sshd(process, port, getpass.getuser(), public, user.export_private_key().decode(), drop, log)


def _config(folder: Path, port: int, more: tuple[str, ...]) -> str:
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'authorized'}",
        f"PidFile {folder / 'pid'}",
        "Subsystem sftp internal-sftp",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin yes",
        "LogLevel VERBOSE",
        "MaxStartups 100",
        *more,
    ]
    return "\n".join(lines) + "\n"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text() if log.exists() else "sshd ended"
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as there:
                if there.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("sshd does not answer")
