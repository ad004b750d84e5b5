"""The renditions for vertical video platforms: Douyin, Kuaishou, WeChat Channels, and one for all of them."""

from fractions import Fraction

from media.profiles_app import HOUSE, LOUDNESS_CITE, WEB_LOUDNESS
from media.profiles_form import (
    BARE,
    DRESSED,
    LABELLED,
    PICTURES,
    VIDEO,
    Bounds,
    Cite,
    Extra,
    Output,
    Profile,
    Rung,
)
from states.text import Text

_DOUYIN = "PLATFORMS.md, row 'Douyin', read 2026-11-22"
_KUAISHOU = "PLATFORMS.md, row 'Kuaishou', read 2026-11-22"
_CHANNELS = "PLATFORMS.md, row 'WeChat Channels', read 2026-11-22"
_BIT_RATE = Cite(("rungs", "crf", "audio_bitrate_bps", "jpeg_quality"), HOUSE, "house")
_CANVAS = (1080, 1920)
_TALL = (Rung("vertical", 1920, 1080, 8_000_000),)
# "4 GB" is read as the smaller of its two meanings.
_DOUYIN_BOUNDS = Bounds(size_bytes=4_000_000_000, duration_s=900, min_short_px=720)
_DOUYIN_CITES = (
    Cite(("bounds", "canvas", "max_frame_rate"), _DOUYIN, "H"),
    LOUDNESS_CITE,
    _BIT_RATE,
)


def _video(
    name: str, label: Text, source: str, extras: tuple[Extra, ...], cited: tuple[Cite, ...], bounds: Bounds
) -> Profile:
    return Profile(
        name,
        VIDEO,
        Output.MP4,
        label,
        source,
        _TALL,
        canvas=_CANVAS,
        max_frame_rate=Fraction(30),
        is_rate_fixed=True,
        crf=21,
        bounds=bounds,
        loudness=WEB_LOUDNESS,
        extras=extras,
        cited=cited,
    )


def _cover(name: str, label: Text, source: str, canvas: tuple[int, int]) -> Profile:
    return Profile(
        name,
        PICTURES,
        Output.JPEG,
        label,
        source,
        (Rung("cover", max(canvas), min(canvas)),),
        canvas=canvas,
        jpeg_quality=88,
        extras=LABELLED,
        cited=(Cite(("canvas",), source, "H"), _BIT_RATE),
    )


_CHANNELS_CITES = (Cite(("canvas",), _CHANNELS, "M"), LOUDNESS_CITE, _BIT_RATE)
_PACE = Cite(("max_frame_rate",), HOUSE, "house")

SHORT = (
    # For a hand-off package that serves all of them: the strictest in everything, and so without a logo.
    _video("vertical_mp4", Text("竖屏视频", "Vertical video"), _DOUYIN, BARE, _DOUYIN_CITES, _DOUYIN_BOUNDS),
    _cover("vertical_cover", Text("竖屏封面", "Vertical cover"), _DOUYIN, (1080, 1440)),
    # Logos are demoted there.
    _video("douyin_mp4", Text("抖音视频", "Douyin video"), _DOUYIN, BARE, _DOUYIN_CITES, _DOUYIN_BOUNDS),
    _cover("douyin_cover", Text("抖音封面", "Douyin cover"), _DOUYIN, (1080, 1440)),
    _video(
        "kuaishou_mp4",
        Text("快手视频", "Kuaishou video"),
        _KUAISHOU,
        DRESSED,
        (Cite(("canvas",), _KUAISHOU, "M"), LOUDNESS_CITE, _BIT_RATE, _PACE),
        Bounds(),
    ),
    _cover("kuaishou_cover", Text("快手封面", "Kuaishou cover"), _KUAISHOU, (1080, 1440)),
    _video(
        "channels_mp4",
        Text("视频号视频", "WeChat Channels video"),
        _CHANNELS,
        DRESSED,
        (*_CHANNELS_CITES, _PACE),
        Bounds(),
    ),
    Profile(
        "channels_mp4_1260",
        VIDEO,
        Output.MP4,
        Text("视频号视频（6:7）", "WeChat Channels video (6:7)"),
        _CHANNELS,
        (Rung("vertical", 1260, 1080, 6_000_000),),
        canvas=(1080, 1260),
        max_frame_rate=Fraction(30),
        is_rate_fixed=True,
        crf=21,
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(*_CHANNELS_CITES, _PACE),
    ),
    _cover("channels_cover", Text("视频号封面", "WeChat Channels cover"), _CHANNELS, (1080, 1260)),
)
