"""How each form of output is coded and packed: the options of ffmpeg behind the streams. Runs nothing."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from media._ffmpeg import cpu_count
from media.job import Job, Picture, Source
from media.profiles_form import Output, Profile

# Sound and picture take turns each half second and not each packet: the index, which a player must have before it
# shows anything, is a third shorter (715 to 501 bytes a second at 25 frames a second, measured 2026-11-22).
CHUNK_US = 500_000
_BITEXACT = {"fflags": "+bitexact", "flags": "+bitexact"}
# Nothing of the source's metadata, chapters or the encoder's name leaves the house.
CLEAN: dict[str, Any] = {"map_metadata": -1, "map_metadata:s": "-1", "map_chapters": -1, **_BITEXACT}
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


def absolute(path: Path) -> str:
    """The path as ffmpeg takes it."""
    # Absolute, so that no name is ever read as an option or an address. (`file:` confuses the HLS muxer.)
    return str(path.resolve())


def _mp4(source: Source, job: Job) -> dict[str, Any]:
    options = _x264(job.profile, job.pictures[0]) | _rate_cap(job.pictures[0]) | _aac(source, job) | CLEAN
    if job.copies_picture:
        # Cameras and drones keep places and owners in SEI units (type 6); no decoder needs them.
        options = _aac(source, job) | CLEAN | {"c:v": "copy", "bsf:v": "filter_units=remove_types=6"}
    shape = {"f": "mp4", "movflags": "+faststart", "chunk_duration": CHUNK_US, "threads": cpu_count()}
    return options | shape | aigc_options(job)


def hls_options(source: Source, job: Job, folder: Path) -> dict[str, Any]:
    """The whole ladder: fMP4 segments, a playlist for each rung, and the master playlist."""
    options: dict[str, Any] = _x264(job.profile, job.pictures[0]) | _aac(source, job) | CLEAN
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
            "hls_segment_filename": absolute(folder / "%v" / "%05d.m4s"),
            "master_pl_name": "master.m3u8",
            "var_stream_map": " ".join(_variants(source, job)),
        }
        | aigc_options(job)
    )


def _m4a(source: Source, job: Job) -> dict[str, Any]:
    return _aac(source, job) | CLEAN | {"f": "ipod", "movflags": "+faststart", "vn": None} | aigc_options(job)


def _mp3(_: Source, job: Job) -> dict[str, Any]:
    coded = {"c:a": "libmp3lame", "b:a": job.audio_bitrate_bps, "ar": 48_000, "vn": None, "f": "mp3"}
    return CLEAN | coded | {"id3v2_version": 3} | aigc_options(job)


def _wav(_: Source, __: Job) -> dict[str, Any]:
    # The bext chunk makes it a Broadcast Wave File (EBU Tech 3285); over 4 GB it becomes RF64.
    return CLEAN | {
        "c:a": "pcm_s24le",
        "ar": 48_000,
        "vn": None,
        "f": "wav",
        "write_bext": 1,
        "rf64": "auto",
    }


def _mxf(_: Source, job: Job) -> dict[str, Any]:
    return CLEAN | _XDCAM | {"f": "mxf", "threads": cpu_count()} | aigc_options(job)


def aigc_options(job: Job) -> dict[str, Any]:
    """The implicit label of AI-made content among the tags of a container, where there is one."""
    if job.worn.aigc is None:
        return {}
    # MXF keeps free tags as comments of its material package, and the muxer knows them by this name.
    key = "comment_AIGC" if job.profile.output is Output.MXF else "AIGC"
    return {"metadata": f"{key}={job.worn.aigc}", **_TAG_OPTIONS.get(job.profile.output, {})}


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
    has_sound = source.facts.audio or job.worn.is_heard
    if not has_sound:
        return {}
    if job.copies_sound:
        return {"c:a": "copy"}
    return {"c:a": "aac", "b:a": job.audio_bitrate_bps, "ac": 2, "ar": 48_000}


def _variants(source: Source, job: Job) -> list[str]:
    sound = ",a:{0}" if source.facts.audio or job.worn.is_heard else ""
    names = [(number, picture.rung.name) for number, picture in enumerate(job.pictures)]
    return [f"v:{number}{sound.format(number)},name:{name}" for number, name in names]


FORMS: Mapping[Output, Any] = {
    Output.MP4: _mp4,
    Output.M4A: _m4a,
    Output.MP3: _mp3,
    Output.WAV: _wav,
    Output.MXF: _mxf,
}
