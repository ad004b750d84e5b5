"""The renditions for review, and for the newsroom's own app and feeds."""

from fractions import Fraction

from media.profiles_form import (
    AUDIO,
    DRESSED,
    LABELLED,
    STILL,
    VIDEO,
    Cite,
    Loudness,
    Output,
    Profile,
    Rung,
)
from states.text import Text

HOUSE = "house value, 2026-11"
_APP = "PLATFORMS.md, row 'News app (own)', read 2026-11-22"
_PACE = ("max_frame_rate", "crf", "audio_bitrate_bps")
# Phones play at -16 without being turned up; AES TD1008 (2021) advises -20 to -16 LUFS for streams.
WEB_LOUDNESS = Loudness(target_lufs=-16, max_peak_dbtp=-1)
LOUDNESS_CITE = Cite(("loudness",), "house value in the range of AES TD1008 (2021)", "house")
SOUND_CITE = Cite(("crf", "audio_bitrate_bps"), HOUSE, "house")
LADDER = (
    Rung("1080p", 1920, 1080, 6_000_000),
    Rung("720p", 1280, 720, 3_000_000),
    Rung("540p", 960, 540, 2_000_000),
    Rung("360p", 640, 360, 730_000),
    Rung("234p", 416, 234, 145_000),
)
_APP_CITE = Cite(("rungs", "keyframe_interval_s", "segment_s"), _APP, "H")

APP = (
    Profile(
        "preview",
        VIDEO,
        Output.MP4,
        Text("审稿预览", "Preview for review"),
        HOUSE,
        (Rung("360p", 640, 360, 700_000),),
        max_frame_rate=Fraction(30),
        crf=27,
        audio_bitrate_bps=64_000,
        cited=(Cite(("rungs", *_PACE), HOUSE, "house"),),
    ),
    Profile(
        "poster",
        VIDEO,
        Output.JPEG,
        Text("封面图", "Poster"),
        HOUSE,
        (Rung("poster", 1280, 1280),),
        extras=LABELLED,
        cited=(Cite(("rungs",), HOUSE, "house"),),
    ),
    Profile(
        "thumbnail",
        STILL,
        Output.JPEG,
        Text("缩略图", "Thumbnail"),
        HOUSE,
        (Rung("small", 640, 640),),
        cited=(Cite(("rungs",), HOUSE, "house"),),
    ),
    Profile(
        "app_hls",
        VIDEO,
        Output.HLS,
        Text("客户端流媒体", "App stream"),
        _APP,
        LADDER,
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(_APP_CITE, LOUDNESS_CITE, SOUND_CITE),
    ),
    Profile(
        "app_mp4",
        VIDEO,
        Output.MP4,
        Text("客户端视频", "App video"),
        _APP,
        LADDER[:3],
        loudness=WEB_LOUDNESS,
        extras=DRESSED,
        cited=(_APP_CITE, LOUDNESS_CITE, SOUND_CITE),
    ),
    Profile(
        "app_still",
        STILL,
        Output.JPEG,
        Text("客户端图片", "App still"),
        _APP,
        (Rung("full", 1920, 1920),),
        extras=LABELLED,
        cited=(Cite(("rungs", "jpeg_quality"), HOUSE, "house"),),
    ),
    Profile(
        "app_audio",
        (*AUDIO, *VIDEO),
        Output.M4A,
        Text("客户端音频", "App audio"),
        _APP,
        loudness=WEB_LOUDNESS,
        extras=LABELLED,
        cited=(LOUDNESS_CITE, SOUND_CITE),
    ),
)
