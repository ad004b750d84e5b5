"""What each file of a revision wears on its way out: the editor's finishing, the station's files, the AI label."""

import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from flows.context import Work
from media.aigc import AiMark
from media.dressing import NOTHING, Dressing
from media.job import Crop
from states.content import Content, CropBox, Finishing
from storage.keys import ASSETS
from storage.station import StationRole, station_files
from storage.tables import Asset

_CLIPS: tuple[StationRole, ...] = ("opening", "closing")


@asynccontextmanager
async def dressings(
    work: Work, submission_id: UUID, content: Content, files: Iterable[Asset]
) -> AsyncIterator[Mapping[str, Dressing]]:
    """The dressing of each file of the content, by its hash; what it is made of lies here while the block lasts.

    `files` are those of the submission. A role of the station that is empty adds nothing.
    """
    known = {each.sha256: each.object_key for each in files}
    labels = labels_of(content, submission_id, work.settings.site_name)
    with tempfile.TemporaryDirectory(prefix="sanshen-dressing-") as folder:
        wardrobe = _Wardrobe(work, Path(folder), known, await _station(work))
        yield {each.sha256: await wardrobe.dress(labels, each.finishing) for each in content.assets}


def labels_of(content: Content, submission_id: UUID, site_name: str) -> Dressing:
    """The labels of a piece that is declared AI-generated: one in the picture, and the `AIGC` mark with us as those
    who pass it on. `assisted` is said with the text alone: it does not make a camera's film a generated one.
    """
    if content.ai_label != "generated":
        return NOTHING
    mark = AiMark(propagator=site_name, propagate_id=str(submission_id))
    return Dressing(ai_text="AI生成", ai_mark=mark)


async def _station(work: Work) -> Mapping[StationRole, tuple[str, str]]:
    async with work.transaction() as session:
        return {role: (row.sha256, row.object_key) for role, row in (await station_files(session)).items()}


class _Wardrobe:
    """Files that dressings need, each fetched once."""

    def __init__(
        self,
        work: Work,
        folder: Path,
        known: Mapping[str, str],
        station: Mapping[StationRole, tuple[str, str]],
    ) -> None:
        self._work = work
        self._folder = folder
        self._known = known
        self._station = station

    async def dress(self, labels: Dressing, wanted: Finishing | None) -> Dressing:
        if wanted is None:
            return labels
        opening, closing = [await self._of_station(role) if wanted.has_clips else None for role in _CLIPS]
        return Dressing(
            crop=_crop(wanted.crop),
            logo=await self._of_station("logo") if wanted.has_logo else None,
            opening=opening,
            closing=closing,
            subtitles=await self._fetched(wanted.subtitles, self._known[wanted.subtitles])
            if wanted.subtitles
            else None,
            burns_in=wanted.burns_in,
            ai_text=labels.ai_text,
            ai_mark=labels.ai_mark,
        )

    async def _of_station(self, role: StationRole) -> Path | None:
        return await self._fetched(*self._station[role]) if role in self._station else None

    async def _fetched(self, sha256: str, object_key: str) -> Path:
        path = self._folder / sha256
        if not path.exists():
            await self._work.objects.download(ASSETS, object_key, path)
        return path


def _crop(box: CropBox | None) -> Crop | None:
    return Crop(box.x, box.y, box.width, box.height) if box else None
