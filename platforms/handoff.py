"""The base of every platform that a person uploads to: a package of files, texts, checklist and manifest.

The story comes with the words for this destination. A platform's own file holds limits, renditions and words.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import ClassVar

from platforms.frame import (
    DestinationConfig,
    HandedOff,
    Outcome,
    Platform,
    Problem,
    Refused,
    Sent,
    Tools,
    missing_renditions,
    refuse_missing,
)
from platforms.handoff_rules import Made, Rule, broken, unknown_words
from platforms.handoff_texts import (
    Part,
    Parts,
    article_texts,
    checklist,
    correct_list,
    film_texts,
    kinds_left_out,
    manifest,
    retract_list,
)
from platforms.story import SUBTITLES, Story, StoryFile, StoryMedia
from states.text import Text

_TEXT = "text/plain; charset=utf-8"
_SUFFIXES = {"video/mp4": ".mp4", "image/jpeg": ".jpg", "audio/mp4": ".m4a", "text/vtt": ".vtt"}


class HandoffPlatform(Platform):
    """Hands over a package under `handoffs/<delivery id>/`; the person confirms with the link.

    `called` is the platform in messages, `source` stands where a rule is no number, and `file_names` says what a
    profile's file is called in the package, without its suffix. `advice` are checklist lines of the platform's own.
    """

    called: ClassVar[Text]
    source: ClassVar[str]
    rules: ClassVar[tuple[Rule, ...]] = ()
    file_names: ClassVar[Mapping[str, str]]
    advice: ClassVar[tuple[str, ...]] = ()
    is_idempotent = True  # the same package is written again under the same keys

    def parts(self, story: Story) -> dict[str, Part]:
        """The finished files of the package by their names there, in the order of upload."""
        raise NotImplementedError

    def missing(self, story: Story) -> tuple[tuple[str, str], ...]:
        """The (asset hash, profile) pairs that the package needs and that are not made yet."""
        return missing_renditions(self, story)

    def texts(self, story: Story, parts: Parts) -> str:
        """What the person copies into the platform's form."""
        raise NotImplementedError

    def lines(self, story: Story, parts: Parts) -> tuple[str, ...]:
        """The checklist between checking the files and giving the link back."""
        raise NotImplementedError

    def left_out(self, story: Story) -> tuple[str, ...]:
        """A checklist line for each thing of the story that is not in the package."""
        return kinds_left_out(story, self.renditions)

    def nothing_to_send(self, story: Story) -> Problem | None:
        """Why there can be no package of this story at all; None where there can be one."""
        raise NotImplementedError

    def made(self, story: Story) -> Made:  # noqa: ARG002 - for those with rules on finished files
        """The finished renditions that the rules are checked against."""
        return {}

    def no_title(self) -> Text:
        """What is said of a story without a title."""
        return Text(
            zh=f"{self.called.zh}：稿件没有标题。请先写标题。",
            en=f"{self.called.en}: there is no title. Write one first.",
        )

    def check(self, story: Story) -> tuple[Problem, ...]:
        """Every known limit of the texts, and of video and cover once they are made. Characters are code points."""
        nothing = self.nothing_to_send(story)
        if nothing:
            return (nothing,)
        found = broken(self.rules, self.name, self.called, story, self.made(story))
        if story.title.strip():
            return tuple(found)
        return (Problem(f"{self.name}.title_missing", self.no_title(), None, self.source), *found)

    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Write the package under `handoffs/<delivery id>/`: HandedOff with its private keys by file name."""
        return await self._write(story, destination, delivery_id, tools, None)

    async def correct(
        self, story: Story, destination: DestinationConfig, delivery_id: str, before: Sent, tools: Tools
    ) -> Outcome:
        """Write a package of its own with `correct.txt`, which says that it replaces the earlier work: HandedOff."""
        return await self._write(story, destination, delivery_id, tools, before)

    async def retract(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Write what a person has to do there: HandedOff, for the platform cannot be asked to do it."""
        key = f"handoffs/{delivery_id}/retract.txt"
        await tools.put_private(key, retract_list(story, destination).encode(), _TEXT)
        return HandedOff(url=None, files=MappingProxyType({"retract.txt": key}))

    async def _write(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,
        tools: Tools,
        before: Sent | None,
    ) -> Outcome:
        nothing, missing = self.nothing_to_send(story), self.missing(story)
        if nothing:
            return Refused(nothing.text)
        if missing:
            return refuse_missing(missing)
        parts = self.parts(story)
        texts = self._written(story, destination, parts, before)
        files = {name: f"handoffs/{delivery_id}/{name}" for name in (*parts, *texts, "manifest.json")}
        for name, part in parts.items():
            await tools.copy_private(part.file.object_key, files[name])
        for name, text in texts.items():
            await tools.put_private(files[name], text.encode(), _TEXT)
        # Last: a package with a manifest is whole.
        copies = {name: part.file for name, part in parts.items()}
        whole = manifest(story, delivery_id, copies, replaces_earlier=before is not None)
        await tools.put_private(files["manifest.json"], whole.encode(), "application/json")
        return HandedOff(url=None, files=MappingProxyType(files))

    def _written(
        self, story: Story, destination: DestinationConfig, parts: Parts, before: Sent | None
    ) -> dict[str, str]:
        replaces = ("[ ] 本包替换先前发布的作品：先看 correct.txt",) if before else ()
        lines = (*replaces, *self.lines(story, parts))
        return {
            "texts.txt": self.texts(story, parts),
            "checklist.txt": checklist(story, destination, list(parts), lines, self.left_out(story)),
            **({"correct.txt": correct_list(story, destination, before)} if before else {}),
        }

    def _unknown_lines(self) -> tuple[str, ...]:
        words = unknown_words(self.limits)
        return (f"[ ] {words}的上限未知：上传被拒时请记下平台提示",) if words else ()


class FilmHandoff(HandoffPlatform):
    """One video, the story's first, in one or more cuts (`videos`, profiles) with a cover; subtitles beside it.

    The cover is of the asset that was chosen for it, where `renditions` has the cover's profile for its kind.
    """

    videos: ClassVar[tuple[str, ...]]
    cover: ClassVar[str | None] = None
    upload: ClassVar[tuple[str, ...]]  # checklist lines

    def parts(self, story: Story) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for media, profile in self._sources(story):
            found |= _parts_of(media, profile, self.file_names[profile])
        return found

    def missing(self, story: Story) -> tuple[tuple[str, str], ...]:
        # Only what goes out: a second video that is still rendering holds nothing up.
        wanted = {(media.asset_sha256, profile) for media, profile in self._sources(story)}
        return tuple(pair for pair in missing_renditions(self, story) if pair in wanted)

    def made(self, story: Story) -> Made:
        return {
            profile: media.renditions[profile]
            for media, profile in self._sources(story)
            if profile in media.renditions
        }

    def nothing_to_send(self, story: Story) -> Problem | None:
        if _first_video(story):
            return None
        return Problem(f"{self.name}.video_missing", self.no_video(), None, self.source)

    def no_video(self) -> Text:
        """What is said of a story without a video."""
        return Text(
            zh=f"{self.called.zh}需要至少一段视频。请补充视频，或取消该平台。",
            en=f"{self.called.en} needs a video. Add one, or leave the platform out.",
        )

    def texts(self, story: Story, parts: Parts) -> str:  # noqa: ARG002 - as every hand-off is called
        return film_texts(story)

    def lines(self, story: Story, parts: Parts) -> tuple[str, ...]:  # noqa: ARG002 - as every hand-off is called
        return (
            *self.upload,
            *_subtitle_lines(parts),
            "[ ] 标题、简介、话题从 texts.txt 复制，不改动（改动须重新三审）",
            *self.advice,
            *self._unknown_lines(),
        )

    def left_out(self, story: Story) -> tuple[str, ...]:
        several = sum(media.kind == "video" for media in story.media) > 1
        return ("[ ] 本稿有多段视频，此包为第一段",) if several else ()

    def _sources(self, story: Story) -> list[tuple[StoryMedia, str]]:
        video = _first_video(story)
        if video is None:
            return []
        found = [(video, profile) for profile in self.videos]
        return [*found, (self._cover_of(story, video), self.cover)] if self.cover else found

    def _cover_of(self, story: Story, video: StoryMedia) -> StoryMedia:
        chosen = (media for media in story.media if media.asset_sha256 == story.cover)
        fitting = (media for media in chosen if self.cover in self.renditions.get(media.kind, ()))
        return next(fitting, video)


class ArticleHandoff(HandoffPlatform):
    """Text with every medium that the platform takes, numbered in the story's order; text alone will do."""

    def parts(self, story: Story) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for number, media in enumerate(story.media, start=1):
            for profile in self.renditions.get(media.kind, ()):
                if profile in media.renditions:
                    found |= _parts_of(media, profile, f"{number:02d}_{self.file_names[profile]}")
        return found

    def nothing_to_send(self, story: Story) -> Problem | None:
        if story.paragraphs or any(media.kind in self.renditions for media in story.media):
            return None
        text = Text(
            zh=f"{self.called.zh}：稿件没有正文，也没有该平台可收的文件。请补充，或取消该平台。",
            en=f"{self.called.en}: the story has neither a body nor a file for it. Add one, or leave it out.",
        )
        return Problem(f"{self.name}.nothing_to_send", text, None, self.source)

    def texts(self, story: Story, parts: Parts) -> str:
        return article_texts(story, parts)

    def lines(self, story: Story, parts: Parts) -> tuple[str, ...]:
        covers = _covers(story, parts)
        return (
            *(["[ ] 按编号顺序上传图片、视频和音频，说明文字在 texts.txt"] if parts else []),
            *([f"[ ] 封面用 {covers[0]}"] if covers else []),
            *_subtitle_lines(parts),
            "[ ] 标题、简介、作者、正文、话题从 texts.txt 复制，不改动（改动须重新三审）",
            *self.advice,
            *self._unknown_lines(),
        )


def _first_video(story: Story) -> StoryMedia | None:
    return next((media for media in story.media if media.kind == "video"), None)


def _parts_of(media: StoryMedia, profile: str, base: str) -> dict[str, Part]:
    """The profile's file, and its subtitles where they stand beside it."""
    rendition = media.renditions[profile]
    beside = [file for file in rendition.files[1:] if file.role == SUBTITLES]
    return {f"{base}{_suffix(file)}": Part(file, media) for file in (rendition.primary, *beside)}


def _suffix(file: StoryFile) -> str:
    known = _SUFFIXES.get(file.media_type)
    letters = re.sub(r"[^a-z0-9]", "", PurePosixPath(file.name).suffix.lower())[:5]
    return known or f".{letters or 'bin'}"


def _subtitle_lines(parts: Parts) -> tuple[str, ...]:
    names = "、".join(name for name, part in parts.items() if part.file.role == SUBTITLES)
    line = f"[ ] 字幕不在画面中，另附 {names}：平台收字幕文件的随视频上传，不收的退回编辑压入画面"
    return (line,) if names else ()


def _covers(story: Story, parts: Parts) -> Sequence[str]:
    pictures = [(name, part) for name, part in parts.items() if part.file.media_type.startswith("image/")]
    return [
        name for name, part in sorted(pictures, key=lambda each: each[1].media.asset_sha256 != story.cover)
    ]
