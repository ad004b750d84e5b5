"""What the packets of a file say of its time: counts, lengths, rates. Trusts time stamps, never headers."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from media.geometry import snap_rate

if TYPE_CHECKING:  # whoever has timings read by the guard needs no decoder in its own process
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

MediaStream: TypeAlias = "VideoStream | AudioStream"


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of one stream, in seconds from the file's own zero."""

    packets: int
    corrupt_packets: int
    keyframe_times_s: tuple[float, ...]
    start_s: float
    end_s: float
    rate: Fraction | None
    is_variable: bool
    size_bytes: int = 0
    hidden_packets: int = 0

    @property
    def bitrate_bps(self) -> int | None:
        """The average over what is shown; None where there is no time."""
        length_s = self.end_s - self.start_s
        return round(self.size_bytes * 8 / length_s) if length_s > 0 else None

    @property
    def keyframe_gap_s(self) -> float | None:
        """The longest time from one keyframe to the next, or to the end; None without any."""
        if not self.keyframe_times_s:
            return None
        times = (*self.keyframe_times_s, self.end_s)
        return round(max(later - earlier for earlier, later in pairwise(times)), 6)


@dataclass(frozen=True, slots=True)
class RungTimings:
    """The time of the two streams of a rung; None where there is no such stream."""

    video: Timing | None
    audio: Timing | None


def read_timings(container: "InputContainer", streams: Sequence[MediaStream]) -> dict[int, Timing]:
    """One pass over all packets of the streams, nothing decoded; streams without packets are left out."""
    if not streams:  # PyAV would take none for all
        return {}
    tallies = {stream.index: _Tally(stream) for stream in streams}
    for packet in container.demux(*streams):
        # Packets before an edit list's start are decoded and never shown.
        if packet.size and packet.is_discard:
            tallies[packet.stream_index].hidden += 1
        elif packet.size:
            tallies[packet.stream_index].add(packet.pts, packet.dts, packet.duration)
            tallies[packet.stream_index].mark(packet.size, packet.is_keyframe, packet.is_corrupt)
    return {index: tally.timing() for index, tally in tallies.items() if tally.times}


class _Tally:
    """The running sums of one stream."""

    def __init__(self, stream: MediaStream) -> None:
        self.time_base = stream.time_base or Fraction(1, 1_000_000)
        self.times = array("q")
        self.end = 0
        self.corrupt = 0
        self.size = 0
        self.hidden = 0
        self.keyframes = array("q")

    def add(self, pts: int | None, dts: int | None, duration: int | None) -> None:
        time = pts if pts is not None else dts
        if time is None:  # AVI has packets without any: one step after the last
            time = self.end
        self.times.append(time)
        self.end = max(self.end, time + (duration or 0))

    def mark(self, size: int, is_keyframe: bool, is_corrupt: bool) -> None:
        self.size += size
        self.corrupt += is_corrupt
        if is_keyframe:
            self.keyframes.append(self.times[-1])

    def timing(self) -> Timing:
        ordered = sorted(self.times)
        steps = sorted(later - earlier for earlier, later in pairwise(ordered))
        return Timing(
            packets=len(ordered),
            corrupt_packets=self.corrupt,
            keyframe_times_s=tuple(float(time * self.time_base) for time in self.keyframes),
            start_s=float(ordered[0] * self.time_base),
            end_s=float(max(self.end, ordered[-1]) * self.time_base),
            rate=self._rate(ordered),
            is_variable=_is_variable(steps),
            size_bytes=self.size,
            hidden_packets=self.hidden,
        )

    def _rate(self, ordered: list[int]) -> Fraction | None:
        if len(ordered) < 2 or ordered[-1] <= ordered[0]:
            return None
        # 0.04 % tells 29.97 from 30 and forgives the millisecond clock of Matroska.
        return snap_rate((len(ordered) - 1) / ((ordered[-1] - ordered[0]) * self.time_base), 0.0004)


def _is_variable(steps: list[int]) -> bool:
    """Whether more than one step in fifty is a quarter longer or shorter than the usual one."""
    if not steps:
        return False
    usual = steps[len(steps) // 2]
    odd_ones = sum(1 for step in steps if abs(step - usual) > max(usual / 4, 1))
    return odd_ones * 50 > len(steps)
