"""Xuexi Qiangguo (学习强国): stories go in by hand, and none of its limits is known."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.handoff import ArticleHandoff
from platforms.handoff_rules import unknown
from states.text import Text


class XuexiPlatform(ArticleHandoff):
    """Body, stills, sounds, and videos with their posters, in the forms of our own app."""

    name = "xuexi"
    label = Text(zh="学习强国（人工上传）", en="Xuexi Qiangguo (uploaded by hand)")
    called = Text(zh="学习强国", en="Xuexi Qiangguo")
    source = "house value, 2026-11: PLATFORMS.md has no row for Xuexi Qiangguo"
    file_names = MappingProxyType(
        {"app_mp4": "video", "poster": "cover", "app_still": "still", "app_audio": "audio"}
    )
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": ("app_mp4", "poster"), "audio": ("app_audio",), "still": ("app_still",)}
    )
    limits = unknown(
        "xuexi",
        "title_characters",
        "description_characters",
        "body_characters",
        "topics",
        "stills",
        "size_bytes",
        "duration_s",
    )
