"""Is the process alive, and can it work. For supervisors and load balancers; no sign-in."""

import asyncio
import time
from collections.abc import Awaitable

from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.asking import Held, Resources
from api.openapi import problems
from api.schemas.health import Alive, PartHealth, Readiness
from storage.errors import StorageError, StoreFull
from storage.keys import PUBLIC

router = APIRouter(tags=["health"])
_PATIENCE_S = 3.0


@router.get("/healthz", summary="进程存活 · Alive", responses=problems(is_open=True))
async def alive() -> Alive:
    """The process answers. It says nothing about database and store."""
    return Alive(status="alive")


@router.get(
    "/readyz",
    summary="可以工作 · Ready",
    responses={
        503: {"model": Readiness, "description": "A part does not answer."},
        500: problems(is_open=True)[500],
    },
)
async def ready(held: Held, response: Response) -> Readiness:
    """Whether PostgreSQL and the object store answer within three seconds, each with its state.

    A full store (`is_full`) answers: what is there can be read and reviewed, so that this is still ready.
    """
    postgresql, store = await asyncio.gather(_try(_ask_database(held)), _try(_ask_store(held)))
    is_ready = postgresql.is_ok and store.is_ok
    response.status_code = 200 if is_ready else 503
    store = store.model_copy(update={"is_full": _is_full(held)})
    parts = {"postgresql": postgresql, "object_store": store}
    return Readiness(status="ready" if is_ready else "not_ready", parts=parts)


async def _try(asking: Awaitable[None]) -> PartHealth:
    begun = time.perf_counter()
    try:
        await asyncio.wait_for(asking, _PATIENCE_S)
    except (StorageError, SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        return PartHealth(is_ok=False, duration_s=time.perf_counter() - begun, error=type(error).__name__)
    return PartHealth(is_ok=True, duration_s=time.perf_counter() - begun)


async def _ask_database(held: Resources) -> None:
    async with held.db.transaction() as session:
        await (await session.connection()).execute(text("SELECT 1"))


async def _ask_store(held: Resources) -> None:
    async def ask() -> None:
        await held.objects.exists(PUBLIC, "readyz")

    await held.store_asking(ask)


def _is_full(held: Resources) -> bool:
    """Known of a store on this machine alone; any other says so when it is given something to keep."""
    try:
        held.objects.check_room()
    except StoreFull:
        return True
    except OSError:
        return False
    return False
