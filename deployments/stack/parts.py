"""What the supervisor starts: parts that keep running, and steps that are done once between them."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from states.text import Text


@dataclass(frozen=True, slots=True)
class Part:
    """One process that has to stay up."""

    name: str
    label: Text
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] | None = None
    """Whether it answers; None: it counts as up when it has lived for a moment."""
    url: str | None = None
    """Shown to people; never with a password."""
    after: tuple[str, ...] = ()
    before: Callable[[], Awaitable[None]] | None = None
    """Done before every start of the process."""
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    start_timeout_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do while starting; its failure stops the start."""

    name: str
    label: Text
    run: Callable[[], Awaitable[None]]
    after: tuple[str, ...] = ()


Item = Part | Step
