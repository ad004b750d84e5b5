"""The filters of the sound: the stated downmix, the gain, the clips around it. Runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ffmpeg

from media.commands_picture import ONE_OF_MANY, open_source
from media.job import Clip, Gain, Job, Source
from media.probe import Probe
from media.profiles_form import Output

# Twelve samples for one: a limiter that looks between the samples holds the true peak (ITU-R BS.1770-5, annex 2).
_OVERSAMPLED_HZ = 192_000
_DOWNMIX = {
    1: "mono on both channels",
    6: "5.1 to stereo by ITU-R BS.775: centre and surrounds -3 dB, no LFE",
    8: "7.1 to stereo by ITU-R BS.775: centre and surrounds -3 dB, no LFE",
}


@dataclass(frozen=True, slots=True)
class _Sound:
    """What decides how an output sounds before it is coded."""

    gain: Gain
    opening: Clip | None
    closing: Clip | None
    spoken: Clip | None
    has_pictures: bool


def downmix(channels: int) -> str | None:
    """What is done to come to stereo, in words; None where nothing is."""
    return None if channels == 2 else _DOWNMIX.get(channels, f"{channels} channels to stereo, -3 dB each")


def sounds_of(source: Source, jobs: Sequence[Job]) -> list[list[Any]]:
    """For each job the streams of its sound: one a picture (or one), two mono tracks for television, or none.

    What sounds alike is made once, whatever it is coded as.
    """
    alike: dict[_Sound, list[int]] = {}
    for number, job in enumerate(jobs):
        alike.setdefault(_sound_of(job), []).append(number)
    heads = _heads(source, jobs, len(alike))
    streams: list[list[Any]] = [[] for _ in jobs]
    for turn, (sound, numbers) in enumerate(alike.items()):
        whole = _whole(source, sound, heads[turn], turn)
        if whole is None:
            for number in numbers:
                streams[number] = _tracks(source, jobs[number], None)
            continue
        counts = [_count(jobs[number]) for number in numbers]
        copies = iter(_split(whole, sum(counts)))
        for number, count in zip(numbers, counts, strict=True):
            own = [next(copies) for _ in range(count)]
            streams[number] = _tracks(source, jobs[number], own[0]) or own
    return streams


def measured_stream(source: Source, gain: Gain) -> Any:
    """The sound as an output has it, without its picture: what loudness is measured on."""
    return _gained(stereo_stream(source, open_source(source, vn=None)), gain)


def _sound_of(job: Job) -> _Sound:
    worn = job.worn
    return _Sound(job.gain, worn.opening, worn.closing, worn.spoken, bool(job.pictures))


def _count(job: Job) -> int:
    return 1 if job.profile.output is Output.MXF else max(1, len(job.pictures))


def _heads(source: Source, jobs: Sequence[Job], count: int) -> list[Any]:
    if source.facts.audio is None or not jobs:
        return [None] * count
    has_pictures = any(job.pictures for job in jobs)
    opened = open_source(source) if has_pictures else open_source(source, vn=None)
    return _split(stereo_stream(source, opened), count)


def _split(stream: Any, count: int) -> list[Any]:
    if count == 1:
        return [stream]
    copies = stream.filter_multi_output("asplit", count)
    return [copies[number] for number in range(count)]


def _whole(source: Source, sound: _Sound, head: Any | None, turn: int) -> Any | None:
    clips = [clip for clip in (sound.opening, sound.closing, sound.spoken) if clip]
    if head is None and not any(clip.source.facts.audio for clip in clips):
        return None
    body = _gained(head, sound.gain) if head is not None else _silence(_length_s(source))
    if not clips:
        return body
    # Each part as long as its picture, or the next one would begin early.
    body = _exactly(body, _length_s(source)) if sound.has_pictures else body
    before = [_clip(clip, turn) for clip in (sound.spoken, sound.opening) if clip]
    after = [_clip(clip, turn) for clip in (sound.closing,) if clip]
    return ffmpeg.concat(*before, body, *after, v=0, a=1)


def _clip(clip: Clip, turn: int) -> Any:
    length_s = clip.source.facts.duration_s or 0.0
    if clip.source.facts.audio is None:
        return _silence(length_s)
    opened = open_source(clip.source, thread_queue_size=ONE_OF_MANY + turn)
    return _exactly(_gained(stereo_stream(clip.source, opened), clip.gain), length_s)


def _length_s(source: Source) -> float:
    return source.facts.duration_s or 0.0


def stereo_stream(source: Source, opened: Any) -> Any:
    """The sound of an opened source in stereo at 48 kHz, from the film's zero on."""
    audio = source.facts.audio
    assert audio is not None  # noqa: S101 - asked by the callers
    # Late sound is led in with silence, and gaps are filled, so that it stays with its picture.
    options: dict[str, Any] = {"async": 1, "first_pts": 0}
    stream = opened[str(audio.index)].filter("aresample", 48_000, **options)
    if has_mono_tracks(source.facts):
        right = opened[str(audio.index + 1)].filter("aresample", 48_000, **options)
        return ffmpeg.filter([stream, right], "join", inputs=2, channel_layout="stereo")
    return _stereo(stream, audio.channels)


def has_mono_tracks(facts: Probe) -> bool:
    """Whether left and right are tracks of their own, as television keeps them."""
    is_mono = facts.audio is not None and facts.audio.channels == 1
    return facts.container == "mxf" and is_mono and facts.audio_streams > 1


def _stereo(stream: Any, channels: int) -> Any:
    if channels == 1:
        # As loud on either side as it was alone. (`channelmap` gives both sides one buffer, and a gain acts twice.)
        return stream.filter("aresample", out_chlayout="stereo", rematrix_volume=1.41421356)
    if channels == 2:
        return stream
    levels = {"center_mix_level": 0.7071, "surround_mix_level": 0.7071, "lfe_mix_level": 0}
    return stream.filter("aresample", out_chlayout="stereo", rematrix_maxval=1, **levels)


def _gained(stream: Any, gain: Gain) -> Any:
    if gain.db:
        stream = stream.filter("volume", f"{gain.db:.2f}dB", precision="float")
    if gain.ceiling_dbtp is None:
        return stream
    limit = 10 ** (gain.ceiling_dbtp / 20)
    stream = stream.filter("aresample", _OVERSAMPLED_HZ)
    stream = stream.filter("alimiter", limit=f"{limit:.4f}", level=0, attack=5, release=80, latency=1)
    return stream.filter("aresample", 48_000)


def _silence(length_s: float) -> Any:
    # An input, for ffmpeg-python knows no filter without one.
    return ffmpeg.input(f"anullsrc=r=48000:cl=stereo:d={length_s:.6f}", f="lavfi")["0"]


def _exactly(stream: Any, length_s: float) -> Any:
    return stream.filter("apad", whole_dur=f"{length_s:.6f}").filter("atrim", end=f"{length_s:.6f}")


def _tracks(source: Source, job: Job, stream: Any | None) -> list[Any]:
    """For television a mono track for each ear, as long as the picture, silent without sound; none for others."""
    if job.profile.output is not Output.MXF:
        return []
    length_s = _length_s(source) + job.worn.clips_s
    whole = _silence(length_s) if stream is None else _exactly(stream, length_s)
    parts: Sequence[Any] = whole.filter_multi_output("channelsplit", channel_layout="stereo")
    return [parts[number] for number in range(2)]
