"""From what a client sends to the content of a revision."""

from dataclasses import replace
from typing import Any

from api.finishing import finishing_of
from api.problems import invalid_field
from api.schemas.base import WallClock
from api.schemas.submissions import AssetEntry, NewSubmission, SubmissionPatch
from states.content import AssetRef, Content


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


def _frozen(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_kept(value) for name, value in fields.items()}


def _as_kept(value: Any) -> Any:
    if isinstance(value, WallClock):
        return value.wall_time()
    return tuple(value) if isinstance(value, list) else value


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
