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
class Look:
    """What a small picture looks like: mean and spread of its luma (0 to 255), sharpness, change, fingerprint.

    `sharpness` is the variance of the Laplacian at 320 px; it says something beside other pictures of the same
    film alone. `change` is the mean difference of luma to the picture before it. `bits` is the perceptual hash
    as PostgreSQL's bigint holds it; a picture with nothing to see has none, for it would resemble every other.
    """

    mean: float
    spread: float
    sharpness: float
    change: float | None = None
    bits: int | None = None

    @property
    def is_dark(self) -> bool:
        """Whether it is black or flat. Video black is 0 here; a night scene has a spread, a flat card has none."""
        return self.mean < 18.0 or self.spread < 6.0


@dataclass(frozen=True, slots=True)
class StillSigns:
    """What a still is known again by: the hash of its pixels, and its perceptual hash where it has one."""

    essence_sha256: str
    bits: int | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """How many small pictures of a film lie on one sheet, row by row, and how large each of them is."""

    columns: int
    tile_width: int
    tile_height: int
