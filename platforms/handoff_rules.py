"""Limits that a hand-off is checked against: what is counted, against which number, and how it is said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from platforms.frame import Limit, Problem
from platforms.story import Story, StoryRendition
from states.text import Text

READ_ON = date(2026, 11, 22)
_UNKNOWN = "未知，未设限 (unknown, not set, PLATFORMS.md)"
# What a limit without a value is called in a checklist, by the part of its name behind the dot, with its unit.
_UNKNOWN_WORDS = {
    "title_characters": ("标题字数", "characters"),
    "description_characters": ("简介字数", "characters"),
    "body_characters": ("正文字数", "characters"),
    "topics": ("话题数", "topics"),
    "stills": ("图片数", "stills"),
    "size_bytes": ("视频大小", "bytes"),
    "duration_s": ("视频时长", "seconds"),
    "cover_bytes": ("封面大小", "bytes"),
}

# The finished renditions that go out, by profile.
Made = Mapping[str, StoryRendition]
Count = Callable[[Story, Made], float | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit on what `count` finds, None before it can be told. `code` stands behind the platform's name."""

    code: str
    zh: str
    en: str
    limit: Limit
    count: Count
    is_floor: bool = False


def unknown(platform: str, *names: str) -> tuple[Limit, ...]:
    """Limits without a value, `platform.name` each. KeyError for a name without words."""
    return tuple(
        Limit(f"{platform}.{name}", None, _UNKNOWN_WORDS[name][1], _UNKNOWN, None, READ_ON) for name in names
    )


def unknown_words(limits: Sequence[Limit]) -> str:
    """What of these limits nobody knows, in words for a checklist; empty where all are known."""
    names = (limit.name.partition(".")[2] for limit in limits if limit.value is None)
    return "、".join(_UNKNOWN_WORDS[name][0] for name in names)


def broken(rules: Sequence[Rule], name: str, called: Text, story: Story, made: Made) -> list[Problem]:
    """A problem for each rule that the story or its finished files break, in the order of the rules."""
    found = ((rule, rule.count(story, made)) for rule in rules)
    return [
        _problem(rule, name, called, counted)
        for rule, counted in found
        if counted is not None and _breaks(rule, counted)
    ]


def _breaks(rule: Rule, counted: float) -> bool:
    if rule.limit.value is None:
        return False
    return counted < rule.limit.value if rule.is_floor else counted > rule.limit.value


def _problem(rule: Rule, name: str, called: Text, counted: float) -> Problem:
    limit = rule.limit
    number = f"{counted:.12g}"  # whole bytes, never 4e+09
    bound = Text("下限", "at least") if rule.is_floor else Text("上限", "at most")
    text = Text(
        zh=f"{called.zh}：{rule.zh} {number}，{bound.zh} {limit.value}（{limit.cited}）。{_advice(rule).zh}",
        en=f"{called.en}: {rule.en} {number}, {bound.en} {limit.value} ({limit.cited}). {_advice(rule).en}",
    )
    return Problem(f"{name}.{rule.code}", text, limit.value, limit.cited)


def _advice(rule: Rule) -> Text:
    if not rule.is_floor:
        return Text("请减到上限以内。", "Bring it within.")
    if rule.limit.unit == "pixels":
        return Text("请重新转码。", "Render it again.")
    return Text("请补足。", "Make it longer.")


def describe(story: Story) -> str:
    """The platform's description: the digest, else the first paragraph, never cut without a word."""
    return story.digest.strip() or (story.paragraphs[0] if story.paragraphs else "")


# Characters are Unicode code points.
def title_over(limit: Limit) -> Rule:
    """The title, at most."""
    return Rule("title_too_long", "标题字数", "title characters", limit, lambda story, _: len(story.title))


def title_under(limit: Limit) -> Rule:
    """The title, at least; an empty one is a problem of its own."""
    return Rule(
        "title_too_short",
        "标题字数",
        "title characters",
        limit,
        lambda story, _: _title(story),
        is_floor=True,
    )


def _title(story: Story) -> int | None:
    return len(story.title.strip()) or None


def description_over(limit: Limit) -> Rule:
    """The description, at most."""
    return Rule(
        "description_too_long",
        "简介字数",
        "description characters",
        limit,
        lambda story, _: len(describe(story)),
    )


def topics_over(limit: Limit) -> Rule:
    """Topics or tags, at most."""
    return Rule("topics_too_many", "话题数", "topics", limit, lambda story, _: len(story.tags))


def size_over(limit: Limit, profile: str) -> Rule:
    """The video's bytes, at most."""
    return Rule("file_too_large", "视频字节数", "video bytes", limit, _of(profile, _size))


def cover_over(limit: Limit, profile: str) -> Rule:
    """The cover's bytes, at most."""
    return Rule("cover_too_large", "封面字节数", "cover bytes", limit, _of(profile, _size))


def duration_over(limit: Limit, profile: str) -> Rule:
    """The video's seconds, at most."""
    return Rule(
        "video_too_long", "视频秒数", "video seconds", limit, _of(profile, lambda made: made.duration_s)
    )


def width_under(limit: Limit, profile: str) -> Rule:
    """The video's width, at least."""
    return Rule(
        "video_too_narrow",
        "视频宽度",
        "video width",
        limit,
        _of(profile, lambda made: made.width),
        is_floor=True,
    )


def side_over(limit: Limit, profile: str) -> Rule:
    """The longer side of the video's picture, at most."""
    return Rule("video_too_wide", "视频长边像素", "pixels of the longer side", limit, _of(profile, _longer))


def frame_rate_over(limit: Limit, profile: str) -> Rule:
    """The video's pictures a second, at most."""
    return Rule("frame_rate_too_high", "视频帧率", "frames a second", limit, _of(profile, _frame_rate))


def bit_rate_over(limit: Limit, profile: str) -> Rule:
    """The bits a second of the whole file, at most: no stream in it has more."""
    return Rule("bit_rate_too_high", "视频码率", "bits a second", limit, _of(profile, _bit_rate))


def cover_width_under(limit: Limit, profile: str) -> Rule:
    """The cover's width, at least."""
    return Rule(
        "cover_too_narrow",
        "封面宽度",
        "cover width",
        limit,
        _of(profile, lambda made: made.width),
        is_floor=True,
    )


def cover_height_under(limit: Limit, profile: str) -> Rule:
    """The cover's height, at least."""
    return Rule(
        "cover_too_low",
        "封面高度",
        "cover height",
        limit,
        _of(profile, lambda made: made.height),
        is_floor=True,
    )


def _of(profile: str, count: Callable[[StoryRendition], float | None]) -> Count:
    def counted(_: Story, made: Made) -> float | None:
        rendition = made.get(profile)
        return count(rendition) if rendition is not None and rendition.files else None

    return counted


def _size(made: StoryRendition) -> int:
    return made.primary.size_bytes


def _longer(made: StoryRendition) -> int | None:
    return max(made.width, made.height) if made.width and made.height else None


def _frame_rate(made: StoryRendition) -> float | None:
    rate = made.measured.get("frame_rate")  # a fraction as text: 30000/1001
    return float(Fraction(rate)) if isinstance(rate, str) and rate else None


def _bit_rate(made: StoryRendition) -> float | None:
    return round(_size(made) * 8 / made.duration_s) if made.duration_s else None
