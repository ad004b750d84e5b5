"""What is said of a file to its reviewers."""

from dataclasses import dataclass

from states.text import Text


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reviewer should know; `at_s` where it has a place in time, `until_s` where that is a stretch."""

    code: str
    text: Text
    at_s: float | None = None
    until_s: float | None = None
