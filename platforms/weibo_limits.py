"""What Weibo accepts, each figure with its source, and the rules that follow for a story's text and pictures."""

import re
from datetime import date

from platforms.frame import Limit, Problem
from platforms.story import Story, StoryFile, StoryMedia, legal_text
from states.text import Text

STILL_PROFILE = "weibo_still"
COVER_PROFILE = "poster"

_READ_ON = date(2026, 11, 22)
_SHARE = "微博开放平台 2/statuses/share (open.weibo.com/wiki)"
_SEVERAL = "微博商业接口 C/2/statuses/upload_url_text/biz (open.weibo.com/wiki)"
_ERRORS = "微博开放平台 Error_code 20032 (open.weibo.com/wiki)"
_TABLE = "微博，第三方代码 (Weibo, third-party code, PLATFORMS.md)"
_COUNTER = "微博网页计数，第三方代码 (Weibo's counter, third-party code): 其余每 2 个算 1 字"

TEXT = Limit("weibo.text_characters", 140, "characters", f"{_SHARE}; {_COUNTER}", "H", _READ_ON)
PICTURE_BYTES = Limit("weibo.picture_bytes", 4_999_999, "bytes", _SHARE, "H", _READ_ON)
PICTURES_SHARED = Limit("weibo.pictures_shared", 1, "pictures", _SHARE, "H", _READ_ON)
PICTURES = Limit("weibo.pictures", 9, "pictures", _SEVERAL, "H", _READ_ON)
LIST_DELAY = Limit("weibo.list_delay_s", 120, "seconds", _ERRORS, "H", _READ_ON)
LIMITS = (
    TEXT,
    PICTURE_BYTES,
    PICTURES_SHARED,
    PICTURES,
    LIST_DELAY,
    # Not of the calls made here: long texts need a right that the account may lack, eighteen pictures and videos
    # are for posts made by hand.
    Limit("weibo.long_text_characters", 2000, "characters", _SEVERAL, "H", _READ_ON),
    Limit("weibo.pictures_by_hand", 18, "pictures", _TABLE, "M", _READ_ON),
    Limit("weibo.video_title_characters", 30, "characters", _TABLE, "M", _READ_ON),
    Limit("weibo.video_cover_bytes", 4_999_999, "bytes", _TABLE, "M", _READ_ON),
    Limit("weibo.posts_a_day", None, "posts", "未知，未设限 (unknown, not set)", None, _READ_ON),
)

# Kept free at review for the link, whose length is known only when it is sent: 90 ASCII characters.
LINK_CHARACTERS = 45
_TOPIC = re.compile(r"[#＃][^#＃\n]+[#＃]")
# No field of the documents read declares AI content, so the text says it.
_AI_LINES = {"generated": "（本内容由人工智能生成）", "assisted": "（本内容含人工智能辅助生成）"}


def characters(text: str) -> int:
    """The length as Weibo counts it: what is outside of Latin-1 is one, two others are one."""
    halves = sum((2 if ord(each) > 0xFF else 1) * (2 if ord(each) > 0xFFFF else 1) for each in text)
    return (halves + 1) // 2


def text_of(story: Story, link: str) -> str | None:
    """The post: title, what has to be declared, the digest where it fits as a whole, the link. None: too long."""
    for text in (f"{_head(story)}{_line(story.digest)} {link}", f"{_head(story)} {link}"):
        if characters(text) <= (TEXT.value or 0):
            return text
    return None


def pictures_of(story: Story) -> tuple[StoryFile, ...]:
    """The stills in their order; without any, the first video's poster. Only what is made."""
    stills = _files(story, "still", STILL_PROFILE)
    return stills or _files(story, "video", COVER_PROFILE)[:1]


def missing_of(story: Story) -> tuple[tuple[str, str], ...]:
    """The (asset hash, profile) pairs of the pictures that are wanted and not made yet."""
    stills = [media for media in story.media if media.kind == "still"][: PICTURES.value]
    if stills:
        return tuple(
            (media.asset_sha256, STILL_PROFILE) for media in stills if not _has(media, STILL_PROFILE)
        )
    videos = [media for media in story.media if media.kind == "video"][:1]
    return tuple((media.asset_sha256, COVER_PROFILE) for media in videos if not _has(media, COVER_PROFILE))


def problems_of(story: Story) -> tuple[Problem, ...]:
    """Why Weibo would turn the story away: its text, and its pictures once they are made."""
    found = [] if story.title.strip() else [Problem("weibo.title_missing", _NO_TITLE, None, _SHARE)]
    if any(_TOPIC.search(text) for text in (story.title, story.digest)):
        found.append(Problem("weibo.topic_in_text", _NO_TOPICS, None, _SHARE))
    measured = [_over("weibo.text_too_long", "标题加链接字数", "title and link", _least(story), TEXT)]
    largest = max((file.size_bytes for file in pictures_of(story)), default=0)
    measured.append(_over("weibo.picture_too_large", "图片字节数", "picture bytes", largest, PICTURE_BYTES))
    return (*found, *(problem for problem in measured if problem is not None))


def _head(story: Story) -> str:
    return f"【{_line(story.title)}】{_AI_LINES.get(story.ai_label, '')}"


def _least(story: Story) -> int:
    return characters(f"{_head(story)} ") + LINK_CHARACTERS


def _line(text: str) -> str:
    return " ".join(legal_text(text).split())


def _files(story: Story, kind: str, profile: str) -> tuple[StoryFile, ...]:
    media = (item for item in story.media if item.kind == kind and _has(item, profile))
    return tuple(item.renditions[profile].primary for item in media)


def _has(media: StoryMedia, profile: str) -> bool:
    return profile in media.renditions and bool(media.renditions[profile].files)


def _over(code: str, zh: str, en: str, measured: int, limit: Limit) -> Problem | None:
    if limit.value is None or measured <= limit.value:
        return None
    text = Text(
        zh=f"微博：{zh} {measured}，上限 {limit.value}（{limit.cited}）。请减到上限以内。",
        en=f"Weibo: {en} {measured}, at most {limit.value} ({limit.cited}). Bring it within.",
    )
    return Problem(code, text, limit.value, limit.cited)


_NO_TITLE = Text(zh="微博稿件没有标题。请先写标题。", en="The story has no title for Weibo. Write one first.")
_NO_TOPICS = Text(
    zh="微博分享接口不接受文字中的“#话题#”。请从标题和摘要中去掉。",
    en="Weibo's share call takes no “#topic#” in the text. Take it out of title and digest.",
)
