"""Work on real servers without Prefect's: outbox rows by hand, flows as plain functions, platforms that obey."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col, select

from flows import distribute, intake, render, retract
from flows.context import Work
from flows.ledger import Ledger
from media.hashing import hash_file
from media.profiles import PROFILES, Profile, Rung
from media.sample import make_still
from platforms.frame import Confirmed, Outcome, Platform
from platforms.registry import PLATFORMS
from states.content import AssetRef
from states.events import Effect, Event
from states.item import State
from states.roles import SYSTEM
from states.text import Text
from storage import assets, outbox, renditions
from storage.destinations import add_destination
from storage.effects import enqueue
from storage.items import load_item
from storage.keys import ASSETS, asset_key
from storage.objects import Objects
from storage.outbox import Fence
from storage.settings import Settings
from storage.tables import Asset, Delivery, Destination, OutboxRow

SAID = Text("对方说的话", "what they said")


@pytest.fixture
def set_up(newsroom: Any, gateway: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of this test's servers, in the environment too, where a run looks for them."""
    settings = gateway.model_copy(update={"database_url": newsroom.db.url, "lease_s": 20, "max_attempts": 6})
    secret = settings.s3_secret_key
    assert isinstance(secret, SecretStr)
    monkeypatch.setenv("SANSHEN_HOME", str(settings.home))
    monkeypatch.setenv("SANSHEN_DATABASE_URL", newsroom.db.url)
    monkeypatch.setenv("SANSHEN_S3_ENDPOINT", str(settings.s3_endpoint))
    monkeypatch.setenv("SANSHEN_S3_ACCESS_KEY", str(settings.s3_access_key))
    monkeypatch.setenv("SANSHEN_S3_SECRET_KEY", secret.get_secret_value())
    return settings


@dataclass
class Desk:
    """What the tests do to outbox, assets and deliveries."""

    newsroom: Any
    settings: Settings

    async def enqueue(self, effect: Effect, item: UUID, **payload: Any) -> int:
        async with self.newsroom.db.transaction() as session:
            return await enqueue(session, effect, item, payload=payload)

    async def claim(self, outbox_id: int, lease_s: float = 60) -> Fence:
        """This one row, as the next attempt."""
        async with self.newsroom.db.transaction() as session:
            statement = (
                update(OutboxRow)
                .where(col(OutboxRow.id) == outbox_id)
                .values(
                    attempt=col(OutboxRow.attempt) + 1,
                    leased_until=outbox._after(lease_s),
                    started_at=None,
                    flow_run_id=None,
                )
                .returning(col(OutboxRow.attempt))
            )
            return Fence(outbox_id, (await session.exec(statement)).scalar_one())

    async def work(self, effect: Effect, item: UUID, lease_s: float = 60, **payload: Any) -> Work:
        """A first attempt at new work."""
        fence = await self.claim(await self.enqueue(effect, item, **payload), lease_s)
        return Work(self.settings, self.newsroom.db, Objects(self.settings), fence)

    async def take(self, effect: Effect, item: UUID) -> Fence:
        """The newest row of this effect that followed from the item's moves, claimed."""
        async with self.newsroom.db.transaction() as session:
            rows = [row for row in await outbox.work_of(session, item) if row.effect == effect]
        return await self.claim(rows[-1].id or 0)

    async def row(self, outbox_id: int) -> OutboxRow:
        async with self.newsroom.db.transaction() as session:
            found = await session.get(OutboxRow, outbox_id)
        assert found is not None
        return found

    async def change(self, table: Any, identifier: Any, **values: Any) -> None:
        async with self.newsroom.db.transaction() as session:
            await session.exec(update(table).where(col(table.id) == identifier).values(**values))

    async def deliveries(self, item: UUID) -> dict[str, Delivery]:
        async with self.newsroom.db.transaction() as session:
            found = await session.exec(select(Delivery).where(col(Delivery.submission_id) == item))
            return {each.destination_id: each for each in found}

    async def events(self, item: UUID) -> list[Any]:
        from storage.board import history_of

        async with self.newsroom.db.transaction() as session:
            return [row for row, _ in await history_of(session, item)]

    async def item(self, item: UUID) -> Any:
        async with self.newsroom.db.transaction() as session:
            return (await load_item(session, item)).row

    async def assets(self, item: UUID) -> dict[str, Asset]:
        async with self.newsroom.db.transaction() as session:
            return {each.filename: each for each in await assets.assets_of(session, item)}

    async def add_file(self, item: UUID, path: Path) -> Asset:
        """A file of the author's draft, as an upload would have left it."""
        found = hash_file(path)
        key = asset_key(found.sha256)
        await Objects(self.settings).put_file(ASSETS, key, path, "application/octet-stream")
        asset = Asset(
            submission_id=item,
            sha256=found.sha256,
            size_bytes=found.size_bytes,
            filename=path.name,
            object_key=key,
        )
        async with self.newsroom.db.transaction() as session:
            await assets.add_asset(session, asset)
            content = (await load_item(session, item)).content
        content = content.with_asset(AssetRef(asset.sha256, path.name))
        await self.newsroom.send(item, Event.EDIT, "writer", content=content)
        return asset

    async def signed(self, **content: Any) -> UUID:
        """A piece that was signed off with exactly the renditions that it has (none)."""
        item: UUID = await self.newsroom.in_state(State.FINAL_REVIEW, **content)
        await self.sign(item)
        return item

    async def sign(self, item: UUID) -> None:
        sha256 = await self.newsroom.revision(item)
        async with self.newsroom.db.transaction() as session:
            made = await renditions.of_revision(session, item, sha256)
        facts = {
            "revision_sha256": sha256,
            "manifest_sha256": renditions.manifest_sha256(made),
            "problems": [],
        }
        await self.newsroom.send(item, Event.MEDIA_READY, SYSTEM, facts=facts)
        await self.newsroom.send(item, Event.APPROVE, "chief")
        await Ledger(
            self.settings, self.newsroom.db
        ).sequence()  # as the dispatcher does before it starts anything


@pytest.fixture
def desk(newsroom: Any, set_up: Settings) -> Desk:
    """The hands of the tests."""
    return Desk(newsroom, set_up)


@dataclass
class PlainTask:
    """A task without Prefect's engine around it; the names of its runs are kept."""

    fn: Callable[..., Awaitable[Any]]
    names: list[str] = field(default_factory=list)

    def with_options(self, task_run_name: str) -> Callable[..., Awaitable[Any]]:
        self.names.append(task_run_name)
        return self.fn


@pytest.fixture
def plain_tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, PlainTask]:
    """Every task of our flows as a plain function, so that `flow.fn` needs no server of Prefect's."""
    found = {}
    places = (
        (intake, "check_asset"),
        (render, "render_source"),
        (distribute, "deliver"),
        (retract, "take_back"),
    )
    for module, name in places:
        found[name] = PlainTask(getattr(module, name).fn)
        monkeypatch.setattr(module, name, found[name])
    return found


class ObedientPlatform(Platform):
    """Answers as it is told: an outcome, an error, or a function of the delivery's id that gives one."""

    name = "obedient"
    label = Text("听话", "obedient")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    is_idempotent = True

    def __init__(self) -> None:
        self.answer: Any = Confirmed("there-1", "https://there.example/1")
        self.published: list[tuple[str, int]] = []
        self.titles: dict[str, str] = {}  # by destination
        self.retracted: list[tuple[str, str]] = []

    def check(self, story: Any) -> tuple[Any, ...]:
        return ()

    async def publish(self, story: Any, destination: Any, delivery_id: str, tools: Any) -> Outcome:
        self.published.append((delivery_id, story.version))
        self.titles[destination.id] = story.title
        return await self._answer(delivery_id)

    async def retract(self, story: Any, destination: Any, delivery_id: str, tools: Any) -> Outcome:
        self.retracted.append((delivery_id, story.status))
        return await self._answer(delivery_id)

    async def _answer(self, delivery_id: str) -> Outcome:
        answer = self.answer
        if callable(answer):
            answer = await answer(delivery_id)
        if isinstance(answer, BaseException):
            raise answer
        outcome: Outcome = answer
        return outcome


@pytest.fixture
async def platforms(newsroom: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """await platforms("a", "b"): a destination and a platform of its own for each; gives them by id."""

    async def made(*names: str, is_idempotent: bool = True) -> dict[str, ObedientPlatform]:
        found = {}
        for name in names:
            identifier = f"{name}-{uuid4().hex[:6]}"
            platform = ObedientPlatform()
            platform.is_idempotent = is_idempotent  # type: ignore[misc]
            for module in (distribute, retract, render):
                monkeypatch.setattr(module, "PLATFORMS", {**module.PLATFORMS, identifier: platform})
            async with newsroom.db.transaction() as session:
                given = Destination(id=identifier, platform=identifier, name=f"渠道 {name}")
                await add_destination(session, given)
            found[identifier] = platform
        return found

    assert "app" in PLATFORMS
    return made


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """still(seed): a small picture; another seed is another content."""
    folder = tmp_path_factory.mktemp("stills")

    def made(seed: int) -> Path:
        path = folder / f"town-{seed}.jpg"
        if not path.exists():
            _run(make_still(path, seed=seed, width=320, height=240))
        return path

    return made


def _run(work: Any) -> None:
    import threading

    thread = threading.Thread(target=lambda: asyncio.run(work))
    thread.start()
    thread.join()


@pytest.fixture
def small_profiles(monkeypatch: pytest.MonkeyPatch) -> dict[str, Profile]:
    """The profiles of stills, made small: other keys than in production, and quick."""
    rung = (Rung("small", 160, 120),)
    small = {**PROFILES} | {name: replace(PROFILES[name], rungs=rung) for name in ("thumbnail", "app_still")}
    for module in (intake, render):
        monkeypatch.setattr(module, "PROFILES", small)
    return small
