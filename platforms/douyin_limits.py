"""What Douyin accepts, each figure with its source, and the rules that follow for a story's text and video."""

import re
from datetime import date

from platforms.frame import Limit, Problem
from platforms.story import Story, StoryMedia, StoryRendition, legal_text
from platforms.vertical import DURATION, SIZE, TITLE, WIDTH
from states.text import Text

VIDEO_PROFILE = "douyin_mp4"
COVER_PROFILE = "douyin_cover"

_READ_ON = date(2026, 11, 22)
_UPLOAD = "抖音开放平台《上传视频》 (open.douyin.com, video-management/douyin/create/upload)"
_PARTS = "抖音开放平台接口描述《分片上传》，第三方转存 (Douyin's interface description, third-party copy)"
_PUBLISH = "抖音开放平台《抖音内容发布接入方案》 (open.douyin.com, douyin-publish-solution)"
_REFRESH = "抖音开放平台《刷新 access_token》 (developer.open-douyin.com, refresh-access-token)"
_UNKNOWN = "未知，未设限 (unknown, not set)"

# "MB" is read as the stricter of its two meanings, at least and at most alike.
PART_MIN = Limit("douyin.part_bytes_min", 5 * 1024 * 1024, "bytes", _UPLOAD, "H", _READ_ON)
PART_ADVISED = Limit("douyin.part_bytes_advised", 20 * 1024 * 1024, "bytes", _UPLOAD, "H", _READ_ON)
DIRECT_MAX = Limit("douyin.direct_bytes", 128_000_000, "bytes", _UPLOAD, "H", _READ_ON)
COVER_MAX = Limit("douyin.cover_bytes", 100_000_000, "bytes", _PUBLISH, "H", _READ_ON)
LIMITS = (
    TITLE,
    SIZE,
    DURATION,
    WIDTH,
    PART_MIN,
    PART_ADVISED,
    DIRECT_MAX,
    COVER_MAX,
    Limit("douyin.upload_id_s", 7200, "seconds", _PARTS, "M", _READ_ON),
    Limit("douyin.access_token_days", 15, "days", _REFRESH, "H", _READ_ON),
    Limit("douyin.refresh_token_days", 30, "days", _REFRESH, "H", _READ_ON),
    Limit("douyin.text_characters", None, "characters", _UNKNOWN, None, _READ_ON),
    Limit("douyin.posts_a_day", None, "posts", _UNKNOWN, None, _READ_ON),
    Limit("douyin.list_delay_s", None, "seconds", _UNKNOWN, None, _READ_ON),
)

_SPACE_OR_HASH = re.compile(r"[\s#＃@]+")
# No field of the documents read declares AI content, so the text says it.
_AI_LINES = {"generated": "（本视频由人工智能生成）", "assisted": "（本视频含人工智能辅助生成内容）"}


def video_of(story: Story) -> StoryMedia | None:
    """The story's first video, which is the one that goes out; None without one."""
    return next((media for media in story.media if media.kind == "video"), None)


def text_of(story: Story) -> str:
    """The text of the post: title, what has to be declared, then the topics."""
    topics = (_SPACE_OR_HASH.sub("", tag) for tag in story.tags)
    parts = [
        story.title.strip() + _AI_LINES.get(story.ai_label, ""),
        *(f"#{topic}" for topic in topics if topic),
    ]
    return legal_text(" ".join(" ".join(parts).split()))


def problems_of(story: Story) -> tuple[Problem, ...]:
    """Why Douyin would turn the story away: texts, and the video and cover once they are made."""
    video = video_of(story)
    if video is None:
        return (Problem("douyin.video_missing", _NO_VIDEO, None, _UPLOAD),)
    found = [] if story.title.strip() else [Problem("douyin.title_missing", _NO_TITLE, None, _UPLOAD)]
    over = _over("douyin.title_too_long", "标题字数", "title characters", len(story.title.strip()), TITLE)
    made, cover = _made(video, VIDEO_PROFILE), _made(video, COVER_PROFILE)
    measured = [over, *(_video_problems(made) if made else ())]
    if cover:
        size = cover.primary.size_bytes
        measured.append(_over("douyin.cover_too_large", "封面字节数", "cover bytes", size, COVER_MAX))
    return (*found, *(problem for problem in measured if problem is not None))


def _made(video: StoryMedia, profile: str) -> StoryRendition | None:
    rendition = video.renditions.get(profile)
    return rendition if rendition is not None and rendition.files else None


def _video_problems(made: StoryRendition) -> tuple[Problem | None, ...]:
    width, height = made.width or 0, made.height or 0
    narrow = width and (WIDTH.value or 0) > width
    return (
        _over("douyin.file_too_large", "视频字节数", "video bytes", made.primary.size_bytes, SIZE),
        _over("douyin.video_too_long", "视频秒数", "video seconds", made.duration_s or 0, DURATION),
        Problem("douyin.video_too_narrow", _narrow(width), WIDTH.value, WIDTH.cited) if narrow else None,
        Problem("douyin.video_not_portrait", _NOT_PORTRAIT, None, _UPLOAD) if width > height > 0 else None,
    )


def _over(code: str, zh: str, en: str, measured: float, limit: Limit) -> Problem | None:
    if limit.value is None or measured <= limit.value:
        return None
    text = Text(
        zh=f"抖音：{zh} {measured:.12g}，上限 {limit.value}（{limit.cited}）。请减到上限以内。",
        en=f"Douyin: {en} {measured:.12g}, at most {limit.value} ({limit.cited}). Bring it within.",
    )
    return Problem(code, text, limit.value, limit.cited)


def _narrow(width: int) -> Text:
    return Text(
        zh=f"抖音：视频宽度 {width}，下限 {WIDTH.value}（{WIDTH.cited}）。请重新转码。",
        en=f"Douyin: video width {width}, at least {WIDTH.value} ({WIDTH.cited}). Render it again.",
    )


_NO_VIDEO = Text(
    zh="抖音稿件需要至少一段视频。请补充视频，或取消该平台。",
    en="A story for Douyin needs a video. Add one, or leave the platform out.",
)
_NO_TITLE = Text(
    zh="抖音稿件没有标题。请先写标题。", en="The story has no title for Douyin. Write one first."
)
_NOT_PORTRAIT = Text(
    zh="抖音：视频是横屏，该平台要竖屏。请重新转码。",
    en="Douyin: the video is landscape, and this platform takes portrait. Render it again.",
)
