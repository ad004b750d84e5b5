"""What changed between two revisions."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.assets import FinishingShown
from api.schemas.base import Shown


class RunShown(Shown):
    """A piece of text: equal and deleted ones joined are the first text, equal and inserted ones the second."""

    op: Literal["equal", "insert", "delete"]
    text: str


class FieldDifferenceShown(Shown):
    """A field with another value."""

    field: str
    before: Any
    after: Any


class PlacedAssetShown(Shown):
    """A file in its place, counted from 0."""

    position: int
    filename: str
    caption: str
    finishing: FinishingShown | None


class AssetDifferenceShown(Shown):
    """A file that came, went, moved, or got other words or another finishing."""

    sha256: str
    changes: tuple[Literal["added", "removed", "moved", "caption", "filename", "finishing"], ...]
    before: PlacedAssetShown | None
    after: PlacedAssetShown | None


class RevisionRef(Shown):
    """One side of the comparison."""

    number: int
    sha256: str


class DifferenceShown(Shown):
    """All that differs. Texts that are the same have one equal run, empty ones none."""

    before: RevisionRef
    after: RevisionRef
    title: tuple[RunShown, ...]
    digest: tuple[RunShown, ...]
    body: tuple[RunShown, ...]
    fields: tuple[FieldDifferenceShown, ...] = Field(description="Every other field with another value.")
    assets: tuple[AssetDifferenceShown, ...]
