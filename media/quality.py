"""What a rendition lost: differences of length, size and rate, and how alike to the source a sample is."""

import asyncio
import json
import math
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from media import _ffmpeg
from media.commands import similarity_args
from media.errors import EncodeFailed
from media.hls import join_segments, read_master
from media.job import Job, Source
from media.made import Rendered
from media.probe import look
from media.profiles_form import Output
from media.sniff import Kind, Sniffed

# Enough to see what the encoder does to this material, and cheap: a couple of seconds past the middle.
_SAMPLE_S = 2.0
_ALL = re.compile(r" All:([0-9.]+)")
_LIMITS = _ffmpeg.Limits(wall_s=300, file_bytes=50_000_000)
_MP4 = Sniffed(Kind.VIDEO, "mp4", "video/mp4", "mov")


async def with_quality(
    source: Source, job: Job, rendered: Rendered, same: Rendered | None = None
) -> Rendered:
    """The rendition with its figures in `measured`; likeness only where the picture is the source's, scaled.

    `ssim` is 0 to 1; `vmaf` 0 to 100 where ffmpeg was built with it. `same` has the same packets: what was
    measured of them is taken over.
    """
    figures = _figures(source, job, rendered)
    if job.copies_picture:
        figures["ssim"] = 1.0
    elif same is not None:
        figures |= {name: same.measured.get(name) for name in ("ssim", "vmaf")}
    elif _is_comparable(source, job):
        figures |= await _likeness(source, job, rendered)
    kept = {name: value for name, value in figures.items() if value is not None}
    return replace(rendered, measured=rendered.measured | kept)


def _figures(source: Source, job: Job, rendered: Rendered) -> dict[str, Any]:
    length_s = rendered.measured.get("duration_s") or 0.0
    wanted_s = (source.facts.duration_s or 0.0) + job.worn.clips_s
    return {
        "duration_difference_s": round(length_s - wanted_s, 3),
        "bitrate_bps": round(rendered.size_bytes * 8 / length_s) if length_s else None,
    }


def _is_comparable(source: Source, job: Job) -> bool:
    is_same_picture = job.profile.output in (Output.MP4, Output.HLS) and not job.worn.changes_picture
    is_padded = job.profile.canvas is not None or job.profile.is_landscape
    video = source.facts.video
    return is_same_picture and not is_padded and video is not None and not video.is_variable_rate


async def _likeness(source: Source, job: Job, rendered: Rendered) -> dict[str, float | None]:
    """SSIM and VMAF; nothing where the two could not be laid side by side, which is no reason to refuse."""
    length_s = source.facts.duration_s or 0.0
    # Half a frame before a frame: a seek to the very frame lands on either side of it.
    rate = job.pictures[0].rate
    number = max(0, int(min(length_s * 0.55, length_s - _SAMPLE_S) * rate))
    at_s = max(0.0, float((number - 0.5) / rate))
    folder = rendered.files[0].path.parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=".quality-") as work:
        made = await _made_part(job, rendered, Path(work))
        args = similarity_args(source, job.pictures[0], made, (at_s, _SAMPLE_S), Path(work))
        try:
            await _ffmpeg.run(args, _LIMITS)
        except EncodeFailed:
            return {}
        return await asyncio.to_thread(_read, Path(work))


def _read(log_dir: Path) -> dict[str, float | None]:
    return {"ssim": _mean(log_dir / "ssim.log"), "vmaf": _pooled(log_dir / "vmaf.json")}


def _pooled(log: Path) -> float | None:
    if not log.exists():
        return None
    value = json.loads(log.read_text("utf-8"))["pooled_metrics"]["vmaf"]["mean"]
    return round(float(value), 1) if math.isfinite(value) else None


async def _made_part(job: Job, rendered: Rendered, work: Path) -> Source:
    path = rendered.files[0].path
    if job.profile.output is Output.HLS:
        folder, path = path.parent, work / "joined.mp4"
        variants = await asyncio.to_thread(read_master, folder)
        await asyncio.to_thread(join_segments, folder, variants[0], path)
    return Source(path, await look(path, _MP4))


def _mean(log: Path) -> float | None:
    if not log.exists():
        return None
    values = [float(found[1]) for found in _ALL.finditer(log.read_text("ascii", "replace"))]
    finite = [value for value in values if math.isfinite(value)]
    return round(sum(finite) / len(finite), 4) if finite else None
