"""Argument lists for ffmpeg, built with ffmpeg-python; with its two neighbours the only file that does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from media._ffmpeg import has_filter
from media.commands_films import pictures_of
from media.commands_forms import CHUNK_US, CLEAN, FORMS, absolute, aigc_options, hls_options
from media.commands_picture import frame_stream, open_source, sample_stream, split
from media.commands_sound import measured_stream, sounds_of
from media.job import Gain, Job, Picture, Source
from media.profiles_form import Output, Profile

__all__ = [
    "GRAPH_VERSION",
    "Picture",
    "Source",
    "frame_args",
    "loudness_args",
    "mp4_args",
    "pack_args",
    "run_args",
]

# Raise it with every change here that alters pixels or sound: it is part of a rendition's key.
GRAPH_VERSION = 3

_SUFFIXES = {
    Output.MP4: "mp4",
    Output.M4A: "m4a",
    Output.MP3: "mp3",
    Output.WAV: "wav",
    Output.MXF: "mxf",
    Output.JPEG: "jpg",
    Output.TIFF: "tif",
}
# VMAF takes twenty times as long as SSIM; it looks at every fifth frame of the sample.
_VMAF_EVERY = 5


def file_of(profile: Profile, folder: Path) -> Path:
    """The file that is opened first of a rendition in this folder."""
    if profile.output is Output.HLS:
        return folder / "master.m3u8"
    return folder / f"{profile.name}.{_SUFFIXES[profile.output]}"


def run_args(source: Source, jobs: Sequence[tuple[Job, Path]]) -> list[str]:
    """One ffmpeg for all of these jobs, each into its folder; the source is decoded once."""
    pictured = [job for job, _ in jobs if job.pictures and not job.copies_picture]
    heard = [job for job, _ in jobs if not job.copies_sound]
    pictures = iter(pictures_of(source, pictured) if pictured else [])
    sounds = iter(sounds_of(source, heard) if heard else [])
    outputs = []
    for job, folder in jobs:
        shown = next(pictures) if job in pictured else _copied_picture(source, job)
        outputs.append(
            _output(source, job, shown, next(sounds) if job in heard else _copied_sound(source), folder)
        )
    merged = ffmpeg.merge_outputs(*outputs) if len(outputs) > 1 else outputs[0]
    return [str(part) for part in merged.get_args()]


def pack_args(joined: Path, run_in_s: float, job: Job, out: Path) -> list[str]:
    """The film of a rung, joined into one file, as an MP4 of its own: nothing is coded. `run_in_s` is hidden."""
    walls = {"f": "mov", "format_whitelist": "mov", "protocol_whitelist": "file"}
    opened = ffmpeg.input(absolute(joined), itsoffset=f"{-run_in_s:.6f}", **walls)
    shape = {"f": "mp4", "movflags": "+faststart", "chunk_duration": CHUNK_US}
    options = {"c": "copy", **CLEAN} | shape | aigc_options(job)
    return _compile(ffmpeg.output(opened, absolute(out), **{"map": "0"}, **options))


def mp4_args(source: Source, profile: Profile, picture: Picture, out: Path) -> list[str]:
    """One MP4 with its index in front, so that it plays while it loads."""
    job = Job(profile, (picture,), profile.audio_bitrate_bps)
    streams = (*pictures_of(source, [job])[0], *sounds_of(source, [job])[0])
    return _compile(ffmpeg.output(*streams, absolute(out), **FORMS[Output.MP4](source, job)))


def frame_args(source: Source, at_s: float, size: tuple[int, int], out: Path) -> list[str]:
    """The picture of a moment and one that comes later, as PNG; `out` has `%d` in its name for 1 and 2."""
    stream = frame_stream(source, at_s, size)
    return _compile(
        ffmpeg.output(stream, absolute(out), f="image2", fps_mode="passthrough", **{"frames:v": 2}, **CLEAN)
    )


def loudness_args(source: Source, gain: Gain, log: Path) -> list[str]:
    """The sound alone through `gain` and a meter; its readings, one line a tenth of a second, go into `log`."""
    stream = measured_stream(source, gain).filter("ebur128", peak="true", metadata=1)
    for key in ("I", "true_peak"):
        stream = stream.filter("ametadata", "print", key=f"lavfi.r128.{key}", file=absolute(log / key))
    # The null muxer opens no file; its name says to the guard which folder the log goes to.
    return _compile(ffmpeg.output(stream, absolute(log / "none"), f="null"))


def similarity_args(
    source: Source, picture: Picture, made: Source, part: tuple[float, float], log_dir: Path
) -> list[str]:
    """A part (start and length, in seconds) of the source beside that of an output.

    SSIM a frame goes into `ssim.log`, and VMAF into `vmaf.json` where this ffmpeg has it.
    """
    at_s, length_s = part
    # A seek counts from the file's start, which in a joined stream is that of its sound.
    audio = made.facts.audio
    later_s = made.video.start_s - min(made.video.start_s, audio.start_s) if audio else 0.0
    original = sample_stream(source, picture, at_s, length_s)
    copy = sample_stream(made, picture, at_s + later_s, length_s)
    nowhere = absolute(log_dir / "none")
    if not has_filter("libvmaf"):
        compared = ffmpeg.filter(
            (original, copy), "ssim", stats_file=absolute(log_dir / "ssim.log"), shortest=1
        )
        return _compile(ffmpeg.output(compared, nowhere, f="null"))
    originals, copies = split(original, 2), split(copy, 2)
    alike = ffmpeg.filter(
        (originals[0], copies[0]), "ssim", stats_file=absolute(log_dir / "ssim.log"), shortest=1
    )
    options = {"log_path": absolute(log_dir / "vmaf.json"), "log_fmt": "json", "n_subsample": _VMAF_EVERY}
    seen = ffmpeg.filter((copies[1], originals[1]), "libvmaf", shortest=1, **options)
    outputs = [ffmpeg.output(each, nowhere, f="null") for each in (alike, seen)]
    return _compile(ffmpeg.merge_outputs(*outputs))


def _compile(output: Any) -> list[str]:
    return [str(part) for part in output.get_args()]


def _copied_picture(source: Source, job: Job) -> list[Any]:
    return [open_source(source)[str(source.video.index)]] if job.copies_picture else []


def _copied_sound(source: Source) -> list[Any]:
    audio = source.facts.audio
    return [open_source(source)[str(audio.index)]] if audio else []


def _output(source: Source, job: Job, pictures: list[Any], sounds: list[Any], folder: Path) -> Any:
    if job.profile.output is Output.HLS:
        pairs = [
            pictures[number : number + 1] + sounds[number : number + 1] for number in range(len(pictures))
        ]
        streams = [stream for pair in pairs for stream in pair]
        return ffmpeg.output(
            *streams, absolute(folder / "%v" / "index.m3u8"), **hls_options(source, job, folder)
        )
    options = FORMS[job.profile.output](source, job)
    return ffmpeg.output(*pictures, *sounds, absolute(file_of(job.profile, folder)), **options)
