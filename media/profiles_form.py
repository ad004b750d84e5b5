"""What a rendition profile is: plain data, each number with its source. Names no rendition."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from media.sniff import Kind
from states.text import Text

READ_ON = date(2026, 11, 22)
VIDEO, AUDIO, STILL = (Kind.VIDEO,), (Kind.AUDIO,), (Kind.STILL,)
PICTURES = (Kind.VIDEO, Kind.STILL)


class Output(StrEnum):
    """The form of a rendition."""

    MP4 = "mp4"
    HLS = "hls"
    M4A = "m4a"
    MP3 = "mp3"
    WAV = "wav"
    MXF = "mxf"
    JPEG = "jpeg"
    TIFF = "tiff"
    PAGE = "page"


class Extra(StrEnum):
    """What the desk may lay over or beside a rendition."""

    LOGO = "logo"
    CLIPS = "clips"
    SUBTITLES = "subtitles"
    AI_LABEL = "ai_label"


DRESSED = (Extra.LOGO, Extra.CLIPS, Extra.SUBTITLES, Extra.AI_LABEL)
BARE = (Extra.CLIPS, Extra.SUBTITLES, Extra.AI_LABEL)  # no station logo
LABELLED = (Extra.AI_LABEL,)


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of a rendition: a box that is turned as the source is, and a cap on its bit rate."""

    name: str
    long_px: int
    short_px: int
    max_bitrate_bps: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the finished file may measure. None: unknown, so nothing is checked."""

    size_bytes: int | None = None
    duration_s: int | None = None
    min_short_px: int | None = None
    min_long_px: int | None = None


@dataclass(frozen=True, slots=True)
class Loudness:
    """Where the sound is brought to (ITU-R BS.1770 integrated), and what its true peak stays below."""

    target_lufs: float
    max_peak_dbtp: float
    tolerance_lu: float = 0.5


@dataclass(frozen=True, slots=True)
class Cite:
    """Where some of a profile's numbers are from. H a document of the platform, M others' code, L weak."""

    fields: tuple[str, ...]
    source: str
    certainty: Literal["H", "M", "L", "house"]
    read_on: date = READ_ON


@dataclass(frozen=True, slots=True)
class Profile:
    """One rendition. With a `canvas` the picture is padded to exactly that; otherwise it is fitted into a rung."""

    name: str
    kinds: tuple[Kind, ...]
    output: Output
    label: Text
    source: str
    rungs: tuple[Rung, ...] = ()
    canvas: tuple[int, int] | None = None
    # The picture is padded to a lying rung that is no larger than the source.
    is_landscape: bool = False
    # The rate of the source up to this one; with `is_rate_fixed`, always this one.
    max_frame_rate: Fraction = Fraction(60)
    is_rate_fixed: bool = False
    crf: int = 22
    keyframe_interval_s: int = 2
    segment_s: int = 6
    audio_bitrate_bps: int = 128_000
    jpeg_quality: int = 85
    bounds: Bounds = Bounds()
    # Size and bit rate are chosen for `bounds.size_bytes`, for the platform takes nothing larger.
    is_budgeted: bool = False
    loudness: Loudness | None = None
    extras: tuple[Extra, ...] = ()
    dpi: int | None = None
    is_iptc_kept: bool = False
    cited: tuple[Cite, ...] = field(default=(), compare=False)
