"""What a finished rendition consists of: its files by name, size and hash, and what was measured of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.errors import MediaError
from media.finding import Finding
from media.hashing import hash_file
from media.hls import Variant
from media.job import Picture
from media.probe import Probe


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
    findings: tuple[Finding, ...] = ()

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one profile of a plan: a rendition, or the reason why there is none."""

    profile: str
    rendered: Rendered | None = None
    error: MediaError | None = None


def read_file(path: Path, out_dir: Path, role: str, media_type: str) -> RenderedFile:
    """A finished file, hashed."""
    digest = hash_file(path)
    name = path.relative_to(out_dir).as_posix()
    return RenderedFile(role, name, path, media_type, digest.size_bytes, digest.sha256)


def read_ladder(folder: Path, variants: Sequence[Variant]) -> tuple[RenderedFile, ...]:
    """All files of an HLS folder, by the playlists and not by what lies there: a killed run may have left its own."""
    playlist_type = "application/vnd.apple.mpegurl"
    files = [read_file(folder / "master.m3u8", folder, "master", playlist_type)]
    for variant in variants:
        files.append(read_file(folder / variant.playlist, folder, "playlist", playlist_type))
        files.append(read_file(folder / variant.init, folder, "init", "video/mp4"))
        files += [
            read_file(folder / name, folder, "segment", "video/iso.segment") for name in variant.segments
        ]
    return tuple(files)


def measured_file(facts: Probe) -> dict[str, Any]:
    """What a probe says of a finished file, as plain values."""
    video, audio = facts.video, facts.audio
    of_video: dict[str, Any] = {}
    if video:
        of_video = {"width": video.width, "height": video.height, "frame_rate": str(video.frame_rate)}
        of_video["frame_count"] = video.frame_count
    return {
        **of_video,
        "duration_s": facts.duration_s,
        "size_bytes": facts.size_bytes,
        "video_codec": video.codec if video else None,
        "audio_codec": audio.codec if audio else None,
        "has_audio": audio is not None,
    }


def measured_ladder(
    variants: Sequence[Variant], pictures: Sequence[Picture], files: Sequence[RenderedFile], source: Probe
) -> dict[str, Any]:
    """What the playlists of a finished ladder say, as plain values."""
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
