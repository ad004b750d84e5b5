"""Argument lists for ffmpeg, built with ffmpeg-python; with its two neighbours the only file that does."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import ffmpeg

from media._ffmpeg import cpu_count, has_filter
from media.commands_films import pictures_of
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
# Sound and picture take turns each half second and not each packet: the index, which a player must have before it
# shows anything, is a third shorter (715 to 501 bytes a second at 25 frames a second, measured 2026-11-22).
_CHUNK_US = 500_000
_BITEXACT = {"fflags": "+bitexact", "flags": "+bitexact"}
# Nothing of the source's metadata, chapters or the encoder's name leaves the house.
_CLEAN: dict[str, Any] = {"map_metadata": -1, "map_metadata:s": "-1", "map_chapters": -1, **_BITEXACT}
# XDCAM HD422 as decks and playout servers take it (SMPTE RDD 9; the rate and buffer of MPEG-2 422P@HL).
_XDCAM: dict[str, Any] = {
    "c:v": "mpeg2video",
    "profile:v": 0,
    "level:v": 2,
    "b:v": "50M",
    "minrate:v": "50M",
    "maxrate:v": "50M",
    "bufsize:v": 17_825_792 * 2,
    # Full from the start, or the first seconds stay below the constant rate.
    "rc_init_occupancy:v": 17_825_792 * 2,
    "g": 12,
    "bf": 2,
    "sc_threshold:v": 1_000_000_000,
    "intra_vlc": 1,
    "non_linear_quant": 1,
    "dc": 10,
    "qmin:v": 1,
    "qmax:v": 12,
    "lmin": "1*QP2LAMBDA",
    "flags": "+bitexact+ildct+ilme",
    "pix_fmt": "yuv422p",
    "fps_mode": "passthrough",
    "c:a": "pcm_s24le",
    "ar": 48_000,
}


# Without these the MP4 muxer leaves out every key it does not know.
_TAG_OPTIONS = {
    Output.MP4: {"movflags": "+faststart+use_metadata_tags"},
    Output.M4A: {"movflags": "+faststart+use_metadata_tags"},
    Output.HLS: {"hls_segment_options": "movflags=+use_metadata_tags"},
}


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
    opened = ffmpeg.input(_path(joined), itsoffset=f"{-run_in_s:.6f}", **walls)
    shape = {"f": "mp4", "movflags": "+faststart", "chunk_duration": _CHUNK_US}
    options = {"c": "copy", **_CLEAN} | shape | _aigc(job)
    return _compile(ffmpeg.output(opened, _path(out), **{"map": "0"}, **options))


def mp4_args(source: Source, profile: Profile, picture: Picture, out: Path) -> list[str]:
    """One MP4 with its index in front, so that it plays while it loads."""
    job = Job(profile, (picture,), profile.audio_bitrate_bps)
    streams = (*pictures_of(source, [job])[0], *sounds_of(source, [job])[0])
    return _compile(ffmpeg.output(*streams, _path(out), **_mp4(source, job)))


def frame_args(source: Source, at_s: float, size: tuple[int, int], out: Path) -> list[str]:
    """The picture of a moment and one that comes later, as PNG; `out` has `%d` in its name for 1 and 2."""
    stream = frame_stream(source, at_s, size)
    return _compile(
        ffmpeg.output(stream, _path(out), f="image2", fps_mode="passthrough", **{"frames:v": 2}, **_CLEAN)
    )


def loudness_args(source: Source, gain: Gain, log: Path) -> list[str]:
    """The sound alone through `gain` and a meter; its readings, one line a tenth of a second, go into `log`."""
    stream = measured_stream(source, gain).filter("ebur128", peak="true", metadata=1)
    for key in ("I", "true_peak"):
        stream = stream.filter("ametadata", "print", key=f"lavfi.r128.{key}", file=_path(log / key))
    # The null muxer opens no file; its name says to the guard which folder the log goes to.
    return _compile(ffmpeg.output(stream, _path(log / "none"), f="null"))


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
    nowhere = _path(log_dir / "none")
    if not has_filter("libvmaf"):
        compared = ffmpeg.filter((original, copy), "ssim", stats_file=_path(log_dir / "ssim.log"), shortest=1)
        return _compile(ffmpeg.output(compared, nowhere, f="null"))
    originals, copies = split(original, 2), split(copy, 2)
    alike = ffmpeg.filter(
        (originals[0], copies[0]), "ssim", stats_file=_path(log_dir / "ssim.log"), shortest=1
    )
    options = {"log_path": _path(log_dir / "vmaf.json"), "log_fmt": "json", "n_subsample": _VMAF_EVERY}
    seen = ffmpeg.filter((copies[1], originals[1]), "libvmaf", shortest=1, **options)
    outputs = [ffmpeg.output(each, nowhere, f="null") for each in (alike, seen)]
    return _compile(ffmpeg.merge_outputs(*outputs))


def _compile(output: Any) -> list[str]:
    return [str(part) for part in output.get_args()]


def _path(path: Path) -> str:
    # Absolute, so that no name is ever read as an option or an address. (`file:` confuses the HLS muxer.)
    return str(path.resolve())


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
        return ffmpeg.output(*streams, _path(folder / "%v" / "index.m3u8"), **_hls(source, job, folder))
    options = _FORMS[job.profile.output](source, job)
    return ffmpeg.output(*pictures, *sounds, _path(file_of(job.profile, folder)), **options)


def _mp4(source: Source, job: Job) -> dict[str, Any]:
    options = _x264(job.profile, job.pictures[0]) | _rate_cap(job.pictures[0]) | _aac(source, job) | _CLEAN
    if job.copies_picture:
        # Cameras and drones keep places and owners in SEI units (type 6); no decoder needs them.
        options = _aac(source, job) | _CLEAN | {"c:v": "copy", "bsf:v": "filter_units=remove_types=6"}
    shape = {"f": "mp4", "movflags": "+faststart", "chunk_duration": _CHUNK_US, "threads": cpu_count()}
    return options | shape | _aigc(job)


def _hls(source: Source, job: Job, folder: Path) -> dict[str, Any]:
    """The whole ladder: fMP4 segments, a playlist for each rung, and the master playlist."""
    options: dict[str, Any] = _x264(job.profile, job.pictures[0]) | _aac(source, job) | _CLEAN
    for number, picture in enumerate(job.pictures):
        options |= _rate_cap(picture, f":v:{number}")
        # The largest picture is most of the work; a thread each for the rest keeps two cores full.
        options[f"threads:v:{number}"] = cpu_count() if number == 0 else 1
    return (
        options
        | {
            "f": "hls",
            "hls_time": job.profile.segment_s,
            "hls_playlist_type": "vod",
            "hls_segment_type": "fmp4",
            "hls_flags": "independent_segments",
            "hls_fmp4_init_filename": "init.mp4",
            "hls_segment_filename": _path(folder / "%v" / "%05d.m4s"),
            "master_pl_name": "master.m3u8",
            "var_stream_map": " ".join(_variants(source, job)),
        }
        | _aigc(job)
    )


def _m4a(source: Source, job: Job) -> dict[str, Any]:
    return _aac(source, job) | _CLEAN | {"f": "ipod", "movflags": "+faststart", "vn": None} | _aigc(job)


def _mp3(_: Source, job: Job) -> dict[str, Any]:
    coded = {"c:a": "libmp3lame", "b:a": job.audio_bitrate_bps, "ar": 48_000, "vn": None, "f": "mp3"}
    return _CLEAN | coded | {"id3v2_version": 3} | _aigc(job)


def _wav(_: Source, __: Job) -> dict[str, Any]:
    # The bext chunk makes it a Broadcast Wave File (EBU Tech 3285); over 4 GB it becomes RF64.
    return _CLEAN | {
        "c:a": "pcm_s24le",
        "ar": 48_000,
        "vn": None,
        "f": "wav",
        "write_bext": 1,
        "rf64": "auto",
    }


def _mxf(_: Source, __: Job) -> dict[str, Any]:
    return _CLEAN | _XDCAM | {"f": "mxf", "threads": cpu_count()}


def _aigc(job: Job) -> dict[str, Any]:
    if job.worn.aigc is None:
        return {}
    return {"metadata": f"AIGC={job.worn.aigc}", **_TAG_OPTIONS.get(job.profile.output, {})}


def _x264(profile: Profile, picture: Picture) -> dict[str, Any]:
    # Rounded up: an interval a hair under two seconds would put a fourth one into each 6 s segment.
    interval = max(1, ceil(picture.rate * profile.keyframe_interval_s))
    return {
        "c:v": "libx264",
        "preset:v": "veryfast",
        "profile:v": "high",
        "crf:v": profile.crf,
        "g:v": interval,
        "keyint_min:v": interval,
        "sc_threshold:v": 0,
        "pix_fmt": "yuv420p",
        "fps_mode": "passthrough",
    }


def _rate_cap(picture: Picture, stream: str = ":v") -> dict[str, Any]:
    rate_bps = picture.rung.max_bitrate_bps
    return {f"maxrate{stream}": rate_bps, f"bufsize{stream}": 2 * rate_bps}


def _aac(source: Source, job: Job) -> dict[str, Any]:
    has_sound = source.facts.audio or job.worn.clips_s
    if not has_sound:
        return {}
    if job.copies_sound:
        return {"c:a": "copy"}
    return {"c:a": "aac", "b:a": job.audio_bitrate_bps, "ac": 2, "ar": 48_000}


def _variants(source: Source, job: Job) -> list[str]:
    sound = ",a:{0}" if source.facts.audio or job.worn.clips_s else ""
    names = [(number, picture.rung.name) for number, picture in enumerate(job.pictures)]
    return [f"v:{number}{sound.format(number)},name:{name}" for number, name in names]


_FORMS: Mapping[Output, Any] = {
    Output.MP4: _mp4,
    Output.M4A: _m4a,
    Output.MP3: _mp3,
    Output.WAV: _wav,
    Output.MXF: _mxf,
}
