"""后期: what an editor wants done to a file on its way out, held against the files that are there."""

from collections.abc import Iterable, Mapping

from api.problems import invalid_field
from api.schemas.submissions import FinishingEntry
from media.kinds import Kind
from media.probe import Probe
from states.content import AssetRef, Content, CropBox, Finishing
from storage.tables import Asset

_PICTURES = (Kind.VIDEO, Kind.STILL)


def finishing_of(entry: FinishingEntry | None) -> Finishing | None:
    """As it is kept. One that asks for nothing is none."""
    if entry is None:
        return None
    crop = CropBox(**entry.crop.model_dump()) if entry.crop else None
    wanted = Finishing(crop, entry.subtitles or "", entry.burns_in, entry.has_logo, entry.has_clips)
    return None if wanted == Finishing() else wanted


def check_finishing(content: Content, assets: Iterable[Asset]) -> None:
    """Nothing, or InvalidFields for what cannot be done. What intake has not looked at yet is seen in rendering."""
    known = {asset.sha256: asset for asset in assets if asset.kind is not None}
    listed = {ref.sha256 for ref in content.assets}
    for place, ref in enumerate(content.assets):
        field = f"assets.{place}.finishing"
        if ref.finishing and ref.finishing.crop and ref.sha256 in known:
            _check_crop(f"{field}.crop", ref.finishing.crop, known[ref.sha256])
        if ref.finishing and ref.finishing.subtitles:
            _check_subtitles(f"{field}.subtitles", ref, listed, known)


def _check_crop(field: str, crop: CropBox, asset: Asset) -> None:
    if asset.kind not in _PICTURES:
        raise invalid_field(field, "只有画面可以裁剪。", "Only a picture can be cropped.")
    facts = Probe.from_json(asset.probe)
    width, height = facts.width or 0, facts.height or 0
    if crop.x + crop.width > width or crop.y + crop.height > height:
        raise invalid_field(
            field,
            f"裁剪框超出画面：画面为 {width}×{height}，请重新框选。",
            f"The crop lies outside the picture, which is {width}×{height}; choose it again.",
        )


def _check_subtitles(field: str, ref: AssetRef, listed: set[str], known: Mapping[str, Asset]) -> None:
    wanted = ref.finishing.subtitles if ref.finishing else ""
    if wanted == ref.sha256 or wanted not in listed:
        raise invalid_field(
            field,
            "字幕文件不在本稿的素材里，请先上传。",
            "The subtitles are no other file of this submission; upload them first.",
        )
    if (found := known.get(wanted)) is not None and found.kind != Kind.TEXT:
        raise invalid_field(
            field,
            f"{found.filename} 不是字幕：请选 SRT 或 WebVTT 文件。",
            f"{found.filename} holds no subtitles: choose an SRT or WebVTT file.",
        )
