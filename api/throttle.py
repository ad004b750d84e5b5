"""A brake on guessing passwords: failed sign-ins by name and address, in this process's memory."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_FAILURES = 10
WINDOW_S = 300.0
_MOST_KEYS = 20_000


class Throttle:
    """Counts attempts as failed until they are known to have succeeded, so that many at once count too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def begin(self, username: str, address: str) -> float | None:
        """Count one attempt; returns the seconds to wait when there were too many."""
        now, key = self._clock(), (username, address)
        recent = [at for at in self._failed.pop(key, []) if at > now - WINDOW_S]
        self._failed[key] = recent
        if len(recent) >= MOST_FAILURES:
            return recent[0] + WINDOW_S - now
        recent.append(now)
        if len(self._failed) > _MOST_KEYS:
            self._failed.popitem(last=False)
        return None

    def succeed(self, username: str, address: str) -> None:
        """The attempt was a good one: earlier failures are forgotten."""
        self._failed.pop((username, address), None)
