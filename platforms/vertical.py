"""A vertical video platform (抖音, 快手, 视频号) without an API: a package that a person uploads.

Limits are PLATFORMS.md's, read 2026-11-22. One package serves all three, so the strictest of them counts.
"""

import json
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import ClassVar

from platforms.frame import (
    DestinationConfig,
    HandedOff,
    Limit,
    Outcome,
    Platform,
    Problem,
    Refused,
    Tools,
    missing_renditions,
    refuse_missing,
)
from platforms.story import Story, StoryFile, StoryMedia, legal_text
from states.text import Text

_READ_ON = date(2026, 11, 22)
_DOUYIN = "抖音官方文档 (Douyin's own document, PLATFORMS.md)"
_DOUYIN_SDK = "抖音，第三方代码 (Douyin, third-party code, PLATFORMS.md)"
_KUAISHOU_SDK = "快手，第三方代码 (Kuaishou, third-party code, PLATFORMS.md)"
_CHANNELS_SDK = "视频号，第三方代码 (WeChat Channels, third-party code, PLATFORMS.md)"
_UNKNOWN = "未知，未设限 (unknown, not set, PLATFORMS.md)"

TITLE = Limit("douyin.title_characters", 30, "characters", _DOUYIN_SDK, "M", _READ_ON)
DESCRIPTION = Limit("kuaishou.description_characters", 500, "characters", _KUAISHOU_SDK, "M", _READ_ON)
TOPICS = Limit("kuaishou.topics", 4, "topics", _KUAISHOU_SDK, "M", _READ_ON)
# "4 GB" is read as the smaller of its two meanings.
SIZE = Limit("douyin.size_bytes", 4_000_000_000, "bytes", _DOUYIN, "H", _READ_ON)
DURATION = Limit("douyin.duration_s", 900, "seconds", _DOUYIN, "H", _READ_ON)
WIDTH = Limit("douyin.width_min", 720, "pixels", _DOUYIN, "H", _READ_ON)
SHORT_TITLE_MIN = Limit("channels.short_title_min", 6, "characters", _CHANNELS_SDK, "M", _READ_ON)
SHORT_TITLE_MAX = Limit("channels.short_title_max", 16, "characters", _CHANNELS_SDK, "M", _READ_ON)
CHANNELS_DESCRIPTION = Limit(
    "channels.description_characters", 1000, "characters", _CHANNELS_SDK, "M", _READ_ON
)
_UNSET = tuple(
    Limit(name, None, unit, _UNKNOWN, None, _READ_ON)
    for name, unit in (
        ("channels.size_bytes", "bytes"),
        ("channels.duration_s", "seconds"),
        ("kuaishou.size_bytes", "bytes"),
        ("kuaishou.duration_s", "seconds"),
    )
)

_AI_LINES = {
    "generated": "[ ] 本稿为人工智能生成内容：上传时勾选平台的“AI 生成”声明",
    "assisted": "[ ] 本稿含人工智能辅助生成内容：上传时勾选平台的“AI 生成”声明",
}


class VerticalPlatform(Platform):
    """Hand-off of one vertical video with cover, texts and checklist; the person confirms with the link."""

    name = "vertical"
    label = Text(zh="竖屏短视频（人工上传）", en="Vertical video (uploaded by hand)")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": ("vertical_mp4", "vertical_cover")}
    )
    is_idempotent = True  # the same package is written again under the same keys
    limits = (
        TITLE,
        DESCRIPTION,
        TOPICS,
        SIZE,
        DURATION,
        WIDTH,
        SHORT_TITLE_MIN,
        SHORT_TITLE_MAX,
        CHANNELS_DESCRIPTION,
        *_UNSET,
    )

    def check(self, story: Story) -> tuple[Problem, ...]:
        """Text rules, and the limits of the video once it is made. Characters are Unicode code points."""
        video = _video(story)
        if video is None:
            return (Problem("vertical.video_missing", _NO_VIDEO, None, "vertical video platform"),)
        found = (
            _no_title(story),
            _over("vertical.title_too_long", "标题字数", "title characters", len(story.title), TITLE),
            _over(
                "vertical.description_too_long",
                "简介字数",
                "description characters",
                len(describe(story)),
                DESCRIPTION,
            ),
            _over("vertical.topics_too_many", "话题数", "topics", len(story.tags), TOPICS),
            *_measured(video),
        )
        return tuple(problem for problem in found if problem is not None)

    async def publish(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,
        tools: Tools,
    ) -> Outcome:
        """Write the package under `handoffs/<delivery id>/`: HandedOff with its private keys by file name."""
        video = _video(story)
        if video is None:
            return Refused(_NO_VIDEO)
        missing = _missing(self, story, video)
        if missing:
            return refuse_missing(missing)
        copies = _copies(video)
        texts = {"texts.txt": _texts(story), "checklist.txt": _checklist(story, destination, list(copies))}
        files = {name: f"handoffs/{delivery_id}/{name}" for name in (*copies, *texts, "manifest.json")}
        for name, file in copies.items():
            await tools.copy_private(file.object_key, files[name])
        for name, text in texts.items():
            await tools.put_private(files[name], text.encode(), "text/plain; charset=utf-8")
        # Last: a package with a manifest is whole.
        manifest = _manifest(story, delivery_id, copies)
        await tools.put_private(files["manifest.json"], manifest.encode(), "application/json")
        return HandedOff(url=None, files=MappingProxyType(files))

    async def retract(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Write what a person has to do there: HandedOff, for the platform cannot be asked to do it."""
        key = f"handoffs/{delivery_id}/retract.txt"
        text = _retract_list(story, destination)
        await tools.put_private(key, text.encode(), "text/plain; charset=utf-8")
        return HandedOff(url=None, files=MappingProxyType({"retract.txt": key}))


def describe(story: Story) -> str:
    """The platform's description: the digest, else the first paragraph, never cut without a word."""
    return story.digest.strip() or (story.paragraphs[0] if story.paragraphs else "")


def _video(story: Story) -> StoryMedia | None:
    return next((media for media in story.media if media.kind == "video"), None)


def _missing(platform: Platform, story: Story, video: StoryMedia) -> tuple[tuple[str, str], ...]:
    # Only the first video goes out, so a second one that is still rendering holds nothing up.
    return tuple(pair for pair in missing_renditions(platform, story) if pair[0] == video.asset_sha256)


def _no_title(story: Story) -> Problem | None:
    if story.title.strip():
        return None
    text = Text(zh="竖屏短视频没有标题。请先写标题。", en="The vertical video has no title. Write one first.")
    return Problem("vertical.title_missing", text, None, "vertical video platform")


def _measured(video: StoryMedia) -> tuple[Problem | None, ...]:
    made = video.renditions.get("vertical_mp4")
    if made is None or not made.files:
        return ()
    return (
        _over("vertical.file_too_large", "视频字节数", "video bytes", made.primary.size_bytes, SIZE),
        _over("vertical.video_too_long", "视频秒数", "video seconds", made.duration_s or 0, DURATION),
        _under("vertical.video_too_narrow", "视频宽度", "video width", made.width, WIDTH),
    )


def _over(code: str, zh: str, en: str, measured: float, limit: Limit) -> Problem | None:
    if limit.value is None or measured <= limit.value:
        return None
    text = Text(
        zh=f"竖屏短视频：{zh} {measured:g}，上限 {limit.value}（{limit.cited}）。请减到上限以内。",
        en=f"Vertical video: {en} {measured:g}, at most {limit.value} ({limit.cited}). Bring it within.",
    )
    return Problem(code, text, limit.value, limit.cited)


def _under(code: str, zh: str, en: str, measured: int | None, limit: Limit) -> Problem | None:
    if limit.value is None or measured is None or measured >= limit.value:
        return None
    text = Text(
        zh=f"竖屏短视频：{zh} {measured}，下限 {limit.value}（{limit.cited}）。请重新转码。",
        en=f"Vertical video: {en} {measured}, at least {limit.value} ({limit.cited}). Render it again.",
    )
    return Problem(code, text, limit.value, limit.cited)


def _copies(video: StoryMedia) -> dict[str, StoryFile]:
    return {
        "video.mp4": video.renditions["vertical_mp4"].primary,
        "cover.jpg": video.renditions["vertical_cover"].primary,
    }


def _texts(story: Story) -> str:
    topics = " ".join(f"#{tag}" for tag in story.tags) or "（无）"
    return legal_text(f"标题\n{story.title}\n\n简介\n{describe(story)}\n\n话题\n{topics}\n")


def _checklist(story: Story, destination: DestinationConfig, names: list[str]) -> str:
    lines = [
        f"发布清单：{destination.name}",
        f"稿件：{story.title}（第 {story.version} 版）",
        "",
        f"[ ] 核对文件：{'、'.join(names)} 与 manifest.json 中的 sha256 一致",
        "[ ] 上传 video.mp4，封面用 cover.jpg（3:4）；画面中不得另加台标",
        "[ ] 标题、简介、话题从 texts.txt 复制，不改动（改动须重新三审）",
        f"[ ] 视频号另需 {SHORT_TITLE_MIN.value} 至 {SHORT_TITLE_MAX.value} 字短标题，由责任编辑拟定",
        "[ ] 视频号的文件大小与时长、快手的文件大小与时长上限未知：上传被拒时请记下平台提示",
        *([_AI_LINES[story.ai_label]] if story.ai_label in _AI_LINES else []),
        *([f"[ ] 更正说明须随稿发布：{story.note}"] if story.note else []),
        *(["[ ] 本稿有多段视频，此包为第一段"] if _video_count(story) > 1 else []),
        "[ ] 发布后打开作品确认能播放，把链接填回本系统并点“确认”",
    ]
    return legal_text("\n".join(lines)) + "\n"


def _video_count(story: Story) -> int:
    return sum(media.kind == "video" for media in story.media)


def _manifest(story: Story, delivery_id: str, copies: Mapping[str, StoryFile]) -> str:
    # Nothing here depends on the hour: written twice, it is the same file.
    value = {
        "delivery_id": delivery_id,
        "story_id": story.id,
        "version": story.version,
        "revision_sha256": story.revision_sha256,
        "title": story.title,
        "description": describe(story),
        "tags": list(story.tags),
        "ai_label": story.ai_label,
        "files": [
            {
                "name": name,
                "sha256": file.sha256,
                "size_bytes": file.size_bytes,
                "media_type": file.media_type,
            }
            for name, file in copies.items()
        ],
    }
    return legal_text(json.dumps(value, ensure_ascii=False, indent=2)) + "\n"


def _retract_list(story: Story, destination: DestinationConfig) -> str:
    lines = [
        f"撤稿清单：{destination.name}",
        f"稿件：{story.title}（第 {story.version} 版）",
        f"原因：{story.note or '（未填写）'}",
        "",
        "[ ] 如尚未上传：不再上传，删除已下载的文件",
        "[ ] 如已上传：在平台上删除作品，或设为不可见",
        "[ ] 打开原链接，确认读者已看不到",
        "[ ] 在本系统点“确认撤稿”",
    ]
    return legal_text("\n".join(lines)) + "\n"


_NO_VIDEO = Text(
    zh="竖屏短视频平台需要至少一段视频。请补充视频，或取消该平台。",
    en="A vertical video platform needs a video. Add one, or leave the platform out.",
)
