"""A story as the body of a WeChat article: paragraphs and re-hosted pictures; no script, link or foreign image."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from platforms._jinja import render
from platforms.story import Site, Story, StoryMedia, StoryRendition, story_url
from platforms.story_page import AI_WORDS

COVER_PROFILE = "wechat_cover"
STILL_PROFILE = "wechat_still"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the article: the asset, and the profile that it is shown in."""

    media: StoryMedia
    profile: str

    @property
    def rendition(self) -> StoryRendition | None:
        """The finished picture; None until it is made."""
        made = self.media.renditions.get(self.profile)
        return made if made is not None and made.files else None


def cover_of(story: Story) -> Picture | None:
    """The cover: that of the chosen or the first picture or video. None where the story has neither."""
    shown = (Picture(media, COVER_PROFILE) for media in story.cover_first if media.kind in ("video", "still"))
    return next(shown, None)


def pictures_of(story: Story) -> tuple[Picture, ...]:
    """The pictures of the body in the story's order; a video, which the body cannot hold, by its cover picture."""
    profiles = {"still": STILL_PROFILE, "video": COVER_PROFILE}
    return tuple(Picture(media, profiles[media.kind]) for media in story.media if media.kind in profiles)


def article_html(story: Story, addresses: Mapping[str, str]) -> str:
    """The article's body, everything escaped; `addresses` are those of the platform's own copies, by asset hash."""
    shown = [
        (item.media, addresses[item.media.asset_sha256])
        for item in pictures_of(story)
        if item.media.asset_sha256 in addresses
    ]
    return render(
        "wechat_body.html",
        note=story.note,
        ai_words=AI_WORDS.get(story.ai_label),
        figures=shown,
        paragraphs=[paragraph.splitlines() for paragraph in story.paragraphs],
    )


def marker(delivery_id: str) -> str:
    """What tells our article from all others: 16 hexadecimal digits of the delivery id's SHA-256."""
    return hashlib.sha256(delivery_id.encode()).hexdigest()[:16]


def source_link(story: Story, site: Site, delivery_id: str) -> str:
    """The article's "阅读原文": the story's own page, with the marker, which the platform's lists give back."""
    return f"{story_url(site, story)}?delivery={marker(delivery_id)}"


def square_crop(rendition: StoryRendition) -> str:
    """The middle square of the cover, as the platform writes it: `x1_y1_x2_y2` from 0 to 1, six digits at most."""
    width, height = rendition.width or 900, rendition.height or 383
    side = min(width, height)
    left, top = (width - side) / 2 / width, (height - side) / 2 / height
    return "_".join(f"{value:.6f}" for value in (left, top, 1 - left, 1 - top))
