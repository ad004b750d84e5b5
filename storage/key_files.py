"""Keys that lie in a file of their own: made once, whole or not there, readable by their owner only."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def private_text(path: Path, make: Callable[[], str]) -> str:
    """What the file says, without the line's end; where there is none it is made. May be called by several at once.

    Raises OSError.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails when somebody was first; theirs counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").rstrip("\n")
