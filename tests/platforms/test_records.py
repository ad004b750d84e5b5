"""From stored rows to the story that a platform is given."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from platforms.records import story_from
from states.content import AssetRef, Content

VIDEO, STILL, PAPER, UNCHECKED = "a" * 64, "b" * 64, "c" * 64, "d" * 64

ID = UUID(int=7)
CONTENT = Content(
    title="新桥通车",
    body="第一段。\n\n第二段。",
    column="民生",
    ai_label="assisted",
    tags=("桥",),
    correction_note="更正人名",
    assets=(
        AssetRef(VIDEO, "a.mp4", "桥"),
        AssetRef(PAPER, "c.pdf"),
        AssetRef(UNCHECKED, "d.mp4"),
        AssetRef(STILL, "b.jpg"),
    ),
)


@dataclass
class Made:
    """A rendition as it is stored."""

    source_sha256: str
    profile: str
    files: list[Any]
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass
class Record:
    """A revision as it is stored."""

    submission_id: UUID = ID
    revision_number: int = 3
    revision_sha256: str = "e" * 64
    content: Content = CONTENT
    asset_kinds: dict[str, str] = field(
        default_factory=lambda: {VIDEO: "video", STILL: "still", PAPER: "document"}
    )
    renditions: tuple[Made, ...] = ()
    published_at: datetime = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    updated_at: datetime = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    is_retracted: bool = False
    retraction_note: str | None = None


FILE = {
    "role": "video",
    "name": "video.mp4",
    "object_key": "made/x/video.mp4",
    "media_type": "video/mp4",
    "size_bytes": 10,
    "sha256": "f" * 64,
}


def test_story_carries_the_signed_content() -> None:
    story = story_from(Record())
    assert (story.id, story.version, story.revision_sha256) == (str(ID), 3, "e" * 64)
    assert (story.title, story.column, story.ai_label, story.tags) == (
        "新桥通车",
        "民生",
        "assisted",
        ("桥",),
    )
    assert (story.status, story.note) == ("usable", "更正人名")


def test_media_come_in_the_order_of_the_piece_and_only_what_can_be_shown() -> None:
    story = story_from(Record())
    assert [(each.asset_sha256, each.kind, each.caption) for each in story.media] == [
        (VIDEO, "video", "桥"),
        (STILL, "still", ""),
    ]


def test_renditions_go_to_their_own_asset_with_what_was_measured() -> None:
    measured = {"width": 1280, "height": 720, "duration_s": 9.96, "more": "not shown"}
    story = story_from(
        Record(renditions=(Made(VIDEO, "app_mp4", [FILE], measured), Made(STILL, "app_still", [])))
    )
    video, still = story.media
    assert set(video.renditions) == {"app_mp4"}
    made = video.renditions["app_mp4"]
    assert (made.width, made.height, made.duration_s, made.primary.name) == (1280, 720, 9.96, "video.mp4")
    assert set(still.renditions) == {"app_still"}


@pytest.mark.parametrize(("stored", "given"), [("undeclared", "none"), ("generated", "generated")])
def test_label_that_was_not_declared_yet_counts_as_none(stored: Any, given: str) -> None:
    record = Record()
    record.content = replace(record.content, ai_label=stored)
    assert story_from(record).ai_label == given


def test_retracted_story_is_cancelled_and_says_why() -> None:
    story = story_from(Record(is_retracted=True, retraction_note="失实"))
    assert (story.status, story.note) == ("canceled", "失实")


def test_story_without_column_or_note_has_empty_ones() -> None:
    record = Record()
    record.content = replace(record.content, column=None, correction_note="")
    story = story_from(record)
    assert (story.column, story.note) == ("", None)
