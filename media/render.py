"""Makes one rendition of one file and proves it right. Path in, frozen result out; knows no store and no flow."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from media import _ffmpeg
from media.commands import Picture, Source, hls_args, m4a_args, mp4_args
from media.errors import NotMedia
from media.geometry import fit_within, is_enlarged, snap_rate
from media.hashing import hash_file
from media.hls import Variant, read_master, wrong
from media.poster import pick_frame
from media.probe import Probe
from media.profiles import Output, Profile, Rung
from media.sniff import Kind
from media.stills import open_still, pad_blurred, shrink, upright_srgb, write_jpeg
from media.verify import verify_audio, verify_rung, verify_still, verify_video
from states.text import Text

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One file of a rendition; `name` is relative to the output folder, with forward slashes."""

    role: str
    name: str
    path: Path
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished rendition: its files, the one to open first at the head, and what was measured of them."""

    profile: str
    files: tuple[RenderedFile, ...]
    measured: dict[str, Any]


async def render(
    source: Path, probe: Probe, profile: Profile, out_dir: Path, on_progress: Progress | None = None
) -> Rendered:
    """Makes the rendition in `out_dir` (made if missing, best empty); `on_progress` gets 0.0 to 1.0.

    Raises NotMedia when the profile does not take this kind, EncodeFailed, TooLarge, Malformed and OutputWrong
    (final), TimedOut and EncoderKilled (try again). Cancelling it kills ffmpeg and leaves files that count
    for nothing.
    """
    if probe.kind not in profile.kinds:
        raise _kind_not_taken(profile)
    await asyncio.to_thread(out_dir.mkdir, parents=True, exist_ok=True)
    rendered = await _MAKERS[profile.output](Source(source, probe), profile, out_dir, on_progress)
    if on_progress:
        on_progress(1.0)
    return rendered


def pictures_for(probe: Probe, profile: Profile) -> tuple[Picture, ...]:
    """The sizes and the constant rate that a video gets: rungs no larger than the source, one at the least."""
    video = probe.video
    assert video is not None  # noqa: S101 - profiles for video get files with video
    rate = _rate(video.frame_rate, profile)
    if profile.canvas:
        return (Picture(profile.rungs[0], *profile.canvas, rate),)
    size = (video.width, video.height)
    rungs = [rung for rung in profile.rungs if not is_enlarged(*size, rung.long_px, rung.short_px)]
    chosen = rungs or [_rung_of_source(profile.rungs[-1], *size)]
    return tuple(Picture(rung, *fit_within(*size, rung.long_px, rung.short_px), rate) for rung in chosen)


def _rate(measured: Fraction, profile: Profile) -> Fraction:
    if profile.is_rate_fixed:
        return profile.max_frame_rate
    # A phone's average of 29.86 is meant as 30; 120 and 240 are for slow motion and come down to the cap.
    return min(max(snap_rate(measured, 0.01), Fraction(1)), profile.max_frame_rate)


def _rung_of_source(smallest: Rung, width: int, height: int) -> Rung:
    size = (max(width, height), min(width, height))
    return Rung(f"{size[1] // 2 * 2 or 2}p", max(2, size[0]), max(2, size[1]), smallest.max_bitrate_bps)


def _limits(probe: Probe, profile: Profile) -> _ffmpeg.Limits:
    duration_s = probe.duration_s or 0.0
    # The smallest machine we support encodes the ladder at a quarter of real time; HDR takes twice that.
    wall_s = 120 + 30 * duration_s
    bitrate_bps = max((rung.max_bitrate_bps for rung in profile.rungs), default=0) + profile.audio_bitrate_bps
    return _ffmpeg.Limits(wall_s, file_bytes=int(20_000_000 + 2 * duration_s * bitrate_bps / 8))


async def _make_mp4(
    source: Source, profile: Profile, out_dir: Path, on_progress: Progress | None
) -> Rendered:
    picture = pictures_for(source.facts, profile)[0]
    path = out_dir / f"{profile.name}.mp4"
    args = mp4_args(source, profile, picture, path)
    await _ffmpeg.run(args, _limits(source.facts, profile), source.facts.duration_s, on_progress)
    size = (picture.width, picture.height)
    facts = await asyncio.to_thread(verify_video, path, source.facts, picture, size)
    file = await _file(path, out_dir, "video", "video/mp4")
    return Rendered(profile.name, (file,), _measured(facts))


async def _make_m4a(
    source: Source, profile: Profile, out_dir: Path, on_progress: Progress | None
) -> Rendered:
    path = out_dir / f"{profile.name}.m4a"
    args = m4a_args(source, profile, path)
    await _ffmpeg.run(args, _limits(source.facts, profile), source.facts.duration_s, on_progress)
    facts = await asyncio.to_thread(verify_audio, path, source.facts)
    return Rendered(profile.name, (await _file(path, out_dir, "audio", "audio/mp4"),), _measured(facts))


async def _make_hls(
    source: Source, profile: Profile, out_dir: Path, on_progress: Progress | None
) -> Rendered:
    pictures = pictures_for(source.facts, profile)
    args = hls_args(source, profile, pictures, out_dir)
    await _ffmpeg.run(args, _limits(source.facts, profile), source.facts.duration_s, on_progress)
    variants = await asyncio.to_thread(_verified_rungs, out_dir, source.facts, pictures)
    files = await asyncio.to_thread(_hls_files, out_dir, variants)
    return Rendered(profile.name, files, _measured_ladder(variants, pictures, files, source.facts))


async def _make_jpeg(source: Source, profile: Profile, out_dir: Path, _: Progress | None) -> Rendered:
    path = out_dir / f"{profile.name}.jpg"
    more: dict[str, Any] = {}
    if source.facts.kind is Kind.VIDEO:
        with tempfile.TemporaryDirectory(dir=out_dir, prefix=".frames-") as folder:
            frame = await pick_frame(source, Path(folder))
            more = {"at_s": round(frame.at_s, 3), "is_dark": frame.is_dark}
            size = await asyncio.to_thread(_write_still, frame.path, "png", profile, path)
    else:
        size = await asyncio.to_thread(_write_still, source.path, source.facts.container, profile, path)
    await asyncio.to_thread(verify_still, path, size)
    role = "poster" if source.facts.kind is Kind.VIDEO else "image"
    file = await _file(path, out_dir, role, "image/jpeg")
    measured = {"width": size[0], "height": size[1], "size_bytes": file.size_bytes} | more
    return Rendered(profile.name, (file,), measured)


def _write_still(path: Path, image_format: str, profile: Profile, out: Path) -> tuple[int, int]:
    rung = profile.rungs[0]
    with open_still(path, image_format) as image:
        picture = upright_srgb(image)
    picture = (
        pad_blurred(picture, profile.canvas)
        if profile.canvas
        else shrink(picture, rung.long_px, rung.short_px)
    )
    write_jpeg(picture, out, profile.jpeg_quality)
    return picture.size


def _verified_rungs(folder: Path, source: Probe, pictures: Sequence[Picture]) -> tuple[Variant, ...]:
    variants = read_master(folder)
    if len(variants) != len(pictures):
        raise wrong(f"{len(variants)} rungs, wanted {len(pictures)}")
    for variant, picture in zip(variants, pictures, strict=True):
        verify_rung(folder, variant, source, picture)
    return variants


def _hls_files(folder: Path, variants: Sequence[Variant]) -> tuple[RenderedFile, ...]:
    # By the playlists and not by what lies in the folder: a killed run may have left its own.
    playlist_type = "application/vnd.apple.mpegurl"
    files = [_read_file(folder / "master.m3u8", folder, "master", playlist_type)]
    for variant in variants:
        files.append(_read_file(folder / variant.playlist, folder, "playlist", playlist_type))
        files.append(_read_file(folder / variant.init, folder, "init", "video/mp4"))
        files += [
            _read_file(folder / name, folder, "segment", "video/iso.segment") for name in variant.segments
        ]
    return tuple(files)


def _measured_ladder(
    variants: Sequence[Variant], pictures: Sequence[Picture], files: Sequence[RenderedFile], source: Probe
) -> dict[str, Any]:
    return {
        "width": variants[0].width,
        "height": variants[0].height,
        "duration_s": round(variants[0].duration_s, 3),
        "frame_rate": str(pictures[0].rate),
        "has_audio": source.audio is not None,
        "size_bytes": sum(file.size_bytes for file in files),
        "rungs": [
            {
                "name": picture.rung.name,
                "width": variant.width,
                "height": variant.height,
                "bandwidth_bps": variant.bandwidth_bps,
                "codecs": variant.codecs,
                "segments": len(variant.segments),
            }
            for variant, picture in zip(variants, pictures, strict=True)
        ],
    }


def _measured(facts: Probe) -> dict[str, Any]:
    video, audio = facts.video, facts.audio
    of_video = (
        {"width": video.width, "height": video.height, "frame_rate": str(video.frame_rate)} if video else {}
    )
    return {
        **of_video,
        "duration_s": facts.duration_s,
        "size_bytes": facts.size_bytes,
        "video_codec": video.codec if video else None,
        "audio_codec": audio.codec if audio else None,
        "has_audio": audio is not None,
    }


async def _file(path: Path, out_dir: Path, role: str, media_type: str) -> RenderedFile:
    return await asyncio.to_thread(_read_file, path, out_dir, role, media_type)


def _read_file(path: Path, out_dir: Path, role: str, media_type: str) -> RenderedFile:
    digest = hash_file(path)
    name = path.relative_to(out_dir).as_posix()
    return RenderedFile(role, name, path, media_type, digest.size_bytes, digest.sha256)


def _kind_not_taken(profile: Profile) -> NotMedia:
    return NotMedia(
        Text(
            f"“{profile.label.zh}”不适用于这类文件，请为它选择别的成品。",
            f"“{profile.label.en}” is not made of this kind of file; choose another rendition for it.",
        )
    )


_MAKERS = {
    Output.MP4: _make_mp4,
    Output.HLS: _make_hls,
    Output.M4A: _make_m4a,
    Output.JPEG: _make_jpeg,
}
