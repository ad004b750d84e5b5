"""From what a client sends to the content of a revision."""

from dataclasses import replace
from typing import Any

from api.finishing import finishing_of
from api.problems import invalid_field
from api.schemas.base import WallClock
from api.schemas.submissions import AdaptationEntry, AssetEntry, NewSubmission, SubmissionPatch
from states.content import Adaptation, AssetRef, Content


def new_content(draft: NewSubmission) -> Content:
    """The first content of a submission."""
    given = {name: getattr(draft, name) for name in type(draft).model_fields if name != "is_fast_track"}
    return Content(**_frozen(given))


def merged(content: Content, patch: SubmissionPatch) -> Content:
    """The content with the fields in it that the patch gives. Raises InvalidFields for files it does not have."""
    given = {name: getattr(patch, name) for name in patch.model_fields_set}
    if "assets" in given:
        given["assets"] = _arranged(content.assets, patch.assets)
    return replace(content, **_frozen(given))


def check_covers(content: Content) -> None:
    """Nothing, or InvalidFields for a cover that is no file of the piece."""
    listed = {"", *(asset.sha256 for asset in content.assets)}
    chosen = [("cover", content.cover)]
    chosen += [
        (f"adaptations.{place}.cover", each.cover or "") for place, each in enumerate(content.adaptations)
    ]
    for field, sha256 in chosen:
        if sha256 not in listed:
            raise invalid_field(
                field,
                f"封面 {sha256} 不是本稿的素材，请先上传，或换一个。",
                f"The cover {sha256} is no file of this submission; upload it first, or choose another.",
            )


def _frozen(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_kept(value) for name, value in fields.items()}


def _as_kept(value: Any) -> Any:
    if isinstance(value, WallClock):
        return value.wall_time()
    if isinstance(value, list) and value and isinstance(value[0], AdaptationEntry):
        return tuple(_adaptation(each) for each in sorted(value, key=lambda each: each.destination))
    return tuple(value) if isinstance(value, list) else value


def _adaptation(entry: AdaptationEntry) -> Adaptation:
    return Adaptation(**_frozen(entry.model_dump()))


def _arranged(assets: tuple[AssetRef, ...], wanted: list[AssetEntry]) -> tuple[AssetRef, ...]:
    """The wanted files in the wanted order; what an entry leaves out, a file keeps."""
    known = {asset.sha256: asset for asset in assets}
    if len({entry.sha256 for entry in wanted}) != len(wanted):
        raise invalid_field("assets", "同一素材列了两次。", "The same file is listed twice.")
    for entry in wanted:
        if entry.sha256 not in known:
            raise invalid_field(
                "assets",
                f"本稿没有素材 {entry.sha256}，请先上传。",
                f"The submission has no file {entry.sha256}; upload it first.",
            )
    return tuple(_changed(known[entry.sha256], entry) for entry in wanted)


def _changed(asset: AssetRef, entry: AssetEntry) -> AssetRef:
    if entry.caption is not None:
        asset = replace(asset, caption=entry.caption)
    if "finishing" in entry.model_fields_set:
        asset = replace(asset, finishing=finishing_of(entry.finishing))
    return asset
