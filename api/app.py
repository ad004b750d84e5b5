"""The application: its routers, what it holds while it runs, and its edge."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from api import (
    audit,
    auth,
    autosaves,
    calendar,
    claims,
    comments,
    delegations,
    deliveries,
    destinations,
    differences,
    events,
    feeds,
    health,
    people,
    preset_reasons,
    proofs,
    queue,
    record,
    retention,
    search,
    station,
    story_pages,
    stream,
    submissions,
    tus,
    uploads,
    web_files,
    workflows,
)
from api.answers import add_handlers
from api.asking import Resources
from api.edge import Edge
from api.openapi import describe_with_problems
from api.reader_files import ReaderFiles
from storage.database import Database
from storage.objects import Objects
from storage.settings import Settings

_ROOMS = (
    auth,
    claims,
    people,
    delegations,
    workflows,
    calendar,
    destinations,
    submissions,
    queue,
    events,
    stream,
    comments,
    preset_reasons,
    retention,
    station,
    autosaves,
    proofs,
    record,
    search,
    differences,
    audit,
    uploads,
    web_files,
    tus,
    deliveries,
    feeds,
    story_pages,
    health,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API. Without settings it reads them when it starts, not when it is imported."""
    app = FastAPI(
        title="三审 Sanshen",
        version=_version(),
        lifespan=_lifespan(settings),
        docs_url=None,  # the page would load its scripts from elsewhere; `/openapi.json` describes all
        redoc_url=None,
        redirect_slashes=False,
    )
    for room in _ROOMS:
        app.include_router(room.router)
    add_handlers(app)
    app.add_middleware(Edge)
    app.add_middleware(ReaderFiles)
    describe_with_problems(app)
    return app


def _lifespan(settings: Settings | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        chosen = settings or Settings()
        db = Database(chosen.require_database_url(), chosen.database_pool_size)
        app.state.resources = resources = Resources(chosen, db, Objects(chosen))
        try:
            yield
        finally:
            await resources.live.close()
            await db.close()

    return lifespan


def _version() -> str:
    try:
        return version("sanshen")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


app = create_app()
