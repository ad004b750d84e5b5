"""The renditions of one revision as a table for Prefect's UI: what became of each, in figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from media.profiles import PROFILES
from platforms.registry import PLATFORMS
from storage.tables import Asset, Destination, Rendition

_STATES = {"ready": "完成", "failed": "失败", "wanted": "未制作"}


def rendition_rows(
    made: Iterable[Rendition], media: Mapping[str, Asset], destinations: Sequence[Destination]
) -> list[dict[str, Any]]:
    """One row for each rendition, in words and round figures; what was not measured is empty."""
    return [_row(each, media[each.source_sha256], destinations) for each in made]


def _row(rendition: Rendition, asset: Asset, destinations: Sequence[Destination]) -> dict[str, Any]:
    measured = rendition.measured
    return {
        "素材": asset.filename,
        "成品": f"{PROFILES[rendition.profile].label.zh}（{rendition.profile}）",
        "渠道": "、".join(_takers(rendition, asset, destinations)),
        "状态": _STATES[rendition.state],
        "画面": f"{measured['width']}×{measured['height']}" if measured.get("width") else "",
        "大小 MB": _round(measured.get("size_bytes"), 1e6, 3),
        "码率 kb/s": _round(measured.get("bitrate_bps"), 1000, 0),
        "时长 s": _round(measured.get("duration_s"), 1, 3),
        "时长差 s": _round(measured.get("duration_difference_s"), 1, 3),
        "帧数": measured.get("frame_count", ""),
        "SSIM": measured.get("ssim", ""),
        "响度 LUFS": _round(measured.get("loudness_lufs"), 1, 1),
        "说明": (rendition.refusal or {}).get("zh", ""),
    }


def _takers(rendition: Rendition, asset: Asset, destinations: Sequence[Destination]) -> list[str]:
    taking = []
    for destination in destinations:
        platform = PLATFORMS.get(destination.platform)
        kind = asset.kind or ""
        if platform and rendition.profile in (
            *platform.renditions.get(kind, ()),
            *platform.where_possible.get(kind, ()),
        ):
            taking.append(f"{destination.name}（{platform.label.zh}）")
    return taking


def _round(value: float | None, unit: float, digits: int) -> float | str:
    return "" if value is None else round(value / unit, digits)
