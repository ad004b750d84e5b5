"""The real application on a real database and a real gateway, called without a socket between."""

import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from api.app import create_app
from states.content import AssetRef
from storage.assets import add_asset as store_asset
from storage.items import load_item
from storage.keys import asset_key
from storage.settings import Settings
from storage.tables import Asset


@dataclass(frozen=True)
class Api:
    """Calls as somebody of the newsroom, by name; nobody without one."""

    client: httpx.AsyncClient
    tokens: dict[str, str]
    app: Any

    async def __call__(self, method: str, path: str, who: str | None = None, **given: Any) -> httpx.Response:
        headers = dict(given.pop("headers", {}))
        if who is not None:
            headers.setdefault("Authorization", f"Bearer {self.tokens[who]}")
        if path.startswith("/v1"):
            path = f"/api{path}"
        return await self.client.request(method, path, headers=headers, **given)

    async def seen(self, path: str) -> dict[str, str]:
        """The header that says that the record was seen as it is now."""
        return {"If-Match": (await self("GET", path, "admin")).headers["ETag"]}

    async def draft(self, who: str = "writer", **content: Any) -> dict[str, Any]:
        """A new submission, as it stands."""
        given = {"title": "新桥通车", "body": "正文。", "ai_label": "none", "destinations": ["app"]} | content
        answer = await self("POST", "/v1/submissions", who, json=given)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def event(self, item: Any, event: str, who: str, **given: Any) -> httpx.Response:
        """One event."""
        headers = given.pop("headers", {})
        path = f"/v1/submissions/{item}/events"
        return await self("POST", path, who, json={"event": event, **given}, headers=headers)


@pytest.fixture(scope="module")
async def api(newsroom: Any, module_database: str, gateway: Settings) -> AsyncIterator[Api]:
    """The application with this module's newsroom behind it."""
    settings = gateway.model_copy(
        update={
            "database_url": module_database,
            "database_pool_size": 5,
            "site_url": "https://news.example.org",
            "upload_max_bytes": 10**9,
            "prefect_api_url": "http://prefect.example.org:4200/api",
            "allowed_private_hosts": ("hooks.localhost:9000", "127.0.0.1:9000"),
        }
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.example.org") as client:
            yield Api(client, newsroom.tokens, app)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document of an answer, after its form was checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["instance"] == answer.request.url.path
    for member in ("title", "detail", "detail_zh", "detail_en"):
        assert document[member].strip()
    return document


@pytest.fixture(scope="session")
def is_problem() -> Any:
    """`problem`, for tests that cannot import from here."""
    return problem


@pytest.fixture(scope="module")
def add_asset(newsroom: Any) -> Any:
    """Gives a draft a file, as an upload would, without its bytes."""

    async def add(item: Any, filename: str, **given: Any) -> Asset:
        sha256 = hashlib.sha256(f"{item}{filename}".encode()).hexdigest()
        item = UUID(str(item))
        values = {"submission_id": item, "sha256": sha256, "size_bytes": 10, "filename": filename} | given
        async with newsroom.db.transaction() as session:
            asset = await store_asset(session, Asset(object_key=asset_key(sha256), **values))
            content = (await load_item(session, item)).content
        await newsroom.edit(item, assets=(*content.assets, AssetRef(sha256, filename)))
        return asset

    return add


@pytest.fixture(scope="module")
def served(gateway: Settings, module_database: str) -> Iterator[str]:
    """The address of the application on a real socket, on this module's database."""
    given = {"database_url": module_database, "database_pool_size": 10, "upload_max_bytes": 10**9}
    config = uvicorn.Config(
        create_app(gateway.model_copy(update=given)), port=0, log_level="error", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(20)
