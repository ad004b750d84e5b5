"""What one output of a run is to be, as plain values: picture, sound, and what the desk lays over it."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from media.finding import Finding
from media.probe import Probe, VideoFacts
from media.profiles_form import Profile, Rung


@dataclass(frozen=True, slots=True)
class Source:
    """A file with its facts."""

    path: Path
    facts: Probe
    # Where a scan found pictures that may stand for it (`media.covers`), the likeliest first; none: not scanned.
    moments_s: tuple[float, ...] = ()

    @property
    def video(self) -> VideoFacts:
        """The picture; the callers know that there is one."""
        assert self.facts.video is not None  # noqa: S101 - profiles for video get files with video
        return self.facts.video


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to make: its rung, its exact size and the constant rate."""

    rung: Rung
    width: int
    height: int
    rate: Fraction


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of the picture that an editor chose, in pixels of the source as shown."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What is done to the loudness: so many dB, and peaks held below `ceiling_dbtp` where that is needed."""

    db: float = 0.0
    ceiling_dbtp: float | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that goes before or behind the piece, with the gain that makes it as loud."""

    source: Source
    gain: Gain = Gain()


@dataclass(frozen=True, slots=True)
class Worn:
    """What one output wears of a dressing; every path is a file made ready beside the outputs."""

    crop: Crop | None = None
    logo: Path | None = None
    opening: Clip | None = None
    closing: Clip | None = None
    spoken: Clip | None = None
    subtitles: Path | None = None
    fonts: Path | None = None
    side_file: Path | None = None
    label: Path | None = None
    label_s: float = 0.0
    aigc: str | None = None

    @property
    def changes_picture(self) -> bool:
        """Whether the packets of the picture cannot stay as they are."""
        return any((self.crop, self.logo, self.opening, self.closing, self.subtitles, self.label))

    @property
    def is_heard(self) -> bool:
        """Whether a clip brings sound of its own."""
        clips = [clip for clip in (self.spoken, self.opening, self.closing) if clip]
        return any(clip.source.facts.audio for clip in clips)

    @property
    def clips_s(self) -> float:
        """How much longer the clips make the output."""
        clips = [clip for clip in (self.spoken, self.opening, self.closing) if clip]
        return sum(clip.source.facts.duration_s or 0.0 for clip in clips)


@dataclass(frozen=True, slots=True)
class Job:
    """One output. With a copy, the packets of the source are taken over as they are."""

    profile: Profile
    pictures: tuple[Picture, ...] = ()
    audio_bitrate_bps: int = 0
    gain: Gain = Gain()
    worn: Worn = Worn()
    copies_picture: bool = False
    copies_sound: bool = False
    # Why the source is not taken over as it is; shown with the plan.
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    is_poor: bool = False
