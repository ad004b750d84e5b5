"""Proves one output right: verified, inside the platform's limits, as loud as wanted. Or says what to change."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from media.commands import file_of
from media.commands_sound import downmix
from media.dressing import write_side_file
from media.errors import OverLimit
from media.finding import Finding
from media.hls import Variant, join_segments, read_master, read_packets, wrong
from media.hls_rules import check_master
from media.job import Job, Picture, Source
from media.loudness import measure, not_reached, retuned
from media.made import Rendered, measured_file, measured_ladder, read_file, read_ladder
from media.plan import budgeted
from media.probe import Probe, look
from media.profiles_form import Bounds, Output, Profile
from media.sniff import Kind, Sniffed
from media.verify import expected, verify_audio, verify_broadcast, verify_rung, verify_video
from states.text import Text

_TYPES = {
    Output.MP4: ("video", "video/mp4"),
    Output.M4A: ("audio", "audio/mp4"),
    Output.MP3: ("audio", "audio/mpeg"),
    Output.WAV: ("audio", "audio/wav"),
    Output.MXF: ("video", "application/mxf"),
}
_CODECS = {Output.M4A: "aac", Output.MP3: "mp3float", Output.WAV: "pcm_s24le"}
_POOR = Finding(
    "quality_unwatchable",
    Text(
        "为满足平台的大小上限，画质已低到难以观看；请剪短视频。",
        "To stay within the platform's size limit the picture had to become nearly unwatchable; cut the video.",
    ),
)


async def prove(source: Source, job: Job, folder: Path, *, is_last: bool) -> Rendered | Job:
    """The rendition in this folder, or the job as it should be tried again.

    Raises OutputWrong for what is no such rendition, and OverLimit for one that is over a limit and cannot be
    made smaller. With `is_last`, a loudness that is off becomes a finding.
    """
    rendered = await asyncio.to_thread(_read, source.facts, job, folder)
    smaller = _inside(source, job, rendered, is_last=is_last)
    if smaller:
        return smaller
    heard, retry, found = await _hear(job, rendered, folder)
    if retry and not is_last:
        return retry
    if job.worn.side_file:
        rendered = await asyncio.to_thread(_with_side_file, rendered, job, folder)
    findings = (*job.findings, *((_POOR,) if job.is_poor else ()), *found)
    return with_findings(replace(rendered, measured=rendered.measured | heard), findings)


def _with_side_file(rendered: Rendered, job: Job, folder: Path) -> Rendered:
    path = folder / "subtitles.vtt"
    write_side_file(job.worn, path)
    return replace(rendered, files=(*rendered.files, read_file(path, folder, "subtitles", "text/vtt")))


def with_findings(rendered: Rendered, findings: Sequence[Finding]) -> Rendered:
    """The rendition with these findings, which are kept with what was measured too."""
    noted = [{"code": each.code, **each.text.to_json()} for each in findings]
    more: dict[str, Any] = {"findings": noted} if noted else {}
    return replace(rendered, measured=rendered.measured | more, findings=tuple(findings))


def _read(facts: Probe, job: Job, folder: Path) -> Rendered:
    wanted = expected(facts, job)
    if job.profile.output is Output.HLS:
        return _read_hls(wanted, job, folder)
    path = file_of(job.profile, folder)
    made = _verified(path, wanted, job)
    role, media_type = _TYPES[job.profile.output]
    more: dict[str, Any] = {"is_copy": True} if job.copies_picture else {}
    if facts.audio and (mixed := downmix(facts.audio.channels)):
        more["downmix"] = mixed
    return Rendered(
        job.profile.name, (read_file(path, folder, role, media_type),), measured_file(made) | more
    )


def _verified(path: Path, wanted: Probe, job: Job) -> Probe:
    if job.profile.output is Output.MXF:
        return verify_broadcast(path, wanted, job.pictures[0])
    if job.profile.output in _CODECS:
        return verify_audio(path, wanted, _CODECS[job.profile.output])
    picture = job.pictures[0]
    return verify_video(path, wanted, picture, (picture.width, picture.height))


def _read_hls(wanted: Probe, job: Job, folder: Path) -> Rendered:
    variants = _verified_rungs(folder, wanted, job.pictures)
    files = read_ladder(folder, variants)
    frames = read_packets(folder, variants[0])["video"].packets
    measured = measured_ladder(variants, job.pictures, files, wanted) | {"frame_count": frames}
    return Rendered(job.profile.name, files, measured)


def _verified_rungs(folder: Path, wanted: Probe, pictures: Sequence[Picture]) -> tuple[Variant, ...]:
    variants = read_master(folder)
    check_master(folder)
    if len(variants) != len(pictures):
        raise wrong(f"{len(variants)} rungs, wanted {len(pictures)}")
    for variant, picture in zip(variants, pictures, strict=True):
        verify_rung(folder, variant, wanted, picture)
    return variants


def _inside(source: Source, job: Job, rendered: Rendered, *, is_last: bool) -> Job | None:
    size_bytes = rendered.size_bytes
    over = over_bounds(job.profile, rendered)
    if over is None:
        return None
    limit = job.profile.bounds.size_bytes
    if not job.profile.is_budgeted or limit is None or size_bytes <= limit or is_last:
        raise OverLimit(over)
    # In proportion, from what this try was allowed, and a little below.
    allowed_bps = job.pictures[0].rung.max_bitrate_bps + job.audio_bitrate_bps
    smaller = budgeted(source, job, 0.93 * allowed_bps * limit / size_bytes)
    if smaller is None:
        raise OverLimit(over)
    return smaller


def over_bounds(profile: Profile, rendered: Rendered) -> Text | None:
    """Which limit of the platform the finished rendition is over, in words; None when it is inside all."""
    bounds: Bounds = profile.bounds
    measured, name = rendered.measured, profile.label
    duration_s = measured.get("duration_s") or 0.0
    sides = sorted((measured.get("width") or 0, measured.get("height") or 0))
    if bounds.size_bytes is not None and rendered.size_bytes > bounds.size_bytes:
        got, limit = f"{rendered.size_bytes / 1e6:.2f} MB", f"{bounds.size_bytes / 1e6:g} MB"
    elif bounds.duration_s is not None and duration_s > bounds.duration_s + 0.1:
        got, limit = f"{duration_s:.1f} s", f"{bounds.duration_s} s"
    elif sides[0] < (bounds.min_short_px or 0) or sides[1] < (bounds.min_long_px or 0):
        got, limit = f"{sides[1]}x{sides[0]}", f"{bounds.min_long_px}x{bounds.min_short_px}"
    else:
        return None
    return Text(
        f"“{name.zh}”为 {got}，平台上限（或下限）为 {limit}；请剪短或更换素材。",
        f"“{name.en}” came out at {got} where the platform's limit is {limit}; cut it or send other material.",
    )


async def _hear(
    job: Job, rendered: Rendered, folder: Path
) -> tuple[dict[str, Any], Job | None, tuple[Finding, ...]]:
    """What was measured of the sound, the job with a better gain, and a finding if this was the last try."""
    target = job.profile.loudness
    is_left_alone = any(finding.code in ("silence", "too_short_for_loudness") for finding in job.findings)
    if target is None or not rendered.measured["has_audio"] or is_left_alone:
        return {}, None, ()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".heard-") as work:
        after = await measure(await _heard_source(job, rendered, Path(work)), Path(work))
    heard = {"loudness_lufs": after.integrated_lufs, "true_peak_dbtp": after.peak_dbtp}
    better = retuned(job.gain, after, target)
    if better is None:
        return heard, None, ()
    # Copied packets cannot be made louder.
    again = replace(job, gain=better, copies_sound=False)
    return heard, again, (not_reached(after, target),)


async def _heard_source(job: Job, rendered: Rendered, work: Path) -> Source:
    path, format_of = rendered.files[0].path, _SNIFFED[job.profile.output]
    if job.profile.output is Output.HLS:
        # The sound is the same in every rung, and the last one has the least picture.
        folder, path = path.parent, work / "joined.mp4"
        variant = (await asyncio.to_thread(read_master, folder))[-1]
        await asyncio.to_thread(join_segments, folder, variant, path)
    return Source(path, await look(path, format_of))


_MP4 = Sniffed(Kind.VIDEO, "mp4", "video/mp4", "mov")
_SNIFFED = {
    Output.MP4: _MP4,
    Output.HLS: _MP4,
    Output.M4A: Sniffed(Kind.AUDIO, "m4a", "audio/mp4", "mov"),
    Output.MP3: Sniffed(Kind.AUDIO, "mp3", "audio/mpeg", "mp3"),
    Output.WAV: Sniffed(Kind.AUDIO, "wav", "audio/wav", "wav"),
    Output.MXF: Sniffed(Kind.VIDEO, "mxf", "application/mxf", "mxf"),
}
