"""Kuaishou (快手) without its open API: a package that a person uploads."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.frame import Limit
from platforms.handoff import FilmHandoff
from platforms.handoff_rules import READ_ON, description_over, topics_over, unknown
from states.text import Text

_SDK = "快手，第三方代码 (Kuaishou, third-party code, PLATFORMS.md)"

DESCRIPTION = Limit("kuaishou.description_characters", 500, "characters", _SDK, "M", READ_ON)
TOPICS = Limit("kuaishou.topics", 4, "topics", _SDK, "M", READ_ON)


class KuaishouPlatform(FilmHandoff):
    """One 9:16 video with a 3:4 cover."""

    name = "kuaishou"
    label = Text(zh="快手（人工上传）", en="Kuaishou (uploaded by hand)")
    called = Text(zh="快手", en="Kuaishou")
    source = "PLATFORMS.md, row 'Kuaishou'"
    videos = ("kuaishou_mp4",)
    cover = "kuaishou_cover"
    file_names = MappingProxyType({"kuaishou_mp4": "video", "kuaishou_cover": "cover"})
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": (*videos, cover), "still": (cover,)}
    )
    rules = (description_over(DESCRIPTION), topics_over(TOPICS))
    limits = (
        DESCRIPTION,
        TOPICS,
        *unknown("kuaishou", "title_characters", "size_bytes", "duration_s", "cover_bytes"),
    )
    upload = ("[ ] 上传 video.mp4（9:16），封面用 cover.jpg（3:4）",)
