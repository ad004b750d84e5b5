"""What looking at every frame tells a reviewer: black, frozen, damaged, mis-tagged."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media.essence import Hashed
from media.finding import Finding
from media.findings_words import Words, clock, describe
from media.probe import VideoFacts
from media.scan_logs import Reading, Stretch, join, read_readings, read_stretches
from states.text import Text

# House values: a fade through black takes less; a cut to a still lasts about two seconds.
BLACK_SHORTEST_S, FREEZE_SHORTEST_S = 0.5, 2.0
# A keyframe may flicker in a frozen picture.
_FREEZE_GAP_S, _BLACK_GAP_S = 0.2, 0.1
_BLACK = Words("black", "黑场", "Black", "black stretches")
_FROZEN = Words("frozen", "画面静止", "The picture is frozen", "frozen stretches")
# House values. Film that was made interlaced by 3:2 pulldown shows its fields in two of five frames. Real fields
# come in one order; fine patterns that move look like fields too, now in this order and now in that.
_FIELDS_SHARE, _OTHER_ORDER, _WHOLE_SHARE, _FEWEST_JUDGED = 0.3, 0.1, 0.95, 8
# EBU R 103: luma within 5 to 246 (8 bits), but for 1 % of the pixels; here in a tenth of the moments or more.
_LOWEST, _HIGHEST, _OUTSIDE_PIXELS, _OUTSIDE_MOMENTS = 5, 246, 0.01, 0.1
# House values: both ends of the full range are used, in a third of the moments.
_FULL_LOW, _FULL_HIGH, _FULL_MOMENTS = 3, 252, 0.3
# What 16 and 235 become when they are taken for full range and brought to the limited one; 3 to either side.
_LIMITED_LOW, _LIMITED_HIGH, _NEAR = 29.7, 217.8, 3
_YMIN, _YMAX, _BRNG = (f"signalstats.{name}" for name in ("YMIN", "YMAX", "BRNG"))
_FULL_RANGE, _FEWEST_MOMENTS = 2, 2
# House values: containers round, and a decoder may keep a frame or two.
_MISSING_S, _MISSING_SHARE, _MISSING_FRAMES = 0.5, 0.02, 5


@dataclass(frozen=True, slots=True)
class Seen:
    """What the meters of the picture noted, and how long the film lasts."""

    folder: Path
    hashed: Hashed
    film_s: float
    has_broken_off: bool


def find_in_picture(video: VideoFacts, seen: Seen) -> list[Finding]:
    """Findings in a fixed order: damage, black, frozen, fields, levels."""
    film_s = seen.film_s
    black = join(read_stretches(seen.folder, "black", film_s), _BLACK_GAP_S, BLACK_SHORTEST_S)
    frozen = join(read_stretches(seen.folder, "freeze", film_s), _FREEZE_GAP_S, FREEZE_SHORTEST_S)
    return [
        *_damage(video, seen),
        *describe(black, _BLACK),
        # Black stands still too; it is said once.
        *describe([each for each in frozen if not _is_covered(each, black)], _FROZEN),
        *_fields(video, seen.folder / "fields"),
        *_levels(video, seen.folder / "levels"),
    ]


def _is_covered(frozen: Stretch, black: Iterable[Stretch]) -> bool:
    shared_s = sum(
        max(0.0, min(frozen.end_s, each.end_s) - max(frozen.start_s, each.start_s)) for each in black
    )
    return shared_s > 0.9 * frozen.length_s


def _damage(video: VideoFacts, seen: Seen) -> list[Finding]:
    end_s = seen.hashed.end_s
    if seen.has_broken_off or seen.film_s - end_s > _MISSING_S + _sound_alone_s(video, seen):
        text = Text(
            f"画面在 {clock(end_s)} 之后无法解码；请检查，必要时重新导出。",
            f"The picture cannot be decoded from {clock(end_s)} on; check it, and export it again if need be.",
        )
        return [Finding("damaged", text, round(end_s, 3), round(max(end_s, seen.film_s), 3))]
    missing = video.frame_count - seen.hashed.count
    # Each field may be a packet of its own.
    if video.is_interlaced or missing < max(_MISSING_FRAMES, video.frame_count * _MISSING_SHARE):
        return []
    text = Text(
        f"有 {missing} 帧画面无法解码；请检查，必要时重新导出。",
        f"{missing} frames cannot be decoded; check the picture, and export it again if need be.",
    )
    return [Finding("damaged", text)]


def _sound_alone_s(video: VideoFacts, seen: Seen) -> float:
    """How long the film goes on without a picture, as its packets say."""
    return max(0.0, seen.film_s - (video.end_s - min(video.start_s, 0.0)))


def _fields(video: VideoFacts, log: Path) -> list[Finding]:
    counts: dict[str, float] = {}
    for reading in read_readings(log):  # each has the sum so far
        counts = reading.values
    less, more = sorted((counts.get("idet.single.tff", 0.0), counts.get("idet.single.bff", 0.0)))
    woven = less + more
    judged = woven + counts.get("idet.single.progressive", 0.0)
    if judged < _FEWEST_JUDGED:
        return []
    if not video.is_interlaced and more >= _FIELDS_SHARE * judged and less <= _OTHER_ORDER * more:
        text = Text(
            "标为逐行，画面却是隔行（有梳状边）；请从原始素材按正确的扫描方式重新导出。",
            "Tagged progressive, but the picture is interlaced (combed edges); export it with the right scan.",
        )
        return [Finding("looks_interlaced", text)]
    if video.is_interlaced and judged - woven >= _WHOLE_SHARE * judged:
        text = Text(
            "标为隔行，画面看来是逐行；成品会略失清晰度。",
            "Tagged interlaced, but the picture looks progressive; renditions lose a little sharpness.",
        )
        return [Finding("looks_progressive", text)]
    return []


def _levels(video: VideoFacts, log: Path) -> list[Finding]:
    moments = [each for each in read_readings(log) if {_YMIN, _YMAX, _BRNG} <= each.values.keys()]
    if len(moments) < _FEWEST_MOMENTS:
        return []
    low = min(each.values[_YMIN] for each in moments)
    high = max(each.values[_YMAX] for each in moments)
    if video.color_range == _FULL_RANGE:
        is_limited = abs(low - _LIMITED_LOW) <= _NEAR and abs(high - _LIMITED_HIGH) <= _NEAR
        return [_LOOKS_LIMITED] if is_limited else []
    outside = [each for each in moments if _is_outside(each)]
    if low <= _FULL_LOW and high >= _FULL_HIGH and len(outside) >= _FULL_MOMENTS * len(moments):
        return [_LOOKS_FULL]
    if len(outside) < _OUTSIDE_MOMENTS * len(moments):
        return []
    at_s = outside[0].at_s
    text = Text(
        f"亮度超出广播范围（最低 {low:.0f}，最高 {high:.0f}），首见于 {clock(at_s)}；电视成品前请校正。",
        f"Levels leave the broadcast range (down to {low:.0f}, up to {high:.0f}), first at {clock(at_s)}; "
        "correct them before television.",
    )
    return [Finding("levels_outside", text, round(at_s, 3))]


def _is_outside(moment: Reading) -> bool:
    values = moment.values
    reaches = values[_YMIN] < _LOWEST or values[_YMAX] > _HIGHEST
    return reaches and values[_BRNG] > _OUTSIDE_PIXELS


_LOOKS_FULL = Finding(
    "range_mistagged",
    Text(
        "画面用满 0–255，却没有标为全范围：暗部和亮部会丢失；请重新导出。",
        "The picture uses 0 to 255 and is not tagged full range: darks and brights are lost; export it again.",
    ),
)
_LOOKS_LIMITED = Finding(
    "range_mistagged",
    Text(
        "画面标为全范围，却只用 16–235：看来发灰；请重新导出。",
        "The picture is tagged full range and uses 16 to 235 only: it looks grey; export it again.",
    ),
)
