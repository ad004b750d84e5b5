"""Looks at pictures: light, sharpness, change, perceptual hash, the hash of the pixels. Runs behind the guard."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from operator import mul
from pathlib import Path
from statistics import median

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from media.stills import open_still, shrink, upright_srgb
from media.stills_order import Look, StillSigns

# pHash: the luma at 32 x 32, the 8 x 8 lowest frequencies of its cosine transform, one bit each for being above
# their median (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, chapter 3.2.1).
# With the DC term, as ImageHash 4.3 has it. Written here for what there is on PyPI either compiles (pdqhash), brings
# SciPy along (ImageHash) or hashes edges alone (dhash); this decodes nothing by itself and takes 2 ms.
_SIDE, _LOW = 32, 8
_COSINES = [
    [math.cos(math.pi * (2 * x + 1) * wave / (2 * _SIDE)) for x in range(_SIDE)] for wave in range(_LOW)
]
_MIN_SPREAD = 6.0
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
_LOOK_PX, _SMALL_PX = 320, 512
# Of an animation so many pixels are hashed at the most, some seconds' work; and so many rows at a time.
_ESSENCE_PIXELS = 600_000_000
_ROWS = 256
# In these, further pictures are part of what a viewer sees; in others they are previews and gain maps.
_MOVING = {"gif", "png", "webp", "tiff"}


def look_at(folder: Path, names: tuple[str, ...]) -> tuple[Look, ...]:
    """A look at each of these pictures of a film, in order; JPEG by its name, else PNG. Raises as `open_still`."""
    looks, before = [], None
    for name in names:
        with open_still(folder / name, "jpeg" if name.endswith(".jpg") else "png") as image:
            luma = image.convert("L")
        looks.append(_look(luma, before))
        before = luma
    return tuple(looks)


def still_signs(path: Path, image_format: str) -> StillSigns:
    """What the still is known again by. Raises as `open_still` does."""
    with open_still(path, image_format) as image:
        # Small first: what follows would take gigabytes for the largest that are taken.
        small = shrink(_shown(image), _SMALL_PX, _SMALL_PX)
        bits = perceptual_bits(upright_srgb(small).convert("L"))
        return StillSigns(_essence(image, image_format), bits)


def perceptual_bits(luma: Image.Image) -> int | None:
    """The perceptual hash as a signed number of 64 bits; None for a picture without anything to see."""
    if _spread(luma) < _MIN_SPREAD:
        return None
    pixels = luma.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).tobytes()
    rows = [pixels[start : start + _SIDE] for start in range(0, _SIDE * _SIDE, _SIDE)]
    by_row = [[_wave(row, cosines) for cosines in _COSINES] for row in rows]
    waves = [_wave(column, cosines) for column in zip(*by_row, strict=True) for cosines in _COSINES]
    middle = median(waves)
    unsigned = sum(1 << place for place, wave in enumerate(waves) if wave > middle)
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


def _wave(values: Iterable[float], cosines: Iterable[float]) -> float:
    total: float = sum(map(mul, values, cosines))
    return total


def _look(luma: Image.Image, before: Image.Image | None) -> Look:
    small = luma.copy()
    small.thumbnail((_LOOK_PX, _LOOK_PX))
    light = ImageStat.Stat(luma.resize((64, 64)))
    sharpness = ImageStat.Stat(small.filter(_LAPLACIAN)).var[0]
    change = None
    if before is not None and before.size == luma.size:
        change = ImageStat.Stat(ImageChops.difference(luma, before)).mean[0]
    return Look(light.mean[0], light.stddev[0], sharpness, change, perceptual_bits(luma))


def _spread(luma: Image.Image) -> float:
    return ImageStat.Stat(luma.resize((64, 64))).stddev[0]


def _essence(image: Image.Image, image_format: str) -> str:
    digest, count = hashlib.sha256(), 0
    frames = getattr(image, "n_frames", 1) if image_format in _MOVING else 1
    for number in range(frames):
        if number:
            image.seek(number)
        picture = _shown(image)
        count += picture.width * picture.height
        if number and count > _ESSENCE_PIXELS:
            break
        digest.update(f"{picture.mode} {picture.width}x{picture.height} {number}/{frames}\n".encode())
        for strip in _strips(picture):
            digest.update(strip)
    return digest.hexdigest()


def _shown(image: Image.Image) -> Image.Image:
    """The upright pixels in the mode that says what they show: the way a file packs them does not count."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I"):
        return image.convert("I")
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image


def _strips(image: Image.Image) -> Iterator[bytes]:
    for top in range(0, image.height, _ROWS):
        yield image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes()
