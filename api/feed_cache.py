"""The stories of the feeds, kept until something about them changes. One look at the database tells."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from platforms.records import story_from
from platforms.story import Story
from storage.database import Database
from storage.public_mark import PublicMark, public_mark
from storage.stories import public_stories

MOST_STORIES = 50


@dataclass(frozen=True, slots=True)
class Shelf:
    """The newest stories before readers, and when the last of them changed."""

    mark: PublicMark
    stories: tuple[Story, ...]

    @property
    def changed_at(self) -> datetime | None:
        """When anything here changed last; None before the first story."""
        return self.mark.changed_at


class FeedCache:
    """Reads the stories anew only when the mark has moved; many readers at once wait for one reading."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._lock = asyncio.Lock()

    async def shelf(self, db: Database) -> Shelf:
        """What readers may see now: a retraction is seen by the very next reader."""
        async with self._lock, db.transaction() as session:
            mark = await public_mark(session)
            if self._shelf is None or self._shelf.mark != mark:
                records = await public_stories(session, MOST_STORIES)
                self._shelf = Shelf(mark, tuple(story_from(record) for record in records))
            return self._shelf
