"""The renditions for the WeChat official account, Weibo, Toutiao and Bilibili."""

from fractions import Fraction

from media.profiles_app import HOUSE, LADDER, LOUDNESS_CITE, WEB_LOUDNESS
from media.profiles_form import (
    AUDIO,
    DRESSED,
    LABELLED,
    PICTURES,
    STILL,
    VIDEO,
    Bounds,
    Cite,
    Output,
    Profile,
    Rung,
)
from states.text import Text

_WECHAT = "PLATFORMS.md, row 'WeChat official account', read 2026-11-22"
_WEIBO = "PLATFORMS.md, row 'Weibo', read 2026-11-22"
_TOUTIAO = "PLATFORMS.md, row 'Toutiao', read 2026-11-22"
_BILIBILI = "PLATFORMS.md, row 'Bilibili', read 2026-11-22"
_PACE = Cite(
    ("rungs", "max_frame_rate", "crf", "audio_bitrate_bps", "jpeg_quality", "bit rates"), HOUSE, "house"
)
# "1 MB" and "64 KB" are read as the smaller of their two meanings.
_SMALL = (Rung("720p", 1280, 720, 2_500_000), *LADDER[2:4], Rung("240p", 426, 240, 400_000))
_STILL_CITES = (Cite(("bounds", "canvas"), _WECHAT, "H"), _PACE)

WECHAT = (
    Profile(
        "wechat_mp4",
        VIDEO,
        Output.MP4,
        Text("公众号视频", "WeChat article video"),
        _WECHAT,
        _SMALL,
        max_frame_rate=Fraction(30),
        crf=24,
        audio_bitrate_bps=64_000,
        bounds=Bounds(size_bytes=10_000_000),
        is_budgeted=True,
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(Cite(("bounds",), _WECHAT, "H"), LOUDNESS_CITE, _PACE),
    ),
    Profile(
        "wechat_cover",
        PICTURES,
        Output.JPEG,
        Text("公众号封面", "WeChat cover"),
        _WECHAT,
        (Rung("cover", 900, 383),),
        canvas=(900, 383),
        bounds=Bounds(size_bytes=1_000_000),
        is_budgeted=True,
        extras=LABELLED,
        cited=_STILL_CITES,
    ),
    Profile(
        "wechat_cover_square",
        PICTURES,
        Output.JPEG,
        Text("公众号方形封面", "WeChat square cover"),
        _WECHAT,
        (Rung("cover", 900, 900),),
        canvas=(900, 900),
        bounds=Bounds(size_bytes=1_000_000),
        is_budgeted=True,
        extras=LABELLED,
        cited=(Cite(("bounds",), _WECHAT, "H"), Cite(("canvas",), HOUSE, "house"), _PACE),
    ),
    Profile(
        "wechat_still",
        STILL,
        Output.JPEG,
        Text("公众号正文图片", "WeChat article still"),
        _WECHAT,
        (Rung("full", 1920, 1920),),
        jpeg_quality=88,
        bounds=Bounds(size_bytes=1_000_000),
        is_budgeted=True,
        extras=LABELLED,
        cited=_STILL_CITES,
    ),
    Profile(
        "wechat_thumb",
        PICTURES,
        Output.JPEG,
        Text("公众号缩略图", "WeChat thumb"),
        _WECHAT,
        (Rung("thumb", 600, 600),),
        bounds=Bounds(size_bytes=64_000),
        is_budgeted=True,
        extras=LABELLED,
        cited=_STILL_CITES,
    ),
    Profile(
        "wechat_voice",
        AUDIO,
        Output.MP3,
        Text("公众号语音", "WeChat voice"),
        _WECHAT,
        bounds=Bounds(size_bytes=2_000_000, duration_s=60),
        loudness=WEB_LOUDNESS,
        extras=LABELLED,
        cited=(Cite(("bounds",), _WECHAT, "H"), LOUDNESS_CITE, _PACE),
    ),
)

SOCIAL = (
    Profile(
        "weibo_mp4",
        VIDEO,
        Output.MP4,
        Text("微博视频", "Weibo video"),
        _WEIBO,
        LADDER[:2],
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(LOUDNESS_CITE, _PACE),
    ),
    Profile(
        "weibo_still",
        STILL,
        Output.JPEG,
        Text("微博图片", "Weibo still"),
        _WEIBO,
        (Rung("full", 1920, 1920),),
        # The row's only figure for a picture is that of the cover: less than 5 MB.
        bounds=Bounds(size_bytes=4_999_999),
        is_budgeted=True,
        extras=LABELLED,
        cited=(Cite(("bounds",), _WEIBO, "M"), _PACE),
    ),
    Profile(
        "toutiao_mp4",
        VIDEO,
        Output.MP4,
        Text("头条视频", "Toutiao video"),
        _TOUTIAO,
        LADDER[:3],
        is_landscape=True,
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(Cite(("is_landscape",), _TOUTIAO, "L"), LOUDNESS_CITE, _PACE),
    ),
    Profile(
        "bilibili_mp4",
        VIDEO,
        Output.MP4,
        Text("哔哩哔哩视频", "Bilibili video"),
        _BILIBILI,
        LADDER[:3],
        is_landscape=True,
        bounds=Bounds(size_bytes=4_000_000_000, duration_s=5 * 3600 - 1),
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(Cite(("is_landscape", "bounds", "keyframe_interval_s"), _BILIBILI, "H"), LOUDNESS_CITE, _PACE),
    ),
    Profile(
        "bilibili_cover",
        PICTURES,
        Output.JPEG,
        Text("哔哩哔哩封面", "Bilibili cover"),
        _BILIBILI,
        (Rung("cover", 1280, 800),),
        canvas=(1280, 800),
        bounds=Bounds(size_bytes=5_000_000, min_long_px=960, min_short_px=600),
        is_budgeted=True,
        extras=LABELLED,
        cited=(Cite(("bounds",), _BILIBILI, "H"), Cite(("canvas",), HOUSE, "house"), _PACE),
    ),
)
