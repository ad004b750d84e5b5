"""What Prefect's UI shows of our work beside its runs: progress and tables. Prefect away is no failure of ours."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, acreate_table_artifact, aupdate_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext

_LOG = logging.getLogger("sanshen.flows")
_PATIENCE_S = 5.0


class ProgressBar:
    """A progress artifact of the present run; nothing outside of a run. `key`: lower case, digits, dashes."""

    def __init__(self, key: str, description: str) -> None:
        self._key = key
        self._description = description
        self._id: UUID | None = None

    async def show(self, percent: int) -> None:
        """Make the artifact at the first call, change it later."""
        if self._id is None:
            self._id = await _quietly(acreate_progress_artifact(float(percent), self._key, self._description))
        else:
            await _quietly(aupdate_progress_artifact(self._id, float(percent)))


async def show_table(key: str, rows: Sequence[dict[str, Any]], description: str) -> None:
    """A table artifact of the present run; the description is Markdown."""
    await _quietly(acreate_table_artifact(list(rows), key, description))


async def _quietly(showing: Coroutine[Any, Any, UUID]) -> UUID | None:
    if FlowRunContext.get() is None and TaskRunContext.get() is None:
        showing.close()  # without a run Prefect would start a server of its own
        return None
    try:
        return await asyncio.wait_for(showing, _PATIENCE_S)
    except Exception as error:  # whatever Prefect's API says: the work does not depend on who sees it
        _LOG.debug("not shown in Prefect: %s", str(error) or type(error).__name__)
        return None
