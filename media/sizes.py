"""The sizes, rates and bit rates that a source gets under a profile. Plain arithmetic; knows no tool."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf

from media.geometry import fit_within, is_enlarged, snap_rate
from media.job import Crop, Picture
from media.probe import Probe
from media.profiles_form import Output, Profile, Rung

# Bits for each pixel of x264 "veryfast": from the first on it looks well, below the second nobody wants to watch.
# House values, seen on talking heads and street scenes, 2026-11.
_GOOD_BPP, _POOR_BPP = 0.045, 0.02
_LEAST_VIDEO_BPS, _LEAST_AUDIO_BPS = 20_000, 24_000
# Of a byte budget, what stays free for the index of the file and for the encoder's swing.
_SPARE = 0.96
_INDEX_BITS = 160_000


@dataclass(frozen=True, slots=True)
class Spending:
    """How a byte budget is spent; `is_poor` when what is left for the picture is too little to watch."""

    picture: Picture
    audio_bitrate_bps: int
    is_poor: bool


def pictures_for(probe: Probe, profile: Profile, crop: Crop | None = None) -> tuple[Picture, ...]:
    """The sizes and the constant rate that a video gets: rungs no larger than the source, one at the least."""
    video = probe.video
    assert video is not None  # noqa: S101 - profiles for video get files with video
    rate = _rate(video.frame_rate, profile)
    size = (crop.width, crop.height) if crop else (video.width, video.height)
    if profile.canvas:
        return (Picture(profile.rungs[0], *profile.canvas, rate),)
    if profile.is_landscape:
        rung = _landscape(profile, size)
        return (Picture(rung, rung.long_px, rung.short_px, rate),)
    rungs = _rungs(profile, size)
    if profile.output is not Output.HLS:
        rungs = rungs[:1]
    return tuple(Picture(rung, *fit_within(*size, rung.long_px, rung.short_px), rate) for rung in rungs)


def spend(probe: Probe, profile: Profile, duration_s: float, most_bps: float = inf) -> Spending | None:
    """The picture and sound that fit the byte budget of the profile; None when nothing fits, so long is it.

    `most_bps` for all of it: for the second try, when the first came out too large.
    """
    video = probe.video
    assert video is not None  # noqa: S101 - profiles for video get files with video
    cap_bytes = profile.bounds.size_bytes or 0
    # The encoder may overdraw its buffer of two seconds once.
    all_bps = min((cap_bytes * 8 * _SPARE - _INDEX_BITS) / (duration_s + 2), most_bps)
    audio_bps = int(min(profile.audio_bitrate_bps, max(_LEAST_AUDIO_BPS, all_bps * 0.15)))
    video_bps = int(all_bps - (audio_bps if probe.audio else 0))
    if video_bps < _LEAST_VIDEO_BPS:
        return None
    rate = _rate(video.frame_rate, profile)
    chosen = [_picture(rung, video.width, video.height, rate) for rung in _rungs(profile, video_size(probe))]
    good = [each for each in chosen if video_bps >= _bits(each) * _GOOD_BPP]
    picture = (good or chosen[-1:])[0]
    capped = replace(picture.rung, max_bitrate_bps=min(video_bps, picture.rung.max_bitrate_bps))
    return Spending(replace(picture, rung=capped), audio_bps, video_bps < _bits(picture) * _POOR_BPP)


def video_size(probe: Probe) -> tuple[int, int]:
    """Width and height of the picture as shown."""
    return probe.width or 2, probe.height or 2


def _bits(picture: Picture) -> float:
    return float(picture.width * picture.height * picture.rate)


def _picture(rung: Rung, width: int, height: int, rate: Fraction) -> Picture:
    return Picture(rung, *fit_within(width, height, rung.long_px, rung.short_px), rate)


def _rate(measured: Fraction, profile: Profile) -> Fraction:
    if profile.is_rate_fixed:
        return profile.max_frame_rate
    # A phone's average of 29.86 is meant as 30; 120 and 240 are for slow motion and come down to the cap.
    return min(max(snap_rate(measured, 0.01), Fraction(1)), profile.max_frame_rate)


def _rungs(profile: Profile, size: tuple[int, int]) -> tuple[Rung, ...]:
    fitting = [rung for rung in profile.rungs if not is_enlarged(*size, rung.long_px, rung.short_px)]
    if fitting and (len(profile.rungs) == 1 or fitting[0] is not profile.rungs[-1]):
        return tuple(fitting)
    # Smaller than all but the last: that one's bit rate is for bad reception, so the source's own size leads.
    capped = profile.rungs[-2] if len(profile.rungs) > 1 else profile.rungs[-1]
    return (_rung_of_source(capped, *size), *fitting)


def _rung_of_source(capped: Rung, width: int, height: int) -> Rung:
    size = (max(width, height), min(width, height))
    return Rung(f"{size[1] // 2 * 2 or 2}p", max(2, size[0]), max(2, size[1]), capped.max_bitrate_bps)


def _landscape(profile: Profile, size: tuple[int, int]) -> Rung:
    whole = [rung for rung in profile.rungs if size[0] >= rung.long_px or size[1] >= rung.short_px]
    return (whole or profile.rungs[-1:])[0]
