"""What each output makes of the picture: one decode for all, and what several want is made once. Runs nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from media.commands_dressed import between_clips, with_label, with_logo, with_subtitles
from media.commands_picture import (
    BT709,
    matrix_of,
    on_canvas,
    open_source,
    progressive,
    size_of,
    sized,
    split,
)
from media.geometry import contain
from media.job import Crop, Job, Source
from media.probe import VideoFacts
from media.profiles_form import Output

# Cameras end their two streams up to this far apart; no eye sees it.
_TAIL_S = 0.25
_FIELD_RATE = Fraction(25)
_Size = tuple[int, int]


class _Scan(StrEnum):
    """What becomes of the fields of a source."""

    SMOOTH = "smooth"  # whole pictures, for whatever has a screen of its own
    KEPT = "kept"  # 25 a second stay what they are
    BOBBED = "bobbed"  # a picture of each, woven again at television's rate


@dataclass(frozen=True, slots=True)
class _Want:
    """What an output takes of the shared part of the graph: this part of the picture, so many a second."""

    scan: _Scan
    crop: Crop | None
    pace: Fraction
    sizes: tuple[_Size, ...]

    @property
    def steady(self) -> tuple[_Scan, Crop | None, Fraction]:
        """What it has in common with outputs of other sizes."""
        return self.scan, self.crop, self.pace


def pictures_of(source: Source, jobs: Sequence[Job]) -> list[list[Any]]:
    """For each job the streams of its pictures, the largest first; all of them from one decode."""
    wants = [_want(source, job) for job in jobs]
    shared = _share(source, wants)
    return [
        _made(source, job, want, [next(shared[(want.steady, size)]) for size in want.sizes], turn)
        for turn, (job, want) in enumerate(zip(jobs, wants, strict=True))
    ]


def _share(source: Source, wants: Sequence[_Want]) -> dict[Any, Iterator[Any]]:
    """By steady part and size, the stream as often as it is wanted; each is filtered once."""
    counts = Counter((want.steady, size) for want in wants for size in want.sizes)
    by_steady: dict[Any, list[_Size]] = {}
    for steady, size in counts:
        by_steady.setdefault(steady, []).append(size)
    made = {}
    for steady, head in _heads(source, by_steady):
        scan, sizes = steady[0], by_steady[steady]
        for size, copy in zip(sizes, split(head, len(sizes)), strict=True):
            stream = copy if scan is _Scan.KEPT else sized(source.video, copy, size)
            made[(steady, size)] = iter(split(stream, counts[(steady, size)]))
    return made


def _heads(source: Source, by_steady: dict[Any, list[_Size]]) -> Iterator[tuple[Any, Any]]:
    """Each steady part with its stream: deinterlaced and tone-mapped once, then cropped and paced."""
    scans = list(dict.fromkeys(steady[0] for steady in by_steady))
    taps = split(open_source(source)[str(source.video.index)], len(scans))
    for scan, tap in zip(scans, taps, strict=True):
        steadies = [steady for steady in by_steady if steady[0] is scan]
        largest = max((size for steady in steadies for size in by_steady[steady]), key=max)
        whole = _scanned(source, tap, scan, largest)
        for steady, copy in zip(steadies, split(whole, len(steadies)), strict=True):
            _, crop, pace = steady
            yield steady, _steady(source, _cropped(source.video, crop, copy), pace)


def _scanned(source: Source, stream: Any, scan: _Scan, largest: _Size) -> Any:
    if scan is _Scan.KEPT:
        return stream
    return progressive(source, stream, largest, "send_frame" if scan is _Scan.SMOOTH else "send_field")


def _want(source: Source, job: Job) -> _Want:
    top, video, crop = job.pictures[0], source.video, job.worn.crop
    shape = (crop.width, crop.height) if crop else (video.width, video.height)
    front = contain(*shape, size_of(top)) if is_boxed(job) else size_of(top)
    scan = _scan(source, job)
    if scan is _Scan.KEPT:
        return _Want(scan, None, top.rate, (front,))
    is_bare = not job.worn.changes_picture and front == size_of(top) == (video.width, video.height)
    # A scaler takes a picture of its own size as it is, so that each rung may come straight from the source,
    # and with it what another output wants in the same size.
    if is_bare and _is_plain(video):
        return _Want(scan, crop, _pace(source, job, scan), tuple(size_of(each) for each in job.pictures))
    return _Want(scan, crop, _pace(source, job, scan), (front,))


def _is_plain(video: VideoFacts) -> bool:
    return video.pix_fmt == "yuv420p" and video.is_square and not video.is_turned and not video.is_hdr


def _made(source: Source, job: Job, want: _Want, streams: list[Any], turn: int) -> list[Any]:
    top, worn = job.pictures[0], job.worn
    if want.scan is _Scan.KEPT:
        return [_fields(source, job, want.sizes[0], streams[0])]
    if len(want.sizes) == len(job.pictures) > 1:
        return streams
    stream = streams[0]
    if is_boxed(job):
        stream = on_canvas(stream, want.sizes[0], size_of(top))
    if worn.logo:
        stream = with_logo(stream, job, turn)
    if worn.subtitles:
        stream = with_subtitles(stream, job)
    stream = between_clips(stream, job, turn)
    if worn.label:
        stream = with_label(stream, job, turn)
    if job.profile.output is Output.MXF:
        return [_field_pairs(stream, is_woven=want.pace != top.rate)]
    if worn.logo or worn.label or worn.subtitles:
        stream = stream.filter("format", "yuv420p").filter("setparams", **BT709)
    return _ladder(stream, job)


def is_boxed(job: Job) -> bool:
    """Whether the picture has a shape of its own, into which the source is padded or cropped."""
    return job.profile.canvas is not None or job.profile.is_landscape


def _cropped(video: VideoFacts, crop: Crop | None, stream: Any) -> Any:
    if crop is None:
        return stream
    # In parts of the picture and not in pixels: those may not be square yet.
    width, height = video.width, video.height
    return stream.filter(
        "crop",
        f"iw*{crop.width}/{width}",
        f"ih*{crop.height}/{height}",
        f"iw*{crop.x}/{width}",
        f"ih*{crop.y}/{height}",
    )


def _scan(source: Source, job: Job) -> _Scan:
    video, worn = source.video, job.worn
    if job.profile.output is not Output.MXF or not video.is_interlaced or worn.opening or worn.closing:
        return _Scan.SMOOTH
    is_same_rate = abs(video.frame_rate - _FIELD_RATE) < Fraction(1, 10)
    return _Scan.KEPT if is_same_rate and not worn.changes_picture else _Scan.BOBBED


def _pace(source: Source, job: Job, scan: _Scan) -> Fraction:
    rate = job.pictures[0].rate
    has_clips = job.worn.opening or job.worn.closing
    shown = source.video.frame_rate * (2 if scan is _Scan.BOBBED else 1)
    # Television: twice the pictures are woven into its fields.
    is_woven = job.profile.output is Output.MXF and shown >= 2 * rate - 1 and not has_clips
    return 2 * rate if is_woven else rate


def _steady(source: Source, stream: Any, rate: Fraction) -> Any:
    # A constant rate from zero on: late video repeats its first frame, so that it stays with its sound.
    stream = stream.filter("fps", fps=str(rate), start_time=0)
    audio = source.facts.audio
    missing_s = audio.end_s - source.video.end_s if audio else 0.0
    if missing_s < _TAIL_S:
        return stream
    # Sound without a picture would lie outside every segment: the last frame stands until its end.
    return stream.filter("tpad", stop_mode="clone", stop_duration=f"{missing_s:.3f}")


def _ladder(top: Any, job: Job) -> list[Any]:
    copies = split(top, len(job.pictures))
    lower = [
        copy.filter("scale", picture.width, picture.height).filter("setsar", 1)
        for copy, picture in zip(copies[1:], job.pictures[1:], strict=True)
    ]
    return [copies[0], *lower]


def _fields(source: Source, job: Job, size: _Size, stream: Any) -> Any:
    """Interlaced 25 to interlaced 25: field by field, upper field first, on black."""
    video, top = source.video, job.pictures[0]
    stream = stream.filter(
        "scale", *size, interl=1, in_color_matrix=matrix_of(video), out_color_matrix="bt709", out_range="tv"
    )
    stream = stream.filter("setsar", 1)
    if video.is_bottom_first:
        stream = stream.filter("fieldorder", "tff")
    if size != size_of(top):
        x, y = (top.width - size[0]) // 2, (top.height - size[1]) // 4 * 2
        stream = stream.filter("pad", top.width, top.height, x, y)
    return stream.filter("format", "yuv422p").filter("setparams", field_mode="tff", **BT709)


def _field_pairs(stream: Any, *, is_woven: bool) -> Any:
    """Progressive pictures as television has them: 50 become fields, 25 stand in both."""
    stream = stream.filter("format", "yuv422p")
    if is_woven:
        stream = stream.filter("interlace", scan="tff", lowpass="linear")
    return stream.filter("setparams", field_mode="tff", **BT709)
