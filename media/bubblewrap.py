"""The walls of bubblewrap: the command sees its own files, the programs' files, and nothing else of the host.

No network, no other process, no capability; the root is an empty folder in memory, read-only.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Where a Linux system keeps its loader and libraries; /lib and the like may be links into /usr.
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/lib32", "/usr/local/lib")
_FONTS = ("/usr/share/fonts", "/etc/fonts", "/usr/share/fontconfig", "/etc/ld.so.cache", "/etc/alternatives")
# No --new-session: whoever starts it gives it a session of its own, and can then end all of it by one signal to
# the group. With the option, a signal in the first milliseconds would leave the inner process alive.
_ALWAYS = (
    "--unshare-all",
    "--die-with-parent",
    "--cap-drop",
    "ALL",
    "--dev",
    "/dev",
)
_TRIAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Walls:
    """A bubblewrap that works on this host."""

    program: str

    def command(
        self,
        inner: Sequence[str],
        reads: Sequence[Path],
        writes: Sequence[Path],
        filters: Sequence[int] = (),
    ) -> list[str]:
        """The command inside the walls; `filters` are descriptors of programs for seccomp."""
        executable = Path(inner[0]).resolve()
        bound = [*_system(), *_bind("--ro-bind", (executable, *reads)), *_bind("--bind", writes)]
        filtered = [part for number in filters for part in ("--seccomp", str(number))]
        return [
            self.program,
            *_ALWAYS,
            *bound,
            "--remount-ro",
            "/",
            "--chdir",
            "/",
            *filtered,
            "--",
            str(executable),
            *inner[1:],
        ]


def find() -> Walls | None:
    """Bubblewrap, if it is installed and may do here what it must: containers often refuse namespaces.

    Tried for real, with our own Python inside, in 0.1 s.
    """
    program = shutil.which("bwrap") if sys.platform == "linux" else None
    if program is None:
        return None
    walls = Walls(program)
    trial = walls.command([sys.executable, "-I", "-S", "-c", "print(6 * 7)"], python_files(), ())
    try:
        ran = subprocess.run(trial, capture_output=True, check=False, timeout=_TRIAL_S, env={})
    except (OSError, subprocess.SubprocessError):
        return None
    return walls if ran.returncode == 0 and ran.stdout.strip() == b"42" else None


def python_files() -> tuple[Path, ...]:
    """What the interpreter itself needs to start: its standard library and, where it is shared, its own."""
    return (Path(sys.base_prefix) / "lib",) if sys.base_prefix != "/usr" else ()


def _system() -> list[str]:
    args = []
    for name in _LIBRARIES:
        path = Path(name)
        if path.is_symlink():
            args += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            args += ["--ro-bind", name, name]
    return [*args, *(part for name in _FONTS for part in ("--ro-bind-try", name, name))]


def _bind(option: str, paths: Sequence[Path]) -> list[str]:
    # The resolved file under the name that the command knows; a link would lead out of the walls.
    names = dict.fromkeys(path.absolute() for path in paths)
    return [part for name in names for part in (option, str(name.resolve()), str(name))]
