"""Any platform without an API: everything of a story in the forms of our own app, for a person to upload."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.handoff import ArticleHandoff
from platforms.handoff_rules import unknown
from states.text import Text

UNKNOWN = (
    "title_characters",
    "description_characters",
    "body_characters",
    "topics",
    "stills",
    "size_bytes",
    "duration_s",
)


class ByHandPlatform(ArticleHandoff):
    """Body, stills, sounds, and videos with their posters; the destination's name says which platform it is."""

    name = "by_hand"
    label = Text(zh="其他平台（人工上传）", en="Another platform (uploaded by hand)")
    called = Text(zh="人工上传", en="Upload by hand")
    source = "house value, 2026-11: the platform is not known"
    file_names = MappingProxyType(
        {"app_mp4": "video", "poster": "cover", "app_still": "still", "app_audio": "audio"}
    )
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": ("app_mp4", "poster"), "audio": ("app_audio",), "still": ("app_still",)}
    )
    limits = unknown("by_hand", *UNKNOWN)
