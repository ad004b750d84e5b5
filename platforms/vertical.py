"""A vertical video platform (抖音, 快手, 视频号) without an API: a package that a person uploads.

Limits are PLATFORMS.md's, read 2026-11-22. One package serves all three, so the strictest of them counts.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from platforms.channels import DESCRIPTION as CHANNELS_DESCRIPTION
from platforms.channels import SHORT_TITLE_MAX, SHORT_TITLE_MIN
from platforms.frame import Limit, Platform
from platforms.handoff import FilmHandoff
from platforms.handoff_rules import (
    READ_ON,
    description_over,
    duration_over,
    size_over,
    title_over,
    topics_over,
    unknown,
    width_under,
)
from platforms.handoff_texts import Part
from platforms.kuaishou import DESCRIPTION, TOPICS
from platforms.story import SUBTITLES, Story
from states.text import Text

_DOUYIN = "抖音官方文档 (Douyin's own document, PLATFORMS.md)"
_DOUYIN_SDK = "抖音，第三方代码 (Douyin, third-party code, PLATFORMS.md)"

TITLE = Limit("douyin.title_characters", 30, "characters", _DOUYIN_SDK, "M", READ_ON)
# "4 GB" is read as the smaller of its two meanings.
SIZE = Limit("douyin.size_bytes", 4_000_000_000, "bytes", _DOUYIN, "H", READ_ON)
DURATION = Limit("douyin.duration_s", 900, "seconds", _DOUYIN, "H", READ_ON)
WIDTH = Limit("douyin.width_min", 720, "pixels", _DOUYIN, "H", READ_ON)


class VerticalPlatform(FilmHandoff):
    """Hand-off of one vertical video with cover, texts and checklist; the person confirms with the link."""

    name = "vertical"
    label = Text(zh="竖屏短视频（人工上传）", en="Vertical video (uploaded by hand)")
    called = Text(zh="竖屏短视频", en="Vertical video")
    source = "vertical video platform"
    videos = ("vertical_mp4",)
    cover = "vertical_cover"
    file_names = MappingProxyType({"vertical_mp4": "video", "vertical_cover": "cover"})
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": ("vertical_mp4", "vertical_cover")}
    )
    rules = (
        title_over(TITLE),
        description_over(DESCRIPTION),
        topics_over(TOPICS),
        size_over(SIZE, "vertical_mp4"),
        duration_over(DURATION, "vertical_mp4"),
        width_under(WIDTH, "vertical_mp4"),
    )
    limits = (
        *(rule.limit for rule in rules),
        SHORT_TITLE_MIN,
        SHORT_TITLE_MAX,
        CHANNELS_DESCRIPTION,
        *unknown("channels", "size_bytes", "duration_s"),
        *unknown("kuaishou", "size_bytes", "duration_s"),
    )
    upload = ("[ ] 上传 video.mp4，封面用 cover.jpg（3:4）；画面中不得另加台标",)
    advice = (
        f"[ ] 视频号另需 {SHORT_TITLE_MIN.value} 至 {SHORT_TITLE_MAX.value} 字短标题，由责任编辑拟定",
        "[ ] 视频号的文件大小与时长、快手的文件大小与时长上限未知：上传被拒时请记下平台提示",
    )
    # A corrected story is one more package like the first.
    correct = Platform.correct

    def parts(self, story: Story) -> dict[str, Part]:
        # No side files: one package for three platforms, of which none is known to take them.
        return {name: part for name, part in super().parts(story).items() if part.file.role != SUBTITLES}

    def no_title(self) -> Text:
        return Text(
            zh="竖屏短视频没有标题。请先写标题。", en="The vertical video has no title. Write one first."
        )

    def no_video(self) -> Text:
        return Text(
            zh="竖屏短视频平台需要至少一段视频。请补充视频，或取消该平台。",
            en="A vertical video platform needs a video. Add one, or leave the platform out.",
        )

    def _unknown_lines(self) -> tuple[str, ...]:
        return ()  # said above, by platform
