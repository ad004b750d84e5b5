"""When a stage is due, by the newsroom's own hours and calendar."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from states.deadlines import DueTimes, stage_times
from states.workflow import Stage
from storage.working_days import working_time


async def due_times(
    session: AsyncSession, stage: Stage, is_fast_track: bool, entered_at: datetime
) -> DueTimes:
    """The times of a piece that enters `stage` at `entered_at`; all None without a deadline.

    Costs a query only when nobody in this process asked for a minute.
    """
    if stage.deadline is None:
        return DueTimes()
    return stage_times(stage, is_fast_track, entered_at, await working_time(session))
