"""What the WeChat official account (公众号) takes: its numbers, and the story held against them.

Read on 2026-11-22 in stored copies of the platform's documents; the live service was not reached. Where a document
says "less than 1M" the smaller meaning is taken. One copy of "新增草稿" also gives 2 kB for the body, against its
own "少于2万字符，小于1M" in the same row: taken for an error of that page.
"""

from collections.abc import Mapping
from datetime import date

from platforms.frame import Limit, Problem
from platforms.story import Story, legal_text
from platforms.wechat_html import article_html, cover_of, pictures_of
from states.text import Text

_READ_ON = date(2026, 11, 22)
_DRAFT = "微信官方文档“新增草稿” draft/add (WeChat's own document)"
_MATERIAL = "微信官方文档“上传永久素材” material/add_material (WeChat's own document)"
_INLINE = "微信官方文档“上传图文消息图片” media/uploadimg (WeChat's own document)"
_CALLS = "微信官方文档“接口调用频次限制说明”，新注册账号 (WeChat's own document, new accounts)"
_FORUM = "微信开放社区运营人员答复，2021 至 2023 年 (answers of staff on WeChat's forum, 2021 to 2023)"
_UNKNOWN = "未知，未设限 (unknown, not set)"

TITLE = Limit("wechat.title_characters", 32, "characters", _DRAFT, "H", _READ_ON)
AUTHOR = Limit("wechat.author_characters", 16, "characters", _DRAFT, "H", _READ_ON)
DIGEST = Limit("wechat.digest_characters", 128, "characters", _DRAFT, "H", _READ_ON)
BODY_CHARACTERS = Limit("wechat.body_characters", 19_999, "characters with tags", _DRAFT, "H", _READ_ON)
BODY_BYTES = Limit("wechat.body_bytes", 999_999, "bytes with tags", _DRAFT, "H", _READ_ON)
LINK_BYTES = Limit("wechat.source_link_bytes", 1000, "bytes", _DRAFT, "H", _READ_ON)
COVER_BYTES = Limit("wechat.cover_bytes", 10_000_000, "bytes", _MATERIAL, "H", _READ_ON)
MATERIALS = Limit("wechat.image_materials", 100_000, "images in all", _MATERIAL, "H", _READ_ON)
INLINE_BYTES = Limit("wechat.inline_image_bytes", 999_999, "bytes, jpg or png", _INLINE, "H", _READ_ON)
INLINE_COUNT = Limit("wechat.inline_images", None, "images", _UNKNOWN, None, _READ_ON)
VIDEOS = Limit("wechat.videos_in_body", 0, "videos", _FORUM, "M", _READ_ON)
AUDIO = Limit("wechat.audio_in_body", 0, "sound files", _FORUM, "M", _READ_ON)

LIMITS = (
    TITLE,
    AUTHOR,
    DIGEST,
    BODY_CHARACTERS,
    BODY_BYTES,
    LINK_BYTES,
    COVER_BYTES,
    MATERIALS,
    INLINE_BYTES,
    INLINE_COUNT,
    VIDEOS,
    AUDIO,
    *(
        Limit(f"wechat.{name}_a_day", value, "calls a day", _CALLS, "H", _READ_ON)
        for name, value in (
            ("draft_add", 1000),
            ("publish", 100),
            ("status", 100),
            ("published_list", 100),
            ("published_article", 100),
            ("delete", 10),
        )
    ),
    Limit("wechat.calls_a_minute", None, "calls a minute", _UNKNOWN, None, _READ_ON),
)

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png"})
# The addresses of the platform's copies are known only after the upload; the document's example has about 110.
_ADDRESS_CHARACTERS = 300


def problems_of(story: Story) -> tuple[Problem, ...]:
    """Everything for which the platform would turn the story away. Characters are Unicode code points; the body is
    measured as HTML, with room for the addresses that its pictures will get.
    """
    reserved = {item.media.asset_sha256: "x" * _ADDRESS_CHARACTERS for item in pictures_of(story)}
    found = (
        *_empty(story),
        _over("wechat.title_too_long", "标题字数", "title characters", len(line(story.title)), TITLE),
        _over("wechat.author_too_long", "作者字数", "author characters", len(line(story.byline)), AUTHOR),
        _over("wechat.digest_too_long", "摘要字数", "digest characters", len(line(story.digest)), DIGEST),
        *body_problems(story, reserved),
        *_files(story),
    )
    return tuple(problem for problem in found if problem is not None)


def body_problems(story: Story, addresses: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is too long in the body with these addresses of its pictures, by asset hash."""
    content = article_html(story, addresses)
    found = (
        _over(
            "wechat.body_too_long",
            "正文字数（含标签）",
            "body characters with tags",
            len(content),
            BODY_CHARACTERS,
        ),
        _over(
            "wechat.body_too_large",
            "正文字节数（含标签）",
            "body bytes with tags",
            len(content.encode()),
            BODY_BYTES,
        ),
    )
    return tuple(problem for problem in found if problem is not None)


def line(text: str) -> str:
    """A line of text as it is sent: stripped, and without characters that no document may hold."""
    return legal_text(text).strip()


def _empty(story: Story) -> tuple[Problem, ...]:
    found = []
    if not line(story.title):
        found.append(Problem("wechat.title_missing", _NO_TITLE, None, _DRAFT))
    if not story.paragraphs:
        found.append(Problem("wechat.body_missing", _NO_BODY, None, _DRAFT))
    if cover_of(story) is None:
        found.append(Problem("wechat.cover_missing", _NO_COVER, None, _DRAFT))
    return tuple(found)


def _files(story: Story) -> tuple[Problem | None, ...]:
    """What was measured of the finished pictures; nothing of those that are not made yet."""
    found: list[Problem | None] = []
    cover = cover_of(story)
    made = cover.rendition if cover else None
    if made:
        size = made.primary.size_bytes
        found.append(_over("wechat.cover_too_large", "封面字节数", "cover bytes", size, COVER_BYTES))
    for item in pictures_of(story):
        if item.rendition is None:
            continue
        file = item.rendition.primary
        found.append(
            _over("wechat.image_too_large", "配图字节数", "image bytes", file.size_bytes, INLINE_BYTES)
        )
        if file.media_type not in _IMAGE_TYPES:
            found.append(Problem("wechat.image_type", _image_type(file.media_type), None, INLINE_BYTES.cited))
    return tuple(found)


def _over(code: str, zh: str, en: str, measured: int, limit: Limit) -> Problem | None:
    if limit.value is None or measured <= limit.value:
        return None
    text = Text(
        zh=f"微信公众号：{zh} {measured}，上限 {limit.value}（{limit.cited}）。请减到上限以内。",
        en=f"WeChat official account: {en} {measured}, at most {limit.value} ({limit.cited}). Bring it within.",
    )
    return Problem(code, text, limit.value, limit.cited)


def _image_type(media_type: str) -> Text:
    return Text(
        zh=f"微信公众号：正文图片只收 jpg 和 png，这张是 {media_type}（{INLINE_BYTES.cited}）。请重新转码。",
        en=f"WeChat official account: pictures in the body are jpg or png, this one is {media_type} "
        f"({INLINE_BYTES.cited}). Render it again.",
    )


_NO_TITLE = Text(
    zh=f"微信公众号：没有标题（{TITLE.cited}）。请先写标题。",
    en=f"WeChat official account: no title ({TITLE.cited}). Write one first.",
)
_NO_BODY = Text(
    zh=f"微信公众号：没有正文（{BODY_CHARACTERS.cited}）。请先写正文。",
    en=f"WeChat official account: no body text ({BODY_CHARACTERS.cited}). Write it first.",
)
_NO_COVER = Text(
    zh=f"微信公众号：图文必须有封面，本稿没有图片或视频可作封面（{_DRAFT}）。请补一张图片，或取消该平台。",
    en="WeChat official account: an article must have a cover, and this story has no picture or video for one "
    f"({_DRAFT}). Add a picture, or leave the platform out.",
)
