"""What a file holds: facts as values, and the guarded look that finds them. Decodes nothing in this process."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from media.guard import Operation, blocking, decode
from media.sniff import Kind, Sniffed

# 8K DCI and a little more; decoding one such frame takes 60 MB.
MAX_VIDEO_PIXELS = 8192 * 4608


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """The picture: sizes as shown (turned upright, square pixels), the rate as the time stamps average."""

    index: int
    codec: str
    width: int
    height: int
    rotation_deg: int
    frame_rate: Fraction
    is_variable_rate: bool
    frame_count: int
    start_s: float
    end_s: float
    pix_fmt: str
    color_matrix: int
    color_range: int
    is_hdr: bool
    is_interlaced: bool
    # What decides whether packets may be taken over. Unknown values never allow it.
    color_transfer: int = 2
    color_primaries: int = 2
    is_square: bool = False
    is_turned: bool = True
    is_bottom_first: bool = False
    codec_profile: str | None = None
    level: int | None = None
    bitrate_bps: int | None = None
    keyframe_gap_s: float | None = None
    hidden_packets: int = 0


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """The sound."""

    index: int
    codec: str
    sample_rate_hz: int
    channels: int
    start_s: float
    end_s: float
    codec_profile: str | None = None
    bitrate_bps: int | None = None
    hidden_packets: int = 0


@dataclass(frozen=True, slots=True)
class StillFacts:
    """A still as a viewer shows it: width and height after turning it upright; an animation has several frames."""

    format: str
    width: int
    height: int
    mode: str
    has_location: bool
    frame_count: int = 1
    aigc: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """All that later steps need to know of a file; `duration_s` is measured, None where there is no time."""

    kind: Kind
    container: str
    demuxer: str | None
    size_bytes: int
    duration_s: float | None = None
    header_duration_s: float | None = None
    video: VideoFacts | None = None
    audio: AudioFacts | None = None
    still: StillFacts | None = None
    video_streams: int = 0
    audio_streams: int = 0
    has_location: bool = False
    # The implicit label of AI-made content, where the file has one (media.aigc).
    aigc: str | None = None
    # Sounds whose coding no decoder here knows; they are not among `audio_streams`.
    unknown_sounds: int = 0

    @property
    def width(self) -> int | None:
        """The width as shown, of a video or a still."""
        picture = self.video or self.still
        return picture.width if picture else None

    @property
    def height(self) -> int | None:
        """The height as shown, of a video or a still."""
        picture = self.video or self.still
        return picture.height if picture else None

    def to_json(self) -> dict[str, Any]:
        """Plain values for storing; rates as "30000/1001"."""
        value = asdict(self)
        if self.video:
            value["video"]["frame_rate"] = str(self.video.frame_rate)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Probe":
        """The inverse of `to_json`; TypeError or KeyError on anything else."""
        parts = dict(value)
        video, audio, still = (parts.pop(name, None) for name in ("video", "audio", "still"))
        return cls(
            **{**parts, "kind": Kind(parts["kind"])},
            video=VideoFacts(**{**video, "frame_rate": Fraction(video["frame_rate"])}) if video else None,
            audio=AudioFacts(**audio) if audio else None,
            still=StillFacts(**still) if still else None,
        )


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """The moving part of a file, as its packets and its first frame say; one of the two is there at the least."""

    duration_s: float
    header_duration_s: float | None
    video: VideoFacts | None
    audio: AudioFacts | None
    video_streams: int
    audio_streams: int
    has_location: bool
    aigc: str | None = None
    unknown_sounds: int = 0


_STREAMS = Operation("streams", StreamFacts)
_STILL = Operation("still", StillFacts)


def probe(path: Path, sniffed: Sniffed) -> Probe:
    """`look` for code that is not asynchronous."""
    return blocking(look(path, sniffed))


async def look(path: Path, sniffed: Sniffed) -> Probe:
    """The facts of a file, found by a decoder behind the guard.

    Raises Malformed when damaged or cut short, TooLarge over a pixel cap, NotMedia when there is nothing in it;
    TimedOut and EncoderKilled may be tried again. Cancelling it kills the decoder.
    """
    size_bytes = (await asyncio.to_thread(path.stat)).st_size
    blank = Probe(sniffed.kind, sniffed.format, sniffed.demuxer, size_bytes)
    if sniffed.kind is Kind.STILL:
        still = await decode(_STILL, path, image_format=sniffed.format)
        return replace(blank, still=still, has_location=still.has_location, aigc=still.aigc)
    if sniffed.demuxer is None:
        return blank
    found = await decode(_STREAMS, path, demuxer=sniffed.demuxer, container=sniffed.format)
    return replace(
        blank,
        kind=Kind.VIDEO if found.video else Kind.AUDIO,
        duration_s=found.duration_s,
        header_duration_s=found.header_duration_s,
        video=found.video,
        audio=found.audio,
        video_streams=found.video_streams,
        audio_streams=found.audio_streams,
        has_location=found.has_location,
        aigc=found.aigc,
        unknown_sounds=found.unknown_sounds,
    )
