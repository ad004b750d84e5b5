"""The one door to Pillow: reads, turns and writes still pictures under a pixel cap. Knows no profiles."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, Image, ImageCms, ImageFilter, ImageOps

from media.aigc import in_metadata, in_xmp, valid
from media.errors import Malformed, TooLarge
from media.geometry import contain, cover, fit_within
from media.probe import StillFacts
from states.text import Text

# The largest press cameras give 102 megapixels; in RGB this is 360 MB of memory.
MAX_STILL_PIXELS = 120_000_000
# Pillow's own guard (it warns above this and refuses at the double) stays, as the second wall.
Image.MAX_IMAGE_PIXELS = MAX_STILL_PIXELS

_ORIENTATION = 0x0112
# Pillow's decoders raise all of these on damaged files.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, RuntimeError, struct.error)


def still_facts(path: Path, image_format: str) -> StillFacts:
    """Reads and decodes a still once. TooLarge over the pixel cap (before decoding), Malformed when damaged."""
    with open_still(path, image_format) as image:
        exif = image.getexif()
        is_sideways = exif.get(_ORIENTATION, 1) >= 5
        size = (image.height, image.width) if is_sideways else image.size
        has_location = bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
        frames = getattr(image, "n_frames", 1)
        return StillFacts(image_format, size[0], size[1], image.mode, has_location, frames, aigc_of(image))


def aigc_of(image: Image.Image) -> str | None:
    """The implicit label of AI-made content in a still: XMP, a text chunk of PNG, or Exif's user comment."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    packet = packet.encode() if isinstance(packet, str) else packet
    texts = {
        key: value for key, value in image.info.items() if isinstance(key, str) and isinstance(value, str)
    }
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    said = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
    return in_xmp(packet) or in_metadata(texts) or valid(said[said.find("{") :].strip("\x00"))


@contextmanager
def open_still(path: Path, image_format: str) -> Iterator[Image.Image]:
    """The decoded first picture of a file, read as this format and no other."""
    if image_format == "heif":
        _register_heif()
    try:
        with Image.open(path, formats=(image_format.upper(),)) as image:
            if image.width * image.height > MAX_STILL_PIXELS:
                raise _too_large()
            image.load()
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except _DAMAGE as error:
        raise Malformed(
            Text("图片文件已损坏或不完整，请重新导出后上传。", "The picture is damaged; export it again."),
            type(error).__name__,
        ) from error


def upright_srgb(image: Image.Image) -> Image.Image:
    """The picture turned as its camera meant, in sRGB, without transparency and without any metadata."""
    turned = ImageOps.exif_transpose(_to_eight_bits(image))
    profile = turned.info.get("icc_profile")
    if turned.has_transparency_data:
        rgba = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    picture = _from_profile(turned, profile) if profile else turned.convert("RGB")
    # A new image carries nothing along: no EXIF, XMP, comment or profile.
    clean = Image.new("RGB", picture.size)
    clean.paste(picture)
    return clean


def shrink(image: Image.Image, long_px: int, short_px: int) -> Image.Image:
    """The picture inside long x short; never enlarged."""
    width, height = fit_within(*image.size, long_px, short_px)
    if width >= image.width and height >= image.height:
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def pad_blurred(image: Image.Image, canvas: tuple[int, int]) -> Image.Image:
    """The whole picture in the middle of the canvas, on a blurred enlargement of itself; never stretched."""
    # The blur hides the small size, and costs a sixteenth.
    small = (canvas[0] // 4, canvas[1] // 4)
    background = image.resize(cover(*image.size, small), Image.Resampling.BILINEAR)
    background = ImageOps.fit(background, small).filter(ImageFilter.GaussianBlur(10)).resize(canvas)
    front = image.resize(contain(*image.size, canvas), Image.Resampling.LANCZOS)
    background.paste(front, ((canvas[0] - front.width) // 2, (canvas[1] - front.height) // 2))
    return background


def write_jpeg(image: Image.Image, path: Path, quality: int) -> None:
    """Writes a progressive JPEG that carries pixels only."""
    image.save(path, "JPEG", quality=quality, optimize=True, progressive=True)


def _register_heif() -> None:
    import pi_heif  # 10 ms and a library of its own, for phones alone

    pi_heif.register_heif_opener()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image
    # 16-bit grey: Pillow's own conversion clips everything above 255 to white.
    return image.convert("I").point(lambda value: value / 256).convert("L")


def _from_profile(image: Image.Image, profile: bytes) -> Image.Image:
    source = image.convert("RGB") if image.mode not in ("RGB", "CMYK", "L") else image
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            source, described, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        # A broken profile is no reason to lose the picture.
        return source.convert("RGB")
    return converted or source.convert("RGB")


def _too_large() -> TooLarge:
    limit = MAX_STILL_PIXELS // 1_000_000
    return TooLarge(
        Text(
            f"图片超过 {limit} 百万像素的上限，请缩小后上传。",
            f"The picture has more than {limit} megapixels; make it smaller and send it again.",
        )
    )
