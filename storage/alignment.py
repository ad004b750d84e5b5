"""Which items of two sequences belong together: what stays in its order, found in nearly linear time."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

# A stretch of both sides that stays: where it begins in each, and how long it is.
Stretch = tuple[int, int, int]
Items = Sequence[str]

# difflib is thorough and its time grows with the square and more, so it only ever sees pairs of short pieces.
# What is longer, and shares no item that is unique in both, was rewritten: it is shown as such.
_MOST_PAIRS = 2_500
_DEEPEST = 12


def stretches(before: Items, after: Items) -> Iterator[Stretch]:
    """The stretches that stay, in order; they neither overlap nor cross.

    Items that occur once in either side are the anchors (patience diff), again between any two of them, at
    most 12 times; the short pieces left go to difflib.
    """
    yield from _between(before, after, (0, 0), _DEEPEST)


def _between(before: Items, after: Items, origin: tuple[int, int], depth: int) -> Iterator[Stretch]:
    """As `stretches`, for pieces that begin at `origin` of the whole."""
    head = _common(before, after)
    if head:
        yield (*origin, head)
    inner_before, inner_after = before[head:], after[head:]
    tail = _common(inner_before[::-1], inner_after[::-1])
    inner_before, inner_after = (side[: len(side) - tail] for side in (inner_before, inner_after))
    yield from _inside(inner_before, inner_after, (origin[0] + head, origin[1] + head), depth)
    if tail:
        yield (origin[0] + len(before) - tail, origin[1] + len(after) - tail, tail)


def _common(before: Items, after: Items) -> int:
    """How many items both begin with."""
    pairs = zip(before, after, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))


def _inside(before: Items, after: Items, origin: tuple[int, int], depth: int) -> Iterator[Stretch]:
    anchors = _anchors(before, after) if depth else []
    if anchors:
        start = (0, 0)
        for anchor in (*anchors, (len(before), len(after))):
            pieces = before[start[0] : anchor[0]], after[start[1] : anchor[1]]
            yield from _between(*pieces, (origin[0] + start[0], origin[1] + start[1]), depth - 1)
            start = anchor
    elif len(before) * len(after) <= _MOST_PAIRS:
        for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
            if block.size:
                yield origin[0] + block.a, origin[1] + block.b, block.size


def _anchors(before: Items, after: Items) -> list[tuple[int, int]]:
    """Where the items stand that occur once in each, as many as have the same order in both."""
    places = _unique(after)
    pairs = [(place, places[item]) for item, place in _unique(before).items() if item in places]
    return longest_rise(pairs)


def _unique(items: Items) -> dict[str, int]:
    counts = Counter(items)
    return {item: place for place, item in enumerate(items) if counts[item] == 1}


def longest_rise(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs whose second numbers rise; the first ones do already. O(n log n)."""
    ends: list[int] = []  # the smallest last number of a run, by its length
    last: list[int] = []  # and which pair that is
    came_from: list[int] = []
    for index, (_, number) in enumerate(pairs):
        length = bisect_left(ends, number)
        ends[length : length + 1] = [number]
        last[length : length + 1] = [index]
        came_from.append(last[length - 1] if length else -1)
    run, index = [], last[-1] if last else -1
    while index >= 0:
        run.append(pairs[index])
        index = came_from[index]
    return run[::-1]
