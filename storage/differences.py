"""What changed between two revisions: texts by word, fields, files. Pure: contents in, differences out."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

from states.content import AssetRef, Content, Finishing
from storage.alignment import longest_rise, stretches
from storage.words import paragraphs, words

Op = Literal["equal", "insert", "delete"]
AssetChange = Literal["added", "removed", "moved", "caption", "filename", "finishing"]

_TEXTS = ("title", "digest", "body")
_FIELDS = (
    "byline",
    "column",
    "language",
    "tags",
    "ai_label",
    "destinations",
    "correction_note",
    "embargo",
    "cover",
    "adaptations",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that stays, comes, or goes."""

    op: Op
    text: str


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field with another value; values as in `Content.to_json`."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PlacedAsset:
    """A file in its place among the others, counted from 0."""

    position: int
    filename: str
    caption: str
    finishing: Finishing | None


@dataclass(frozen=True, slots=True)
class AssetDifference:
    """A file that came, went, moved among those that stayed, or got other words or another finishing."""

    sha256: str
    changes: tuple[AssetChange, ...]
    before: PlacedAsset | None
    after: PlacedAsset | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs. A text that did not change is one equal run, an empty one none."""

    texts: dict[str, tuple[Run, ...]]
    fields: tuple[FieldDifference, ...]
    assets: tuple[AssetDifference, ...]


def content_difference(before: Content, after: Content) -> Difference:
    """What changed from one content to the other. CPU only; 0.4 s for 100,000 characters with 1,000 edits."""
    old, new = before.to_json(), after.to_json()
    return Difference(
        {name: text_difference(old[name], new[name]) for name in _TEXTS},
        tuple(FieldDifference(each, old[each], new[each]) for each in _FIELDS if old[each] != new[each]),
        asset_differences(before.assets, after.assets),
    )


def text_difference(before: str, after: str) -> tuple[Run, ...]:
    """The runs that lead from one text to the other, in reading order.

    The equal and deleted ones joined are `before`, the equal and inserted ones `after`. Paragraphs are
    compared first, then words within those that changed; what was rewritten is one deletion and one insertion
    (`storage.alignment` says where it gives up).
    """
    runs: list[Run] = []
    for stays, pieces in groupby(_text_pieces(before, after), key=attrgetter("stays")):
        together = tuple(pieces)
        old, new = "".join(each.before for each in together), "".join(each.after for each in together)
        runs += [Run("equal", old)] if stays else [Run("delete", old), Run("insert", new)]
    return tuple(run for run in runs if run.text)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of both texts: one that stays is the same in both."""

    stays: bool
    before: str
    after: str


def _text_pieces(before: str, after: str) -> Iterator[_Piece]:
    for piece in _pieces(paragraphs(before), paragraphs(after)):
        yield from (piece,) if piece.stays else _pieces(words(piece.before), words(piece.after))


def _pieces(before: list[str], after: list[str]) -> Iterator[_Piece]:
    at, other = 0, 0
    for start, other_start, length in (*stretches(before, after), (len(before), len(after), 0)):
        if start > at or other_start > other:
            yield _Piece(False, "".join(before[at:start]), "".join(after[other:other_start]))
        at, other = start + length, other_start + length
        if length:
            stays = "".join(before[start:at])
            yield _Piece(True, stays, stays)


def asset_differences(
    before: tuple[AssetRef, ...], after: tuple[AssetRef, ...]
) -> tuple[AssetDifference, ...]:
    """The files that differ: those of the later revision in its order, then those that went.

    Moved are the fewest files that explain the new order of those that stayed.
    """
    old = {asset.sha256: _placed(place, asset) for place, asset in enumerate(before)}
    new = {asset.sha256: _placed(place, asset) for place, asset in enumerate(after)}
    in_order = longest_rise([(old[each].position, new[each].position) for each in old if each in new])
    unmoved = {place for _, place in in_order}
    found = []
    for sha256 in (*new, *(each for each in old if each not in new)):
        pair = old.get(sha256), new.get(sha256)
        changes = _changes(*pair, unmoved)
        if changes:
            found.append(AssetDifference(sha256, changes, *pair))
    return tuple(found)


def _placed(place: int, asset: AssetRef) -> PlacedAsset:
    return PlacedAsset(place, asset.filename, asset.caption, asset.finishing)


def _changes(old: PlacedAsset | None, new: PlacedAsset | None, unmoved: set[int]) -> tuple[AssetChange, ...]:
    if old is None or new is None:
        return ("added",) if old is None else ("removed",)
    found: dict[AssetChange, bool] = {
        "moved": new.position not in unmoved,
        "caption": old.caption != new.caption,
        "filename": old.filename != new.filename,
        "finishing": old.finishing != new.finishing,
    }
    return tuple(change for change, holds in found.items() if holds)
