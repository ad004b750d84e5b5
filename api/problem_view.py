"""What the chosen destinations would say to a revision as it is now, its files included."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlmodel.ext.asyncio.session import AsyncSession

from api.schemas.base import TextShown
from api.schemas.submissions import DestinationProblem
from media.job import Source
from media.probe import Probe
from platforms.frame import Problem
from platforms.records import story_from
from platforms.registry import PLATFORMS
from platforms.story import Story
from platforms.taking import not_taken
from storage.destinations import list_destinations
from storage.items import LoadedItem
from storage.stories import story_record
from storage.tables import Asset, Destination


async def problems_shown(
    session: AsyncSession, loaded: LoadedItem, known: Iterable[Asset]
) -> list[DestinationProblem]:
    """The problems of every chosen, open destination, worked out anew: a change of destinations shows at once."""
    content, row = loaded.content, loaded.row
    if not content.destinations:
        return []
    record = await story_record(session, row.id, row.revision_number)
    listed = {ref.sha256 for ref in content.assets}
    files = [each for each in known if each.sha256 in listed and each.intake == "passed" and each.probe]
    return [
        shown
        for destination in await list_destinations(session, content.destinations, open_only=True)
        for shown in _of_destination(destination, story_from(record, destination.id), files)
    ]


def _of_destination(
    destination: Destination, story: Story, files: Iterable[Asset]
) -> Iterator[DestinationProblem]:
    platform = PLATFORMS[destination.platform]
    for problem in platform.check(story):
        yield _shown(destination, problem)
    for file in files:
        for problem in not_taken(platform, Source(Path(), Probe.from_json(file.probe))):
            yield _shown(destination, problem, file.sha256)


def _shown(destination: Destination, problem: Problem, sha256: str | None = None) -> DestinationProblem:
    return DestinationProblem(
        destination=destination.id,
        asset_sha256=sha256,
        code=problem.code,
        text=TextShown.of(problem.text),
        limit=problem.limit,
        source=problem.source,
    )
