"""Stills, and pictures of moments of a video, made for a job and proved right."""

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from media.commands import file_of
from media.errors import OverLimit
from media.finding import Finding
from media.guard import Operation, decode
from media.job import Job, Source
from media.made import Rendered, read_file
from media.poster import frame_size, pick_frame
from media.profiles_form import Output
from media.proof import over_bounds, with_findings
from media.stills_order import MadeStill, Order
from media.verify import verify_still
from states.text import Text

_MAX_BYTES = 600_000_000
_MAKE = Operation("make_still", MadeStill, file_bytes=_MAX_BYTES)
_POOR = Finding(
    "quality_unwatchable",
    Text(
        "为满足大小上限，图片已缩得过小；请换用内容简单的图片。",
        "To stay within the size limit the picture had to become very small; use a simpler one.",
    ),
)


async def make_frame(source: Source, job: Job, folder: Path) -> Rendered:
    """A still of the first good moment of a video."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".frames-") as work:
        frame = await pick_frame(source, Path(work))
        width, _ = frame_size(source)
        # The frame may be smaller than the picture: the crop shrinks with it.
        order = _order(job, width / source.video.width)
        made = await _make(frame.path, "png", job, order, folder)
    return await _finish(
        job, folder, made, "poster", {"at_s": round(frame.at_s, 3), "is_dark": frame.is_dark}
    )


async def make_still(source: Source, job: Job, folder: Path) -> Rendered:
    """A still of a still."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    made = await _make(source.path, source.facts.container, job, _order(job, 1.0), folder)
    return await _finish(job, folder, made, "image", {})


def _order(job: Job, scale: float) -> Order:
    profile, crop = job.profile, job.worn.crop
    rung = profile.rungs[0]
    part = (crop.x, crop.y, crop.width, crop.height) if crop else None
    return Order(
        rung.long_px,
        rung.short_px,
        profile.canvas,
        crop=(tuple(int(side * scale) for side in part)) if part else None,  # type: ignore[arg-type]
        quality=profile.jpeg_quality,
        max_bytes=profile.bounds.size_bytes if profile.is_budgeted else None,
        dpi=profile.dpi,
        is_tiff=profile.output is Output.TIFF,
        is_iptc_kept=profile.is_iptc_kept,
        aigc=job.worn.aigc,
    )


async def _make(path: Path, image_format: str, job: Job, order: Order, folder: Path) -> MadeStill:
    out = file_of(job.profile, await asyncio.to_thread(folder.resolve))
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".label-") as work:
        if job.worn.label:
            # Beside the output: the guard lets the maker of the still see no other folder.
            copied = await asyncio.to_thread(shutil.copyfile, job.worn.label, Path(work) / "label.png")
            order = replace(order, label=copied)
        return await decode(
            _MAKE, path, writes=(out.parent,), image_format=image_format, order=order, out=out
        )


async def _finish(job: Job, folder: Path, made: MadeStill, role: str, more: dict[str, Any]) -> Rendered:
    profile = job.profile
    path = file_of(profile, folder)
    image_format = "tiff" if profile.output is Output.TIFF else "jpeg"
    await asyncio.to_thread(verify_still, path, (made.width, made.height), image_format)
    file = await asyncio.to_thread(read_file, path, folder, role, f"image/{image_format}")
    measured = {"width": made.width, "height": made.height, "size_bytes": file.size_bytes, **more}
    if profile.dpi:
        measured |= {"dpi": profile.dpi, "print_width_mm": round(made.width / profile.dpi * 25.4, 1)}
    rendered = Rendered(profile.name, (file,), measured)
    over = over_bounds(profile, rendered)
    if over:
        raise OverLimit(over)
    return with_findings(rendered, (_POOR,) if made.is_poor and profile.is_budgeted else ())
