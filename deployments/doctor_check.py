"""What one look of `sanshen doctor` gives."""

from dataclasses import dataclass

from states.text import Text


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is well, what was found, and how to mend it if it is not."""

    name: str
    ok: bool
    text: Text
    mend: Text | None = None
