"""Toutiao (头条): an article with its stills and lying videos, which a person uploads."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.frame import Limit
from platforms.handoff import ArticleHandoff
from platforms.handoff_rules import READ_ON, title_over, title_under, unknown
from states.text import Text

_WEAK = "头条，来源不足 (Toutiao, a weak source, PLATFORMS.md)"

TITLE_MIN = Limit("toutiao.title_characters_min", 2, "characters", _WEAK, "L", READ_ON)
TITLE_MAX = Limit("toutiao.title_characters", 30, "characters", _WEAK, "L", READ_ON)


class ToutiaoPlatform(ArticleHandoff):
    """Body, stills, and 16:9 videos with their posters."""

    name = "toutiao"
    label = Text(zh="头条（人工上传）", en="Toutiao (uploaded by hand)")
    called = Text(zh="头条", en="Toutiao")
    source = "PLATFORMS.md, row 'Toutiao'"
    file_names = MappingProxyType({"toutiao_mp4": "video", "poster": "cover", "app_still": "still"})
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": ("toutiao_mp4", "poster"), "still": ("app_still",)}
    )
    rules = (title_under(TITLE_MIN), title_over(TITLE_MAX))
    limits = (
        TITLE_MIN,
        TITLE_MAX,
        *unknown(
            "toutiao",
            "description_characters",
            "body_characters",
            "topics",
            "stills",
            "size_bytes",
            "duration_s",
        ),
    )
    advice = (
        "[ ] 有正文的发“文章”，图片按编号插入；只有视频的发“视频”",
        "[ ] 作品声明一栏：按本稿实际情况填写，含人工智能内容的必须声明",
    )
