"""Writes stills as platforms want them: cropped, labelled, inside a byte budget. Runs behind the guard."""

import io
from math import ceil
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, TiffImagePlugin, TiffTags

from media.aigc import as_xmp
from media.stills import open_still, pad_blurred, shrink, upright_srgb
from media.stills_order import MadeStill, Order

# From the wanted quality down in these steps, then smaller in size; below the last one JPEG looks broken.
_QUALITY_STEP, _LEAST_QUALITY = 8, 45
_SMALLER = 0.8
_LEAST_PX = 64
# Under this width nobody reads a face (house value).
_POOR_PX = 160
_LABEL_PART = 0.09
_MARGIN_PART = 25
_IPTC_RESOURCE = 0x0404


def make_still(path: Path, image_format: str, order: Order, out: Path) -> MadeStill:
    """Writes the still as ordered. Raises as `still_facts` does; the caller checks the budget."""
    with open_still(path, image_format) as image:
        iptc = _iptc(image) if order.is_iptc_kept else None
        picture = upright_srgb(image)
    if order.crop:
        x, y, width, height = order.crop
        picture = picture.crop((x, y, x + width, y + height))
    box = (order.long_px, order.short_px)
    fitted = pad_blurred(picture, order.canvas) if order.canvas else shrink(picture, *box)
    return _write(fitted, order, iptc, out)


def _write(picture: Image.Image, order: Order, iptc: bytes | None, out: Path) -> MadeStill:
    quality, is_shrinkable = order.quality, order.canvas is None
    while True:
        data = _encoded(_labelled(picture, order), order, iptc, quality)
        small_enough = order.max_bytes is None or len(data) <= order.max_bytes
        if small_enough or (
            quality <= _LEAST_QUALITY and not (is_shrinkable and min(picture.size) > _LEAST_PX)
        ):
            out.write_bytes(data)
            return MadeStill(*picture.size, quality, picture.width < _POOR_PX)
        if quality > _LEAST_QUALITY:
            quality = max(_LEAST_QUALITY, quality - _QUALITY_STEP)
        else:
            quality = (order.quality + _LEAST_QUALITY) // 2
            size = (max(2, round(side * _SMALLER)) for side in picture.size)
            picture = picture.resize(tuple(size), Image.Resampling.LANCZOS)


def _labelled(picture: Image.Image, order: Order) -> Image.Image:
    if order.label is None:
        return picture
    short_px = min(picture.size)
    with Image.open(order.label, formats=("PNG",)) as label:
        height = ceil(short_px * _LABEL_PART)
        letters = label.convert("RGBA").resize((round(label.width * height / label.height), height))
    laid = picture.convert("RGBA")
    margin = short_px // _MARGIN_PART
    laid.alpha_composite(letters, (margin, margin))
    return laid.convert("RGB")


def _encoded(picture: Image.Image, order: Order, iptc: bytes | None, quality: int) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {}
    if order.dpi:
        options |= {"dpi": (order.dpi, order.dpi), "icc_profile": _srgb()}
    xmp = as_xmp(order.aigc) if order.aigc else None
    if order.is_tiff:
        picture.save(buffer, "TIFF", compression="tiff_lzw", tiffinfo=_tiff_tags(iptc, xmp), **options)
        return buffer.getvalue()
    if xmp:
        options["xmp"] = xmp
    if iptc:
        options["extra"] = _app13(iptc)
    # Print shops' programs read baseline files best.
    picture.save(buffer, "JPEG", quality=quality, optimize=True, progressive=order.dpi is None, **options)
    return buffer.getvalue()


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _iptc(image: Image.Image) -> bytes | None:
    """The IPTC-IIM block as it stands in the file: byline, caption, rights."""
    resources = image.info.get("photoshop")
    if isinstance(resources, dict):
        block = resources.get(_IPTC_RESOURCE)
        return block if isinstance(block, bytes) else None
    tags = getattr(image, "tag_v2", {})
    block = tags.get(33723)  # IPTC-NAA in TIFF
    return bytes(block) if isinstance(block, bytes | tuple) else None


def _app13(iptc: bytes) -> bytes:
    """The APP13 segment of Photoshop's image resources, with the IPTC one alone (IPTC-IIM 4.2, annex)."""
    padded = iptc + b"\0" * (len(iptc) % 2)
    resource = b"8BIM" + _IPTC_RESOURCE.to_bytes(2, "big") + b"\0\0" + len(iptc).to_bytes(4, "big") + padded
    content = b"Photoshop 3.0\0" + resource
    if len(content) + 2 > 0xFFFF:
        return b""
    return b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content


def _tiff_tags(iptc: bytes | None, xmp: bytes | None) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    # XMP specification, part 3, 3.2.3: tag 700 holds bytes.
    for number, value, kind in ((33723, iptc, TiffTags.UNDEFINED), (700, xmp, TiffTags.BYTE)):
        if value:
            tags.tagtype[number] = kind
            tags[number] = value
    return tags
