"""WeChat Channels (视频号): it has no public API to publish with, so a person uploads a package."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.frame import Limit
from platforms.handoff import FilmHandoff
from platforms.handoff_rules import READ_ON, description_over, unknown
from platforms.handoff_texts import Parts
from platforms.story import Story
from states.text import Text

_SDK = "视频号，第三方代码 (WeChat Channels, third-party code, PLATFORMS.md)"

SHORT_TITLE_MIN = Limit("channels.short_title_min", 6, "characters", _SDK, "M", READ_ON)
SHORT_TITLE_MAX = Limit("channels.short_title_max", 16, "characters", _SDK, "M", READ_ON)
DESCRIPTION = Limit("channels.description_characters", 1000, "characters", _SDK, "M", READ_ON)


class ChannelsPlatform(FilmHandoff):
    """One video in both of its shapes, 9:16 and 6:7, of which the person takes one, with a 6:7 cover."""

    name = "channels"
    label = Text(zh="视频号（人工上传）", en="WeChat Channels (uploaded by hand)")
    called = Text(zh="视频号", en="WeChat Channels")
    source = "PLATFORMS.md, row 'WeChat Channels'"
    videos = ("channels_mp4", "channels_mp4_1260")
    cover = "channels_cover"
    file_names = MappingProxyType(
        {"channels_mp4": "video", "channels_mp4_1260": "video_6x7", "channels_cover": "cover"}
    )
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": (*videos, cover), "still": (cover,)}
    )
    rules = (description_over(DESCRIPTION),)
    limits = (
        SHORT_TITLE_MIN,
        SHORT_TITLE_MAX,
        DESCRIPTION,
        *unknown("channels", "topics", "size_bytes", "duration_s", "cover_bytes"),
    )
    upload = ("[ ] 上传 video.mp4（9:16）或 video_6x7.mp4（6:7）其中一个，封面用 cover.jpg（6:7）",)

    def lines(self, story: Story, parts: Parts) -> tuple[str, ...]:
        """The usual lines, and who writes the short title where the title will not do for it."""
        return (*super().lines(story, parts), _short_title(story.title.strip()))


def _short_title(title: str) -> str:
    low, high = SHORT_TITLE_MIN.value or 0, SHORT_TITLE_MAX.value or 0
    wanted = f"[ ] 短标题须 {low} 至 {high} 字："
    if low <= len(title) <= high:
        return f"{wanted}可用稿件标题（{len(title)} 字）"
    return f"{wanted}稿件标题 {len(title)} 字，不能直接用，由责任编辑拟定"
