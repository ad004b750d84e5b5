"""Renditions that are the same film as another one: copied under their own name, or packed from a stream's rung."""

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from media import _ffmpeg
from media.commands import file_of, pack_args
from media.errors import EncodeFailed, Malformed, OutputWrong, OverLimit
from media.hls import Variant, join_segments, read_master, read_packets, wrong
from media.job import Job, Source
from media.made import Outcome, Rendered, read_file
from media.proof import over_bounds, prove
from media.quality import with_quality
from media.twins import Twin


def copy_twin(twin: Twin, original: Outcome, out_dir: Path) -> Outcome:
    """The files of the original under the twin's name; OverLimit where this platform takes less than that one."""
    profile = twin.profile
    if original.rendered is None:
        return Outcome(profile.name, error=original.error)
    folder = out_dir / profile.name
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for file in original.rendered.files:
        path = folder / file.name.replace(twin.of, profile.name)
        shutil.copyfile(file.path, path)
        files.append(read_file(path, folder, file.role, file.media_type))
    rendered = replace(original.rendered, profile=profile.name, files=tuple(files))
    over = over_bounds(profile, rendered)
    return Outcome(profile.name, error=OverLimit(over)) if over else Outcome(profile.name, rendered)


async def pack_rung(source: Source, twin: Twin, original: Outcome, folder: Path) -> Rendered | None:
    """The film of a rung as an MP4, proved like any other; None when it has to be coded after all.

    That is when there is no stream, or its rung makes no such file. Raises OverLimit.
    """
    if original.rendered is None or twin.job is None:
        return None
    stream = original.rendered.files[0].path.parent
    job = twin.job
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    try:
        await _pack(stream, twin, job, folder)
        made = await prove(source, job, folder, is_last=True)
    except (OutputWrong, Malformed, EncodeFailed):
        return None
    if not isinstance(made, Rendered):
        return None
    made = replace(made, measured=made.measured | {"packed_from": twin.of})
    is_top = (
        original.rendered.measured["rungs"][0]["name"] == twin.rung
    )  # the one whose likeness was measured
    return await with_quality(source, job, made, original.rendered if is_top else None)


async def _pack(stream: Path, twin: Twin, job: Job, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".joined-") as work:
        joined = Path(work) / "joined.mp4"
        variant = await asyncio.to_thread(_variant, stream, twin)
        await asyncio.to_thread(join_segments, stream, variant, joined)
        timings = await asyncio.to_thread(read_packets, stream, variant)
        # An encoder of sound runs in before the picture begins, and so the file begins with it, unseen and unheard.
        run_in_s = timings["video"].start_s - min(each.start_s for each in timings.values())
        size_bytes = (await asyncio.to_thread(joined.stat)).st_size
        limits = _ffmpeg.Limits(wall_s=60 + size_bytes / 1e7, file_bytes=2 * size_bytes + 1_000_000)
        await _ffmpeg.run(pack_args(joined, run_in_s, job, file_of(twin.profile, folder)), limits)


def _variant(stream: Path, twin: Twin) -> Variant:
    for variant in read_master(stream):
        if variant.playlist.split("/")[0] == twin.rung:
            return variant
    raise wrong(f"no rung {twin.rung}")
