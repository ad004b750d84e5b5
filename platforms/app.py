"""The newsroom's own app: files into the public bucket; page and feeds are read from the database."""

from platforms.frame import (
    Confirmed,
    DestinationConfig,
    Outcome,
    Platform,
    Problem,
    Tools,
    missing_renditions,
    refuse_missing,
)
from platforms.story import (
    PAGE_PROFILE,
    PUBLIC_PROFILES,
    WHERE_POSSIBLE,
    Story,
    StoryFile,
    StoryRendition,
    public_name,
    story_url,
)
from states.text import Text

# What names other files goes up after them, so that a reader never meets a playlist without its segments.
_LAST = {"playlist": 1, "master": 2, "index": 2}


class AppPlatform(Platform):
    """Own app and site. Accepts whatever we make (PLATFORMS.md, read 2026-11-22, H), so it has no limits."""

    name = "app"
    label = Text(zh="新闻客户端", en="News app")
    renditions = PUBLIC_PROFILES
    where_possible = WHERE_POSSIBLE
    is_idempotent = True

    def check(self, story: Story) -> tuple[Problem, ...]:
        """A story without a title has no line in a feed; nothing else is turned away."""
        if story.title.strip():
            return ()
        text = Text(
            zh="客户端稿件没有标题。请先写标题。", en="The story has no title for the app. Write one first."
        )
        return (Problem("app.title_missing", text, None, "RSS 2.0 and RFC 4287, section 4.2.14"),)

    async def publish(
        self,
        story: Story,
        destination: DestinationConfig,  # noqa: ARG002 - every platform is called alike
        delivery_id: str,
        tools: Tools,
    ) -> Outcome:
        """Copy every public rendition to where readers find it; Confirmed with the page's address."""
        missing = missing_renditions(self, story)
        if missing:
            return refuse_missing(missing)
        for media in story.media:
            for rendition in media.public_renditions:
                copy = tools.publish_page if rendition.profile == PAGE_PROFILE else tools.publish_object
                for file in _dependencies_first(rendition):
                    target = public_name(story, media, rendition, file)
                    await copy(file.object_key, target, file.media_type)
        return Confirmed(external_id=delivery_id, url=story_url(tools.site, story))

    async def retract(
        self,
        story: Story,
        destination: DestinationConfig,  # noqa: ARG002 - every platform is called alike
        delivery_id: str,
        tools: Tools,
    ) -> Outcome:
        """Remove every version's files; the page's address then shows the tombstone."""
        await tools.remove_public(f"stories/{story.id}/")
        return Confirmed(external_id=delivery_id, url=story_url(tools.site, story))


def _dependencies_first(rendition: StoryRendition) -> list[StoryFile]:
    return sorted(rendition.files, key=lambda file: _LAST.get(file.role, 0))
