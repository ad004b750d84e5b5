"""Lays small pictures on one sheet inside a byte budget. Runs behind the guard."""

import io
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from PIL import Image

from media.geometry import fit_within
from media.stills import open_still
from media.stills_order import Sheet

# Each attempt takes the next: long side in pixels, JPEG quality. 120 pictures of pure noise, which no camera makes,
# take 246 kB in the fourth and 116 kB in the last (measured 2026-11-22).
_ATTEMPTS = ((160, 70), (160, 50), (120, 50), (120, 35), (96, 30))


def make_sheet(folder: Path, names: tuple[str, ...], max_bytes: int, out: Path) -> Sheet:
    """Writes the pictures (JPEG, of one film) as one JPEG and says how they lie. Raises as `open_still`.

    Lower quality first, then smaller pictures; the last attempt is written whatever it takes.
    """
    pictures = [_open(folder / name) for name in names]
    for long_px, quality in _ATTEMPTS:
        sheet, data = _lay(pictures, long_px, quality)
        if len(data) <= max_bytes:
            break
    out.write_bytes(data)
    return sheet


def _open(path: Path) -> Image.Image:
    with open_still(path, "jpeg") as image:
        return image.convert("RGB")


def _lay(pictures: Sequence[Image.Image], long_px: int, quality: int) -> tuple[Sheet, bytes]:
    width, height = fit_within(*pictures[0].size, long_px, long_px)
    # As square as it goes: a strip of 120 pictures would be larger than some phones can decode.
    columns = min(len(pictures), max(1, ceil(sqrt(len(pictures) * height / width))))
    image = Image.new("RGB", (columns * width, ceil(len(pictures) / columns) * height))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        image.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (column * width, row * height))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return Sheet(columns, width, height), buffer.getvalue()
