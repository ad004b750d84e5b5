"""The whole comparison of database and store, with what readers must find in the public buckets."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from platforms.records import story_from
from platforms.story import PAGE_PROFILE, Story, public_name
from storage.database import Database
from storage.errors import NotFound
from storage.keys import ASSETS, LEDGER, PACKAGES, PUBLIC, RENDITIONS
from storage.listing import Source, empty_aside, listing
from storage.object_claims import erase_unless_owned
from storage.objects import Objects
from storage.reconcile import Comparison, Expected, Report, merged
from storage.reconcile_repair import Repair
from storage.reconcile_rows import is_owned, of_assets, of_ledger, of_renditions
from storage.stories import APP, story_record

# Names in a folder whose order stores agree on; what is deeper is sorted when it is read.
_DEPTHS = {ASSETS: 3, RENDITIONS: 3, PUBLIC: 2, PACKAGES: 2, LEDGER: 2}
_READERS = (PUBLIC, PACKAGES)  # files and H5 pages, each its own origin
_PAGE = 50  # stories; a film has some hundred files
_STORY = re.compile(r"stories/([0-9a-f-]{36})/v([0-9]{1,9})/.+")
# States of a delivery whose files may be there or not: a call is on its way, or its outcome is not known.
_PERHAPS = "'sending', 'unknown', 'refused', 'retracting', 'needs_person', 'pending'"

# The newest alone: the files of earlier ones go after a while (`storage.old_versions`), and may still be there.
_LIVE = text("""
    SELECT submission_id, max(revision_number) AS number
    FROM delivery JOIN destination ON destination.id = delivery.destination_id
    WHERE platform = :app AND delivery.state = 'confirmed' AND submission_id > :after
    AND (NOT :only_with_pages OR EXISTS (
        SELECT FROM rendition_use AS use JOIN rendition ON rendition.key = use.rendition_key
        WHERE use.submission_id = delivery.submission_id AND rendition.profile = :page
    ))
    GROUP BY submission_id ORDER BY submission_id LIMIT :limit
""")
_STANDS = text(f"""
    SELECT bool_or(delivery.state = 'confirmed') AS is_live, bool_or(delivery.state IN ({_PERHAPS})) AS is_perhaps
    FROM delivery JOIN destination ON destination.id = delivery.destination_id
    WHERE platform = :app AND submission_id = CAST(:item AS uuid) AND revision_number = :number
""")  # noqa: S608 - our own words
_SHOWN_WITH = text("""
    SELECT DISTINCT delivery.submission_id, delivery.revision_number
    FROM rendition_use AS use
    JOIN revision ON revision.submission_id = use.submission_id AND revision.sha256 = use.revision_sha256
    JOIN delivery ON delivery.submission_id = revision.submission_id AND delivery.revision_number = revision.number
    JOIN destination ON destination.id = delivery.destination_id
    WHERE use.rendition_key = :key AND platform = :app AND delivery.state = 'confirmed'
""")


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One comparison; `now` is the time that ages count to."""

    db: Database
    objects: Objects
    now: datetime

    async def run(self, *, reads_back: bool = False, repairs: bool = False) -> Report:
        """Compare all buckets; with `repairs` also mend. Raises StoreUnavailable."""
        report = Report()
        comparison = Comparison(self.objects, self.owns, self.now, reads_back)
        repair = Repair(self.db, self.objects, self.owns, self.elsewhere, self.now)
        for bucket, expected in self.expected().items():
            pairs = merged(expected, listing(self.objects, bucket, _DEPTHS[bucket]))
            async for finding, of in comparison.differences(bucket, pairs, report):
                report.add(await repair.mend(finding, of) if repairs else finding)
            if repairs:
                await empty_aside(self.objects, bucket, self.now, self._erase)
        return report

    def expected(self) -> dict[str, AsyncIterator[Expected]]:
        """What must be in each bucket. Public files come after renditions: those may be put back first."""
        return {
            ASSETS: of_assets(self.db),
            RENDITIONS: of_renditions(self.db),
            **{bucket: self._of_readers(bucket) for bucket in _READERS},
            LEDGER: of_ledger(self.db),
        }

    async def _erase(self, bucket: str, key: str) -> bool:
        return await erase_unless_owned(self.db, self.objects, self.owns, bucket, key)

    async def owns(self, bucket: str, key: str) -> bool:
        """Whether somebody needs this object at this moment."""
        async with self.db.transaction() as session:
            if bucket not in _READERS:
                return await is_owned(session, bucket, key)
            found = _STORY.fullmatch(key)
            if found is None:
                return False
            values = {"app": APP, "item": found[1], "number": int(found[2])}
            stands = (await (await session.connection()).execute(_STANDS, values)).one()
        if stands.is_live:
            files = await self._of_story(UUID(found[1]), int(found[2]))
            return (bucket, key) in {(each.bucket, each.key) for each in files}
        return bool(stands.is_perhaps)

    async def elsewhere(self, expected: Expected) -> AsyncIterator[Source]:
        """Other objects with the same bytes: the rendition behind a public file, the public file of a rendition."""
        if expected.copy_of is not None:
            yield Source(*expected.copy_of)
        if expected.bucket != RENDITIONS or not expected.key.startswith("made/"):
            return
        async with self.db.transaction() as session:
            values = {"app": APP, "key": expected.key.split("/")[2]}
            shown = (await (await session.connection()).execute(_SHOWN_WITH, values)).all()
        for item, number in shown:
            for public in await self._of_story(item, number):
                if public.sha256 == expected.sha256:
                    yield Source(public.bucket, public.key)

    async def _of_readers(self, bucket: str) -> AsyncIterator[Expected]:
        """The files of the newest version of each story that readers were given and that was not taken back."""
        after, more = UUID(int=0), True
        while more:
            async with self.db.transaction() as session:
                values = {"app": APP, "page": PAGE_PROFILE, "only_with_pages": bucket == PACKAGES}
                values |= {"after": after, "limit": _PAGE}
                live = (await (await session.connection()).execute(_LIVE, values)).all()
                found = [await _files_of(session, row.submission_id, row.number) for row in live]
            for files in found:
                for each in sorted(files, key=lambda each: each.key.encode()):
                    if each.bucket == bucket:
                        yield each
            more = len(live) == _PAGE
            after = live[-1].submission_id if live else after

    async def _of_story(self, item: UUID, number: int) -> list[Expected]:
        async with self.db.transaction() as session:
            return await _files_of(session, item, number)


async def _files_of(session: AsyncSession, item: UUID, number: int) -> list[Expected]:
    try:
        return _public_files(story_from(await story_record(session, item, number)))
    except NotFound:
        return []


def _public_files(story: Story) -> list[Expected]:
    return [
        Expected(
            PACKAGES if rendition.profile == PAGE_PROFILE else PUBLIC,
            public_name(story, media, rendition, file),
            file.size_bytes,
            file.sha256,
            f"story {story.id} v{story.version} «{story.title}»",
            file.media_type,
            (RENDITIONS, file.object_key),
        )
        for media in story.media
        for rendition in media.public_renditions
        for file in rendition.files
    ]
