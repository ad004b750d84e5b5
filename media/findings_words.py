"""How places in time become findings: in words, and few enough to be read."""

from collections.abc import Sequence
from typing import NamedTuple

from media.finding import Finding
from media.scan_logs import Stretch
from states.text import Text

# House value: the longest of a kind are shown, the rest is counted.
MOST_OF_A_KIND = 5


class Words(NamedTuple):
    """What one kind of stretch is called: its code, its name, and its name for several in English."""

    code: str
    zh: str
    en: str
    plural: str


def clock(at_s: float) -> str:
    """A time as people write it: 1:02.5, or 1:00:02.5 from an hour on."""
    tenths = max(0, round(at_s * 10))
    minutes, seconds = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    shown = f"{seconds // 10:02d}.{seconds % 10}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def describe(stretches: Sequence[Stretch], words: Words) -> list[Finding]:
    """A finding for each of the longest, in the order of the film, and one that counts the others."""
    by_length = sorted(stretches, key=lambda stretch: -stretch.length_s)
    shown = sorted(by_length[:MOST_OF_A_KIND], key=lambda stretch: stretch.start_s)
    return [_one(each, words) for each in shown] + _others(by_length[MOST_OF_A_KIND:], words)


def _one(stretch: Stretch, words: Words) -> Finding:
    start, end, length_s = clock(stretch.start_s), clock(stretch.end_s), stretch.length_s
    text = Text(
        f"{start} 至 {end} {words.zh}（{length_s:.1f} 秒）。",
        f"{words.en} from {start} to {end} ({length_s:.1f} s).",
    )
    return Finding(words.code, text, round(stretch.start_s, 3), round(stretch.end_s, 3))


def _others(rest: Sequence[Stretch], words: Words) -> list[Finding]:
    if not rest:
        return []
    length_s = sum(each.length_s for each in rest)
    text = Text(
        f"另有 {len(rest)} 处{words.zh}，共 {length_s:.1f} 秒。",
        f"And {len(rest)} more {words.plural}, {length_s:.1f} s in all.",
    )
    return [Finding(words.code, text)]
