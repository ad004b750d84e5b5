"""One source file and all that is wanted of it: planned together, carried out, kept one by one as they finish.

A run of ffmpeg is one process with up to eight outputs. When a worker is killed, what was kept stays; the outputs
of the process that was running are lost, and the next attempt plans only those and what had not begun.
"""

import logging
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from flows.context import Work
from flows.making import keep, keep_failure, make_once
from flows.passing import blame_full_disk, check_room
from flows.progress import Note, reporting
from media.dressing import NOTHING, Dressing
from media.errors import MediaError, RetryableMediaError
from media.job import Source
from media.made import Outcome
from media.probe import Probe
from media.profiles import Profile
from media.render import plan_for, render_plan
from storage.keys import ASSETS
from storage.renditions import Wanted
from storage.tables import Asset

_LOG = logging.getLogger("sanshen.flows")


@dataclass(frozen=True, slots=True)
class Order:
    """What one file is to become. `profiles` are those of `wanted`, by name."""

    submission_id: UUID
    asset: Asset
    wanted: tuple[Wanted, ...]
    profiles: Mapping[str, Profile]
    dressing: Dressing = NOTHING


async def render_order(work: Work, order: Order) -> None:
    """Have all of it made, here or by who makes it already. A final failure is kept with its reason, and the others
    go on; trouble that may pass is raised when they are done, unless this is the last attempt.
    """

    async def make(ours: Sequence[Wanted]) -> None:
        names = [order.profiles[each.profile].label.zh for each in ours]
        async with (
            fetched(work, order.asset) as path,
            reporting(work, order.submission_id, order.asset.sha256, names) as note,
        ):
            source = Source(path, Probe.from_json(order.asset.probe))
            await _Making(work, source, order, ours).carry_out(note)

    await make_once(work, order.wanted, make)


@asynccontextmanager
async def fetched(work: Work, asset: Asset) -> AsyncIterator[Path]:
    """The asset's bytes as a local file, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sanshen-source-") as folder:
        path = Path(folder) / "source"
        check_room(path.parent, asset.size_bytes)
        await work.objects.download(ASSETS, asset.object_key, path)
        yield path


class _Making:
    """One plan, from its making to the last outcome."""

    def __init__(self, work: Work, source: Source, order: Order, ours: Sequence[Wanted]) -> None:
        self._work = work
        self._source = source
        self._dressing = order.dressing
        self._profiles = [order.profiles[each.profile] for each in ours]
        self._waiting = {each.profile: each for each in ours}
        self._passing: list[MediaError] = []

    async def carry_out(self, note: Note) -> None:
        with tempfile.TemporaryDirectory(prefix="sanshen-render-") as folder:
            try:
                await self._run(Path(folder), note)
            except MediaError as error:  # of what comes before the first output: measuring, dressing
                for name in list(self._waiting):
                    await self._keep(Outcome(name, error=error), Path(folder))
        if self._passing:
            raise self._passing[0]

    async def _run(self, folder: Path, note: Note) -> None:
        ready, out = folder / "ready", folder / "out"
        ready.mkdir()
        out.mkdir()
        plan = await plan_for(self._source, self._profiles, ready, self._dressing)
        _LOG.info("%s", plan)
        async for outcome in render_plan(plan, out, note):
            await self._keep(outcome, folder)

    async def _keep(self, outcome: Outcome, folder: Path) -> None:
        if outcome.error is not None:
            blame_full_disk(outcome.error, folder)
        wanted = self._waiting.pop(outcome.profile)
        error = outcome.error
        if outcome.rendered is not None:
            await keep(self._work, wanted, outcome.rendered)
        elif isinstance(error, RetryableMediaError) and not self._work.is_last_attempt:
            self._passing.append(error)
        elif error is not None:
            await keep_failure(self._work, wanted, {"code": error.code, **error.text.to_json()})
