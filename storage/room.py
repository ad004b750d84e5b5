"""How much room there is on the disk of a store that lies on this machine."""

import shutil
from pathlib import Path

# The embedded gateway takes no byte more when less than one percent of its disk is free (SeaweedFS 4.48; `weed mini`
# has no option for it), and above that fails where less is left than a write needs. What is left is PostgreSQL's.
_RESERVE = 0.01
_LEAST_RESERVE_BYTES = 64 * 2**20


def lacks_room(folder: Path, size_bytes: int = 0) -> bool:
    """Whether so many bytes more would leave less than the reserve of the disk on which the folder lies.

    Raises OSError when there is no such folder.
    """
    disk = shutil.disk_usage(folder)
    return disk.free - size_bytes < max(_LEAST_RESERVE_BYTES, disk.total * _RESERVE)
