"""Sizes and frame rates of outputs, as plain arithmetic. Knows no tool."""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in (
        "24000/1001",
        "24",
        "25",
        "30000/1001",
        "30",
        "48",
        "50",
        "60000/1001",
        "60",
        "120000/1001",
        "120",
    )
)


def fit_within(width: int, height: int, long_px: int, short_px: int) -> tuple[int, int]:
    """The largest even size with the same shape inside long x short, turned as the source; never enlarged."""
    return _scaled(width, height, min(Fraction(1), _factor(width, height, long_px, short_px)))


def is_enlarged(width: int, height: int, long_px: int, short_px: int) -> bool:
    """Whether filling long x short would need more pixels than the source has."""
    return _factor(width, height, long_px, short_px) > 1


def contain(width: int, height: int, canvas: tuple[int, int]) -> tuple[int, int]:
    """The even size with the source's shape that just fits into the canvas; enlarged where needed."""
    fitted = _scaled(width, height, min(Fraction(canvas[0], width), Fraction(canvas[1], height)))
    return min(fitted[0], canvas[0]), min(fitted[1], canvas[1])


def cover(width: int, height: int, canvas: tuple[int, int]) -> tuple[int, int]:
    """The even size with the source's shape that leaves no part of the canvas free."""
    fitted = _scaled(width, height, max(Fraction(canvas[0], width), Fraction(canvas[1], height)))
    return max(fitted[0], canvas[0]), max(fitted[1], canvas[1])


def snap_rate(rate: Fraction, tolerance: float, rates: Iterable[Fraction] = STANDARD_RATES) -> Fraction:
    """The nearest standard rate when it is within the tolerance (0.01 = 1 %), else the rate itself."""
    nearest = min(rates, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= rate * Fraction(tolerance) else rate.limit_denominator(1001)


def _factor(width: int, height: int, long_px: int, short_px: int) -> Fraction:
    return min(Fraction(long_px, max(width, height)), Fraction(short_px, min(width, height)))


def _scaled(width: int, height: int, factor: Fraction) -> tuple[int, int]:
    return _even(width * factor), _even(height * factor)


def _even(size: Fraction) -> int:
    # 4:2:0 needs whole pairs. To the nearest pair, and an odd size goes down: no pixel is made up.
    return max(2, 2 * ceil((size - 1) / 2))
