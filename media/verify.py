"""Whether an output is what it should be, by what is in it. The encoder's own word counts for nothing."""

from dataclasses import replace
from pathlib import Path

from media.errors import MediaError
from media.hls import Variant, read_packets, wrong
from media.hls_rules import check_rung
from media.job import Job, Picture
from media.probe import Probe, StillFacts, probe
from media.sniff import sniff

_BT709 = 1  # ITU-T H.273 table 4


def verify_video(path: Path, source: Probe, picture: Picture, size: tuple[int, int]) -> Probe:
    """The facts of a finished MP4, or OutputWrong: codec, size, colour, rate, length and sound are checked."""
    facts = _probe_output(path)
    video = facts.video
    if video is None:
        raise wrong(f"{path.name} has no picture")
    _demand(path.name, "codec", video.codec, "h264")
    _demand(path.name, "size", (video.width, video.height), size)
    _demand(path.name, "rotation", video.rotation_deg, 0)
    _demand(path.name, "pixel format", video.pix_fmt, "yuv420p")
    _demand(path.name, "colour", video.color_matrix, _BT709)
    _verify_sound(path.name, source, facts)
    _verify_length(path.name, source.duration_s, facts.duration_s, picture)
    if video.frame_count > 2 and abs(video.frame_rate - picture.rate) > picture.rate / 100:
        raise wrong(f"{path.name}: rate {video.frame_rate}, wanted {picture.rate}")
    return facts


def expected(source: Probe, job: Job) -> Probe:
    """The facts that the job's output is measured against: those of the source, and its clips'."""
    clips = [
        clip.source.facts.audio for clip in (job.worn.opening, job.worn.closing, job.worn.spoken) if clip
    ]
    heard = source.audio or next((audio for audio in clips if audio), None)
    if source.duration_s is None:
        return source
    return replace(source, audio=heard, duration_s=source.duration_s + job.worn.clips_s)


def verify_broadcast(path: Path, source: Probe, picture: Picture) -> Probe:
    """The facts of a finished television file, or OutputWrong: as PLATFORMS.md's row has it."""
    facts = _probe_output(path)
    video = facts.video
    if video is None:
        raise wrong(f"{path.name} has no picture")
    _demand(path.name, "codec", (video.codec, video.pix_fmt), ("mpeg2video", "yuv422p"))
    _demand(path.name, "size", (video.width, video.height), (picture.width, picture.height))
    _demand(path.name, "fields", (video.is_interlaced, video.is_bottom_first), (True, False))
    _demand(path.name, "rate", video.frame_rate, picture.rate)
    _demand(path.name, "tracks", facts.audio_streams, 2)
    audio = facts.audio
    heard = (audio.codec, audio.sample_rate_hz, audio.channels) if audio else None
    _demand(path.name, "sound", heard, ("pcm_s24le", 48_000, 1))
    if video.frame_count > 12 and (video.keyframe_gap_s or 99) > 0.49:
        raise wrong(f"{path.name}: {video.keyframe_gap_s} s between keyframes, wanted 0.48 s")
    _verify_length(path.name, source.duration_s, facts.duration_s, picture)
    return facts


def verify_audio(path: Path, source: Probe, codec: str = "aac") -> Probe:
    """The facts of a finished sound file, or OutputWrong."""
    facts = _probe_output(path)
    _verify_sound(path.name, source, facts, codec)
    _verify_length(path.name, source.duration_s, facts.duration_s, None)
    return facts


def verify_still(path: Path, size: tuple[int, int], image_format: str = "jpeg") -> StillFacts:
    """The facts of a finished still, or OutputWrong."""
    still = _probe_output(path).still
    if still is None:
        raise wrong(f"{path.name} is no picture")
    _demand(path.name, "format", still.format, image_format)
    _demand(path.name, "size", (still.width, still.height), size)
    return still


def verify_rung(folder: Path, variant: Variant, source: Probe, picture: Picture) -> None:
    """OutputWrong unless a rung's playlist and its packets agree with each other and with the source."""
    name = variant.playlist
    _demand(name, "size", (variant.width, variant.height), (picture.width, picture.height))
    _demand(name, "segments", len(variant.segment_durations_s), len(variant.segments))
    timings = read_packets(folder, variant)
    _demand(name, "streams", sorted(timings), ["audio", "video"] if source.audio else ["video"])
    _demand(name, "AAC named", "mp4a" in variant.codecs, source.audio is not None)
    _demand(name, "damaged packets", sum(timing.corrupt_packets for timing in timings.values()), 0)
    video = timings["video"]
    check_rung(folder, variant, video, float(1 / picture.rate))
    end_s = max(timing.end_s for timing in timings.values())
    _verify_length(name, source.duration_s, end_s, picture)


def _probe_output(path: Path) -> Probe:
    try:
        return probe(path, sniff(path))
    except (MediaError, OSError) as error:
        raise wrong(f"{path.name} cannot be read: {error}") from error


def _verify_sound(name: str, source: Probe, facts: Probe, codec: str = "aac") -> None:
    if source.audio is None:
        _demand(name, "sound", facts.audio, None)
        return
    if facts.audio is None:
        raise wrong(f"{name} has lost its sound")
    heard = (facts.audio.codec, facts.audio.sample_rate_hz, facts.audio.channels)
    _demand(name, "sound", heard, (codec, 48_000, 2))


def _verify_length(name: str, wanted_s: float | None, got_s: float | None, picture: Picture | None) -> None:
    if wanted_s is None or got_s is None:
        raise wrong(f"{name} has no length")
    frame_s = float(1 / picture.rate) if picture else 0.0
    # Two frames at the ends, an audio packet or two, and a hundredth for clocks that disagree.
    tolerance_s = 0.15 + 2 * frame_s + wanted_s / 100
    if abs(got_s - wanted_s) > tolerance_s:
        raise wrong(f"{name} lasts {got_s:.3f} s, wanted {wanted_s:.3f} s")


def _demand(name: str, what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise wrong(f"{name}: {what} is {got}, wanted {wanted}")
