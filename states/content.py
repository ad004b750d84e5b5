"""What a revision says: the content that reviewers see and sign, and its canonical hash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from states.ledger import canonical_sha256
from states.wall_time import WallTime

AiLabel = Literal["undeclared", "none", "assisted", "generated"]


@dataclass(frozen=True, slots=True)
class CropBox:
    """What of a picture is kept where another shape is needed: pixels of the upright picture, from its upper left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Finishing:
    """后期: what an editor wants done to a file on its way out; each platform gets what it allows.

    `subtitles` is the hash of another file of the same revision, SRT or WebVTT; empty: none.
    """

    crop: CropBox | None = None
    subtitles: str = ""
    burns_in: bool = False
    has_logo: bool = False
    has_clips: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "Finishing | None":
        """The inverse of `asdict`, None for None; TypeError on a field that is not of it."""
        if value is None:
            return None
        crop = value.get("crop")
        return cls(**{**value, "crop": CropBox(**crop) if crop else None})


@dataclass(frozen=True, slots=True)
class AssetRef:
    """One file of the revision, named by its content; the order of the assets is part of what is signed."""

    sha256: str
    filename: str
    caption: str = ""
    finishing: Finishing | None = None

    def canonical(self) -> dict[str, Any]:
        """As it is stored and hashed: without a finishing where there is none, as before there were any."""
        value = asdict(self)
        if self.finishing is None:
            del value["finishing"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "AssetRef":
        """The inverse of `canonical`; TypeError on a field that is not of a file."""
        return cls(**{**value, "finishing": Finishing.from_json(value.get("finishing"))})


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What one destination is told in other words than the rest; None: as in the piece itself."""

    destination: str
    title: str | None = None
    digest: str | None = None
    body: str | None = None
    tags: tuple[str, ...] | None = None
    cover: str | None = None

    def canonical(self) -> dict[str, Any]:
        """What it says, without what it leaves as it is."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return said if self.tags is None else said | {"tags": list(self.tags)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Adaptation":
        """The inverse of `canonical`; TypeError on a field that is not of it."""
        tags = value.get("tags")
        return cls(**{**value, "tags": None if tags is None else tuple(tags)})


@dataclass(frozen=True, slots=True)
class Content:
    """The whole of a revision. Plain text; paragraphs are separated by an empty line."""

    title: str = ""
    digest: str = ""
    body: str = ""
    byline: str = ""
    column: str | None = None
    language: str = "zh-CN"
    tags: tuple[str, ...] = ()
    ai_label: AiLabel = "undeclared"
    destinations: tuple[str, ...] = ()
    correction_note: str = ""
    embargo: WallTime | None = None  # not before this time, whatever is scheduled
    assets: tuple[AssetRef, ...] = field(default=())
    cover: str = ""  # the file whose picture stands for the piece; empty: the first that has one
    adaptations: tuple[Adaptation, ...] = ()  # in the order of their destinations' ids

    def to_json(self) -> dict[str, Any]:
        """Every field: objects, arrays, strings and null only."""
        value = asdict(self)
        return {**value, "tags": list(self.tags), "destinations": list(self.destinations)} | {
            "assets": [asdict(asset) for asset in self.assets],
            "adaptations": [each.canonical() for each in self.adaptations],
        }

    def canonical(self) -> dict[str, Any]:
        """As it is stored and hashed: what says something. A field that is added later changes no old hash."""
        said = {name: value for name, value in self.to_json().items() if value != _EMPTY[name]}
        return said | ({"assets": [asset.canonical() for asset in self.assets]} if self.assets else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Content":
        """The inverse of `to_json` and of `canonical`; TypeError on a field that is not of a revision."""
        return cls(
            **{
                **value,
                "tags": tuple(value.get("tags", ())),
                "destinations": tuple(value.get("destinations", ())),
                "embargo": WallTime.from_json(value.get("embargo")),
                "adaptations": tuple(Adaptation.from_json(each) for each in value.get("adaptations", ())),
                "assets": tuple(AssetRef.from_json(asset) for asset in value.get("assets", ())),
            }
        )

    def sha256(self) -> str:
        """The name of this revision: SHA-256 of its canonical JSON, in hexadecimal."""
        return canonical_sha256(self.canonical())

    def adapted(self, destination: str) -> "Content":
        """As this destination gets it."""
        for each in self.adaptations:
            if each.destination == destination:
                said = {name: getattr(each, name) for name in _ADAPTED if getattr(each, name) is not None}
                return replace(self, **said)
        return self

    def with_asset(self, asset: AssetRef) -> "Content":
        """This content with one more file at the end; the same file is not listed twice."""
        others = tuple(each for each in self.assets if each.sha256 != asset.sha256)
        return replace(self, assets=(*others, asset))


_ADAPTED = ("title", "digest", "body", "tags", "cover")
_EMPTY: Mapping[str, Any] = Content().to_json()
