"""Putting together what is shown of a submission's files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Resources
from api.openapi import API
from api.schemas.assets import (
    AssetLinks,
    AssetShown,
    CaptureShown,
    CoverShown,
    DuplicateShown,
    Finding,
    FinishingShown,
    ReviewShown,
    StoryboardShown,
)
from api.schemas.base import TextShown
from states.access import can_see, can_see_capture
from states.content import AssetRef
from states.item import State
from states.roles import Actor
from states.text import Text
from storage.duplicates import Alike, Match, matches_of
from storage.items import LoadedItem
from storage.keys import ASSETS, RENDITIONS
from storage.renditions import of_sources
from storage.tables import Asset, Rendition

# What intake makes for reviewers: copies of the file by their profiles, and what it looks at beside them.
_COPIES = ("preview", "poster", "thumbnail")
_REVIEW = "review"
_UNSAFE = ("media.infected", "media.not_scanned")
_MOST_PARAGRAPHS = 100
_ALIKE: Mapping[Alike, Text] = {
    Alike.SAME: Text("文件完全相同", "The same file"),
    Alike.ESSENCE: Text("内容相同，仅文件格式或附加信息不同", "The same content in another container"),
    Alike.LIKELY: Text("画面很可能相同，请人工比对", "Likely the same pictures; compare them"),
}

Link = Callable[[dict[str, Any]], str]


async def assets_shown(
    session: AsyncSession, held: Resources, actor: Actor, loaded: LoadedItem, known: Iterable[Asset]
) -> list[AssetShown]:
    """The files of the current revision, in its order; `known` are all files of the submission."""
    by_sha256 = {asset.sha256: asset for asset in known}
    listed = [(ref, by_sha256[ref.sha256]) for ref in loaded.content.assets]
    if not listed:
        return []
    made = await of_sources(session, (ref.sha256 for ref, _ in listed), (*_COPIES, _REVIEW))
    matches = await matches_of(session, (asset.id for _, asset in listed))
    view = _View(held, actor, str(loaded.row.author_id))
    return [
        view.asset(ref, asset, [each for each in made if each.source_sha256 == ref.sha256], matches[asset.id])
        for ref, asset in listed
    ]


class _View:
    """The files as one person may see them."""

    def __init__(self, held: Resources, actor: Actor, author_id: str) -> None:
        self._held = held
        self._actor = actor
        self._author_id = author_id

    def asset(
        self, ref: AssetRef, asset: Asset, made: Sequence[Rendition], matches: Iterable[Match]
    ) -> AssetShown:
        review = max((each for each in made if each.profile == _REVIEW), key=_ready_at, default=None)
        shows_capture = asset.capture is not None and can_see_capture(self._author_id, self._actor)
        return AssetShown(
            sha256=ref.sha256,
            filename=ref.filename,
            caption=ref.caption,
            finishing=FinishingShown.model_validate(ref.finishing) if ref.finishing else None,
            size_bytes=asset.size_bytes,
            intake=asset.intake,
            kind=asset.kind,
            media_type=asset.media_type,
            refusal=Finding(**asset.refusal) if asset.refusal else None,
            findings=[Finding(**each) for each in asset.findings],
            duplicates=[self._duplicate(each) for each in matches],
            review=_review(review, self._made) if review is not None and review.files else None,
            capture=CaptureShown(**(asset.capture or {})) if shows_capture else None,
            contents=_contents(asset.contents),
            links=self._links(ref, asset, made),
        )

    def _links(self, ref: AssetRef, asset: Asset, made: Iterable[Rendition]) -> AssetLinks:
        copies = {
            each.profile: self._made(each.files[0]) for each in made if each.profile in _COPIES and each.files
        }
        original = self._held.objects.presign_get(ASSETS, asset.object_key, ref.filename)
        return AssetLinks(original=original if self._is_safe(asset) else None, **copies)

    def _is_safe(self, asset: Asset) -> bool:
        """Nobody but the author, who has it anyway, gets a file that is still to be scanned."""
        is_scanned = self._held.settings.clamd is None or asset.intake != "waiting"
        is_bad = (asset.refusal or {}).get("code") in _UNSAFE
        return not is_bad and (is_scanned or self._actor.person_id == self._author_id)

    def _made(self, file: Mapping[str, Any]) -> str:
        return self._held.objects.presign_get(RENDITIONS, file["object_key"], file["name"])

    def _duplicate(self, match: Match) -> DuplicateShown:
        words, other = _ALIKE[match.kind], match.submission
        if not can_see(State(other.state), str(other.author_id), self._actor):
            text = Text(
                f"{words.zh}：在另一篇您无权查看的稿件中。", f"{words.en}: in a piece that you may not see."
            )
            return DuplicateShown(kind=match.kind.value, text=TextShown.of(text), at_s=match.at_s)
        place = Text(other.column_name or "未分栏", other.column_name or "no column")
        text = Text(
            f"{words.zh}：《{other.title}》（{place.zh}）中的 {match.filename}。",
            f"{words.en}: {match.filename} of “{other.title}” ({place.en}).",
        )
        return DuplicateShown(
            kind=match.kind.value,
            text=TextShown.of(text),
            submission_id=other.id,
            title=other.title,
            column=other.column_name,
            state=other.state,
            filename=match.filename,
            link=f"{API}/submissions/{other.id}",
            at_s=match.at_s,
        )


def _ready_at(rendition: Rendition) -> float:
    return rendition.ready_at.timestamp() if rendition.ready_at else 0.0


def _review(made: Rendition, link: Link) -> ReviewShown:
    measured = made.measured
    by_name = {file["name"]: file for file in made.files}
    by_role = {file["role"]: link(file) for file in made.files}
    tiles = measured["storyboard"]
    return ReviewShown(
        covers=[
            CoverShown(
                at_s=each["at_s"], width=each["width"], height=each["height"], url=link(by_name[each["name"]])
            )
            for each in measured["covers"]
        ],
        storyboard=StoryboardShown(sheet=by_role["storyboard"], cues=by_role["cues"], **tiles)
        if tiles
        else None,
        waveform=by_role.get("waveform"),
        loudness_lufs=measured["loudness_lufs"],
        peak_dbtp=measured["peak_dbtp"],
    )


def _contents(kept: dict[str, Any]) -> dict[str, Any]:
    """As kept, but of a document the beginning: a page is not the place to read a book."""
    if "document" not in kept:
        return kept
    document = kept["document"]
    return kept | {"document": document | {"paragraphs": document["paragraphs"][:_MOST_PARAGRAPHS]}}
