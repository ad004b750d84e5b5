"""Whether the embedded gateway is well, also after its disk was full."""

import asyncio
from contextlib import suppress

from deployments.stack import s3
from storage.errors import NotFound, StoreUnavailable
from storage.keys import RENDITIONS
from storage.objects import Objects
from storage.room import lacks_room
from storage.settings import Settings

_PATIENCE_S = 10.0
_TRIAL = "probe/watch"


class Watch:
    """Asked by the supervisor every few seconds.

    The gateway keeps its names in LevelDB, whose log refuses every write for good once one of them found no room at
    all (SeaweedFS 4.48, measured): reading goes on, writing does not, with room again, until it is started anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._was_full = False

    async def __call__(self) -> bool:
        """Whether it answers and, when there is room again after there was none, takes what it is given.

        While there is none it is left alone: started on a full disk it could not even be read.
        """
        if not await s3.is_ready(self._settings.s3_port):
            return False
        if self._lacks_room():
            self._was_full = True
        elif self._was_full:
            self._was_full = not await self._takes_writes()
            return not self._was_full
        return True

    def _lacks_room(self) -> bool:
        with suppress(OSError):
            return self._settings.s3_folder is not None and lacks_room(self._settings.s3_folder)
        return False

    async def _takes_writes(self) -> bool:
        put = Objects(self._settings).put_bytes(RENDITIONS, _TRIAL, b"", "text/plain")
        try:
            await asyncio.wait_for(put, _PATIENCE_S)
        except NotFound:
            return True  # the buckets are made later
        except (StoreUnavailable, TimeoutError):
            return False
        return True
