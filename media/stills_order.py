"""How a still is to be made, and what came out: plain values that pass the guard. Opens no picture."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Order:
    """How a still is made of another. `label` is a PNG in the folder of the output; `aigc` the AI mark to write."""

    long_px: int
    short_px: int
    canvas: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    quality: int = 85
    max_bytes: int | None = None
    dpi: int | None = None
    is_tiff: bool = False
    is_iptc_kept: bool = False
    label: Path | None = None
    aigc: str | None = None


@dataclass(frozen=True, slots=True)
class MadeStill:
    """What came out; `is_poor` when the budget left too few pixels to be worth looking at."""

    width: int
    height: int
    quality: int
    is_poor: bool


@dataclass(frozen=True, slots=True)
class Brightness:
    """Mean and spread of the luma of a picture, 0 to 255: black is low in both, a flat card low in the second."""

    mean: float
    spread: float
