"""What the doctor says of the disks: of the home, and of the temporary files of runs."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deployments.doctor_check import Check
from states.text import Text
from storage.room import lacks_room

_NEEDED_BYTES = 5 * 10**9  # room for a few stories with their renditions beside the servers' own data


def disks(home: Path) -> Iterator[Check]:
    """Whether each has room; it fails before anything does."""
    yield _disk("disk", home, "SANSHEN_HOME")
    yield _disk("temporary files", Path(tempfile.gettempdir()), "TMPDIR")


def _disk(name: str, wanted: Path, setting: str) -> Check:
    folder = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    return Check(
        name,
        not lacks_room(folder, _NEEDED_BYTES),
        Text(zh=f"剩余 {free / 1e9:.1f} GB（{folder}）", en=f"{free / 1e9:.1f} GB free ({folder})"),
        Text(
            zh="至少需要 5 GB，另留磁盘的 1%：用到这 1% 时，对象存储不再接收文件，制作也停下等待。请清理磁盘，"
            f"或用 {setting} 指定另一块盘上的目录。",
            en="At least 5 GB are needed beside one percent of the disk, within which the store takes no files and "
            f"renditions wait. Free some space, or set {setting} to a folder on another disk.",
        ),
    )
