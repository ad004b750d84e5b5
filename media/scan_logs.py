"""What the meters of the technical look wrote, as values. Everything in these files may be missing or nonsense."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the film, in seconds from its zero."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """How long it lasts."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter said of one moment; values that are no numbers are left out."""

    at_s: float
    values: dict[str, float]


def read_stretches(folder: Path, name: str, film_s: float) -> list[Stretch]:
    """The stretches whose starts and ends a detector noted; one that was not ended lasts to the film's end."""
    pairs = zip_longest(_marks(folder / f"{name}_start"), _marks(folder / f"{name}_end"))
    found = []
    for start_s, end_s in pairs:
        if start_s is None:
            break
        inside = Stretch(max(0.0, start_s), min(film_s, film_s if end_s is None else end_s))
        if inside.length_s > 0:
            found.append(inside)
    return found


def read_readings(log: Path) -> Iterator[Reading]:
    """All readings of one meter, in order; keys such as "signalstats.YMIN"."""
    at_s, values = math.nan, dict[str, float]()
    for line in _lines(log):
        key, _, value = line.partition("=")
        if not key.startswith("lavfi."):
            if math.isfinite(at_s) and values:
                yield Reading(at_s, values)
            at_s, values = _number(line.rpartition("pts_time:")[2]), {}
        elif math.isfinite(number := _number(value)):
            values[key.removeprefix("lavfi.")] = number
    if math.isfinite(at_s) and values:
        yield Reading(at_s, values)


def join(stretches: Iterable[Stretch], gap_s: float, shortest_s: float) -> list[Stretch]:
    """Neighbours that are no further apart than `gap_s` made one; of those, the ones that last long enough."""
    joined: list[Stretch] = []
    for each in sorted(stretches, key=lambda stretch: stretch.start_s):
        if joined and each.start_s - joined[-1].end_s <= gap_s:
            joined[-1] = Stretch(joined[-1].start_s, max(joined[-1].end_s, each.end_s))
        else:
            joined.append(each)
    # A detector says when it has seen enough, which may be a frame early.
    return [each for each in joined if each.length_s >= shortest_s - 0.001]


def _marks(log: Path) -> list[float]:
    values = (_number(line.partition("=")[2]) for line in _lines(log) if line.startswith("lavfi."))
    return [value for value in values if math.isfinite(value)]


def _lines(log: Path) -> Iterator[str]:
    try:
        with log.open(encoding="ascii", errors="replace") as file:
            for line in file:
                yield line.strip()
    except FileNotFoundError:  # the run ended before this meter saw anything
        return


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
