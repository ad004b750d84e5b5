"""What one run works with: database, object store, settings, and the fence of its attempt.

Every write goes through `Work.transaction`, which first makes sure that this attempt is still the current
one: a worker that was paused and lost its lease can change nothing.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from flows.passing import ends_by_itself
from platforms.story import Site
from states.events import Event
from states.item import Request
from states.refusals import MoveRefused
from states.roles import SYSTEM
from storage import outbox
from storage.advance import Change, advance
from storage.database import Database, is_unavailable
from storage.errors import Conflict, LeaseLost
from storage.live import announce
from storage.objects import Objects
from storage.outbox import Fence
from storage.settings import Settings

_LOG = logging.getLogger(
    "sanshen.flows"
)  # Prefect is told to show it with the run (PREFECT_LOGGING_EXTRA_LOGGERS)
_CONFLICT_TRIES = 50
_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 300.0
_LOOK_S = 0.5  # so that what was cancelled or withdrawn has stopped within two seconds


Also = Callable[[AsyncSession], Awaitable[None]]
IsWanted = Callable[[AsyncSession], Awaitable[bool]]


class NotYet(Exception):
    """The work is not finished and not broken: run it again after `delay_s` seconds."""

    def __init__(self, why: str, delay_s: float) -> None:
        super().__init__(why)
        self.delay_s = delay_s


class NoLongerWanted(Exception):
    """What the work was for is gone: it stops where it is, and the row is finished."""


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at one piece of work."""

    settings: Settings
    db: Database
    objects: Objects
    fence: Fence

    @property
    def is_last_attempt(self) -> bool:
        """Whether nobody will try again by itself after this attempt."""
        return self.fence.attempt >= self.settings.max_attempts

    @property
    def site(self) -> Site:
        """The newsroom as readers know it."""
        return site_of(self.settings)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A unit of work that only the current attempt can commit. Raises LeaseLost."""
        async with self.db.transaction() as session:
            await outbox.hold(session, self.fence)
            yield session

    async def report(
        self,
        submission_id: UUID,
        event: Event,
        facts: Mapping[str, Any],
        revision_sha256: str | None = None,
        also: Also | None = None,
    ) -> None:
        """Tell the item a fact, with the write that it is about (`also`) in the same transaction.

        A fact that the item has outgrown is dropped; its write stays. An editor may move the item at the
        same moment; then both are done again.
        """
        request = Request(SYSTEM, revision_sha256=revision_sha256)
        for _ in range(_CONFLICT_TRIES):
            try:
                async with self.transaction() as session:
                    if also is not None:
                        await also(session)
                    await _tell(session, submission_id, event, request, Change(facts=facts))
                await _announce(self.db)
                return
            except Conflict:
                await asyncio.sleep(0.02)
        raise Conflict(submission_id)


async def _tell(
    session: AsyncSession, submission_id: UUID, event: Event, request: Request, change: Change
) -> None:
    try:
        await advance(session, submission_id, event, request, change)
    except MoveRefused as refusal:  # refused before anything was written, so the transaction goes on
        _LOG.info("%s no longer applies: %s", event.value, refusal)


async def _announce(db: Database) -> None:
    try:
        await announce(db)
    except Exception as error:  # the fact is told; who watches learns of it by their poll
        if not is_unavailable(error):
            raise


def site_of(settings: Settings) -> Site:
    """The addresses at which readers find us, from the settings."""
    return Site(
        settings.site_name, settings.reader_url, settings.reader_media_url, settings.reader_packages_url
    )


@asynccontextmanager
async def working(outbox_id: int, attempt: int, is_wanted: IsWanted | None = None) -> AsyncIterator[Work]:
    """Hold one attempt's lease from its beginning to its end, and settle the outbox row by how it ends.

    Normal end: finished. NotYet: again after its delay. Any other error: again with a growing delay, or,
    after the last attempt, given up with the reason; never where waiting is all that there is to do
    (`flows.passing`). LeaseLost: somebody else has it; nothing is written.
    `is_wanted` is asked twice a second; when it says no, the work is cancelled and counts as finished.
    """
    settings = Settings()
    fence = Fence(outbox_id, attempt)
    db = Database(settings.require_database_url(), pool_size=4)
    work = Work(settings, db, Objects(settings), fence)
    try:
        async with db.transaction() as session:
            await outbox.extend(session, fence, settings.lease_s, is_running=True)
        try:
            async with _kept_lease(work, is_wanted):
                yield work
        except NoLongerWanted:
            _LOG.info("no longer wanted: stopped")
        async with db.transaction() as session:
            await outbox.finish(session, fence)
    except LeaseLost:
        raise
    except Exception as error:
        await _settle_failure(work, error)
        raise
    finally:
        await db.close()


@asynccontextmanager
async def _kept_lease(work: Work, is_wanted: IsWanted | None) -> AsyncIterator[None]:
    """Renew the lease while the work goes on; cancel the work when it is lost, or no longer wanted."""
    body = asyncio.current_task()
    ended_by: list[Exception] = []

    async def renew() -> None:
        try:
            await _renew_until_lost(work, is_wanted)
        except Exception as error:  # LeaseLost, NoLongerWanted; without a renewal nothing may go on
            ended_by.append(error)
            if body is not None:
                body.cancel()

    renewal = asyncio.create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if ended_by and body is not None and not body.uncancel():
            raise ended_by[0] from None
        raise
    finally:
        renewal.cancel()
        await asyncio.wait([renewal])  # its transaction is rolled back before the database is closed


async def _renew_until_lost(work: Work, is_wanted: IsWanted | None) -> None:
    every_s = work.settings.lease_s / 4
    renewed_at = time.monotonic()
    while True:
        await asyncio.sleep(min(_LOOK_S, every_s))
        is_due = time.monotonic() - renewed_at >= every_s
        try:
            await _look(work, is_wanted, is_due=is_due)
        except Exception as error:
            if not is_unavailable(error):
                raise
            # The database is away for a moment; the lease outlasts three misses.
            _LOG.warning("lease of %s not renewed: %s", work.fence, type(error).__name__)
        else:
            renewed_at = time.monotonic() if is_due else renewed_at


async def _look(work: Work, is_wanted: IsWanted | None, *, is_due: bool) -> None:
    """Renew the lease where that is due, else only look. Raises LeaseLost, NoLongerWanted."""
    async with work.db.transaction() as session:
        if is_due:
            await outbox.extend(session, work.fence, work.settings.lease_s, is_running=True)
        else:
            await outbox.check(session, work.fence)
        if is_wanted is not None and not await is_wanted(session):
            raise NoLongerWanted


async def _settle_failure(work: Work, error: Exception) -> None:
    why = f"{type(error).__name__}: {error}"
    async with work.db.transaction() as session:
        if isinstance(error, NotYet):
            await outbox.retry_later(session, work.fence, str(error), error.delay_s)
        elif work.is_last_attempt and not ends_by_itself(error):
            await outbox.give_up(session, work.fence, why)
        else:
            await outbox.retry_later(session, work.fence, why, backoff_s(work.fence.attempt))


def backoff_s(attempt: int) -> float:
    """Seconds to wait after the given attempt: 2, 4, 8 … up to five minutes."""
    return float(min(_FIRST_DELAY_S * 2 ** min(attempt - 1, 20), _LONGEST_DELAY_S))
