"""Whether a comment's anchor fits the revision it is on: the words stand there, the file has that moment."""

from collections.abc import Mapping
from fractions import Fraction
from typing import assert_never

from api.problems import InvalidFields, invalid_field
from api.schemas.comments import Anchor, RegionAnchor, Seconds, TextAnchor, TimeAnchor
from states.content import Content
from storage.tables import Asset

_RECORDINGS = ("video", "audio")


def check_anchor(field: str, anchor: Anchor, content: Content, assets: Mapping[str, Asset]) -> None:
    """Nothing, or InvalidFields; `field` is the anchor's path in the request, `assets` the files by hash."""
    match anchor:
        case TextAnchor():
            _check_quote(field, anchor, content)
        case RegionAnchor():
            _asset(field, anchor.asset_sha256, content, assets, ("still",))
        case TimeAnchor():
            asset = _asset(field, anchor.asset_sha256, content, assets, _RECORDINGS)
            _check_time(field, anchor, Fraction(str(asset.probe.get("duration_s") or 0)))
        case _:
            assert_never(anchor)


def _check_quote(field: str, anchor: TextAnchor, content: Content) -> None:
    texts = {"title": content.title, "digest": content.digest, "body": content.body}
    if texts[anchor.field][anchor.start : anchor.end] != anchor.quote:
        raise invalid_field(
            f"{field}.quote",
            "所引文字与该版本此处的文字不符（按 Unicode 码点计）。"
            "请刷新后重新选择，或在 revision_sha256 中注明您看到的版本。",
            "The quote is not what this revision has there, counted in Unicode code points. Reload and mark it "
            "again, or name the revision that you saw in revision_sha256.",
        )


def _asset(
    field: str, sha256: str, content: Content, assets: Mapping[str, Asset], kinds: tuple[str, ...]
) -> Asset:
    asset = assets.get(sha256)
    if asset is None or all(each.sha256 != sha256 for each in content.assets):
        raise _wrong_asset(field, "该版本没有这个素材，请刷新后重选。", "This revision has no such file.")
    if asset.kind is None:
        raise _wrong_asset(
            field,
            "该素材尚未检查完，请稍候再批注。",
            "This file is still being checked; comment on it in a moment.",
        )
    if asset.kind not in kinds:
        names = " / ".join(kinds)
        raise _wrong_asset(
            field,
            f"该素材为 {asset.kind}，这种批注位置只能用于 {names}。",
            f"The file is {asset.kind}; this kind of place takes {names}.",
        )
    return asset


def _wrong_asset(field: str, zh: str, en: str) -> InvalidFields:
    return invalid_field(f"{field}.asset_sha256", zh, en)


def _check_time(field: str, anchor: TimeAnchor, duration_s: Fraction) -> None:
    at, until = _fraction(anchor.at), _fraction(anchor.until) if anchor.until else None
    if until is not None and until <= at:
        raise invalid_field(
            f"{field}.until", "结束时间须晚于开始时间。", "The end must come after the beginning."
        )
    for name, moment in (("at", at), ("until", until)):
        if moment is not None and moment > duration_s:
            raise invalid_field(
                f"{field}.{name}",
                f"超出素材时长（{float(duration_s):.3f} 秒）。",
                f"It lies behind the end of the file ({float(duration_s):.3f} s).",
            )


def _fraction(seconds: Seconds) -> Fraction:
    return Fraction(seconds.num, seconds.den)
