"""Bilibili (哔哩哔哩) by hand: one lying video with a cover, and its many known limits."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.frame import Limit
from platforms.handoff import FilmHandoff
from platforms.handoff_rules import (
    READ_ON,
    bit_rate_over,
    cover_height_under,
    cover_over,
    cover_width_under,
    description_over,
    duration_over,
    frame_rate_over,
    side_over,
    size_over,
    title_over,
    topics_over,
)
from states.text import Text

# PLATFORMS.md gives the whole row "H−", which is not a certainty of its own here.
_ROW = "哔哩哔哩投稿说明，确定性略低于官方文档 (Bilibili's own document, H−, PLATFORMS.md)"


def _limit(name: str, value: int, unit: str) -> Limit:
    return Limit(f"bilibili.{name}", value, unit, _ROW, "H", READ_ON)


TITLE = _limit("title_characters", 80, "characters")
DESCRIPTION = _limit("description_characters", 2000, "characters")
TAGS = _limit("tags", 10, "tags")
# "4 GB" and "5 MB" are read as the smaller of their two meanings; "less than 5 h" ends a second before it.
SIZE = _limit("size_bytes", 4_000_000_000, "bytes")
DURATION = _limit("duration_s", 5 * 3600 - 1, "seconds")
BIT_RATE = _limit("bit_rate_bps", 60_000_000, "bits a second")
SIDE = _limit("side_max", 4096, "pixels")
FRAME_RATE = _limit("frame_rate", 120, "frames a second")
COVER_SIZE = _limit("cover_bytes", 5_000_000, "bytes")
COVER_WIDTH = _limit("cover_width_min", 960, "pixels")
COVER_HEIGHT = _limit("cover_height_min", 600, "pixels")

_VIDEO, _COVER = "bilibili_mp4", "bilibili_cover"


class BilibiliPlatform(FilmHandoff):
    """One 16:9 video with a cover of at least 960x600."""

    name = "bilibili"
    label = Text(zh="哔哩哔哩（人工上传）", en="Bilibili (uploaded by hand)")
    called = Text(zh="哔哩哔哩", en="Bilibili")
    source = "PLATFORMS.md, row 'Bilibili'"
    videos = (_VIDEO,)
    cover = _COVER
    file_names = MappingProxyType({_VIDEO: "video", _COVER: "cover"})
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": (_VIDEO, _COVER), "still": (_COVER,)}
    )
    rules = (
        title_over(TITLE),
        description_over(DESCRIPTION),
        topics_over(TAGS),
        size_over(SIZE, _VIDEO),
        duration_over(DURATION, _VIDEO),
        bit_rate_over(BIT_RATE, _VIDEO),
        side_over(SIDE, _VIDEO),
        frame_rate_over(FRAME_RATE, _VIDEO),
        cover_over(COVER_SIZE, _COVER),
        cover_width_under(COVER_WIDTH, _COVER),
        cover_height_under(COVER_HEIGHT, _COVER),
    )
    # The last three are held by the rendition profile: a keyframe every 2 s, AAC of two channels at 48 kHz.
    limits = (
        *(rule.limit for rule in rules),
        _limit("keyframe_interval_s", 10, "seconds"),
        _limit("audio_bit_rate_bps", 320_000, "bits a second"),
        _limit("audio_channels", 2, "channels"),
    )
    upload = (
        f"[ ] 上传 video.mp4（16:9），封面用 cover.jpg（不小于 {COVER_WIDTH.value}×{COVER_HEIGHT.value}）",
    )
    advice = ("[ ] 分区与“自制/转载”由责任编辑选定",)
