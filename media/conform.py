"""Whether a source is already what a profile wants, so that its packets can be taken over. Reads facts alone."""

from collections.abc import Callable
from dataclasses import dataclass

from media.job import Picture
from media.probe import AudioFacts, Probe, VideoFacts
from media.profiles_form import Output, Profile

_PROFILES = {"Baseline", "Constrained Baseline", "Main", "High"}
# 4.2 is 1080p at 60; phones of the last ten years play it (Android CDD, Apple's device specifications).
_MAX_LEVEL = 42
_BT709 = 1
_FULL_RANGE = 2
# Bilibili's limit, the strictest of all: PLATFORMS.md, read 2026-11-22.
_MAX_KEYFRAME_GAP_S = 10.0
_MAX_AAC_BPS = 320_000
_START_S = 0.05
# An AAC encoder's run-in is one packet or two that an edit list hides; players and muxers carry that along.
_HIDDEN_AUDIO = 3


@dataclass(frozen=True, slots=True)
class _Question:
    """One condition, with what is said when it does not hold."""

    says: str
    holds: Callable[[VideoFacts, Picture], bool]


_PICTURE = (
    _Question("codec is not H.264", lambda video, _: video.codec == "h264"),
    _Question("H.264 profile is not High or below", lambda video, _: video.codec_profile in _PROFILES),
    _Question("level is unknown or above 4.2", lambda video, _: 0 < (video.level or 0) <= _MAX_LEVEL),
    _Question("not 8-bit 4:2:0", lambda video, _: video.pix_fmt == "yuv420p"),
    _Question("HDR", lambda video, _: not video.is_hdr),
    _Question("not tagged BT.709", lambda video, _: _is_bt709(video)),
    _Question("full range", lambda video, _: video.color_range != _FULL_RANGE),
    _Question("frame rate varies", lambda video, _: not video.is_variable_rate),
    _Question("another frame rate", lambda video, picture: video.frame_rate == picture.rate),
    _Question("turned or mirrored", lambda video, _: not video.is_turned),
    _Question("pixels are not square", lambda video, _: video.is_square),
    _Question("interlaced", lambda video, _: not video.is_interlaced),
    _Question(
        "another size", lambda video, picture: (video.width, video.height) == (picture.width, picture.height)
    ),
    _Question(
        "bit rate over the cap",
        lambda video, picture: 0 < (video.bitrate_bps or 0) <= picture.rung.max_bitrate_bps,
    ),
    _Question(
        "keyframes too far apart", lambda video, _: (video.keyframe_gap_s or 99) <= _MAX_KEYFRAME_GAP_S
    ),
    _Question("begins late or behind an edit", lambda video, _: _begins_at_zero(video)),
)


def picture_objections(probe: Probe, profile: Profile, picture: Picture) -> tuple[str, ...]:
    """Why the packets of the picture cannot be taken over into an MP4; none when they can."""
    video = probe.video
    if video is None or profile.output is not Output.MP4 or profile.is_budgeted:
        return ("this form is always encoded",)
    found = [question.says for question in _PICTURE if not question.holds(video, picture)]
    if probe.demuxer != "mov" or probe.video_streams != 1:
        found.append("not an MP4 with one picture")
    if probe.audio and abs(probe.audio.end_s - video.end_s) > 0.25:
        found.append("sound and picture do not end together")
    return tuple(found)


def sound_objections(audio: AudioFacts | None, profile: Profile) -> tuple[str, ...]:
    """Why the packets of the sound cannot be taken over into an MP4 or M4A; none when they can."""
    if audio is None:
        return ()
    if profile.output not in (Output.MP4, Output.M4A):
        return ("this form is always encoded",)
    questions = {
        "sound is not AAC-LC": (audio.codec, audio.codec_profile) == ("aac", "LC"),
        "sound is not 48 kHz stereo": (audio.sample_rate_hz, audio.channels) == (48_000, 2),
        "bit rate of the sound over the cap": 0 < (audio.bitrate_bps or 0) <= _MAX_AAC_BPS,
        "sound begins late or behind an edit": abs(audio.start_s) < _START_S
        and audio.hidden_packets <= _HIDDEN_AUDIO,
    }
    return tuple(says for says, holds in questions.items() if not holds)


def _is_bt709(video: VideoFacts) -> bool:
    return (video.color_matrix, video.color_primaries, video.color_transfer) == (_BT709,) * 3


def _begins_at_zero(video: VideoFacts) -> bool:
    return abs(video.start_s) < _START_S and video.hidden_packets == 0
