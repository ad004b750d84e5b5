"""Real servers for the tests that need them, and a small newsroom in a database of its own for each module."""

import asyncio
import os
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from deployments.stack import s3
from deployments.stack.errors import SocketInTheWay
from deployments.stack.postgres import APP_LOGIN
from deployments.stack.process import child_environment, die_with_parent
from deployments.stack.secrets import load_secrets
from deployments.stack.temporary_postgres import app_url, temporary_postgres
from states.content import Content
from states.events import Event
from states.item import Request, State
from states.ledger import canonical_sha256
from states.roles import SYSTEM, Actor, Role
from storage import migrations
from storage.advance import Advanced, Change, advance
from storage.buckets import set_up_buckets
from storage.database import Database
from storage.destinations import add_destination
from storage.drafts import create_submission
from storage.grants import apply_grants
from storage.items import load_item
from storage.log import sequence
from storage.notes import Signer
from storage.objects import Objects
from storage.people import actor_of, add_person, hash_password, open_sign_in
from storage.settings import Settings
from storage.tables import Destination, Person, Submission

PASSWORD = "correct horse battery"


def _run_apart(work: Callable[[], None]) -> None:
    """In a thread: Alembic and our own set-up bring event loops of their own."""
    failed: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:  # handed to the caller below
            failed.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@pytest.fixture(scope="session")
def run_apart() -> Callable[[Callable[[], None]], None]:
    """Run work in a thread, where it may bring an event loop of its own."""
    return _run_apart


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty PostgreSQL for the session, as its owner; `newsroom_template` in it is migrated and never changed."""
    with temporary_postgres(tmp_path_factory.mktemp("pg")) as url:
        template = _beside(url, "newsroom_template")
        _run_apart(lambda: asyncio.run(_execute(url, "CREATE DATABASE newsroom_template")))
        _run_apart(lambda: migrations.upgrade(template))
        _run_apart(lambda: asyncio.run(apply_grants(template, APP_LOGIN)))
        yield url


def _beside(url: str, name: str) -> str:
    return url.replace("/sanshen?", f"/{name}?")


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[str]:
    """A database of this test's own, with the application's login."""
    yield from _clone(postgres_url)


@pytest.fixture(scope="module")
def module_database(postgres_url: str) -> Iterator[str]:
    """A database of this module's own, with the application's login: its tests make submissions in it."""
    yield from _clone(postgres_url)


@pytest.fixture(scope="session")
def as_owner() -> Callable[[str], str]:
    """The address of the same database with the login that owns its tables: for what the application may not do."""
    return lambda url: url.replace(f"//{APP_LOGIN}:", "//sanshen:", 1)


@pytest.fixture(scope="module")
async def owner_db(module_database: str, as_owner: Callable[[str], str]) -> AsyncIterator[Database]:
    """This module's database as its owner."""
    db = Database(as_owner(module_database), pool_size=2)
    yield db
    await db.close()


def _clone(url: str) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    _run_apart(lambda: asyncio.run(_execute(url, f"CREATE DATABASE {name} TEMPLATE newsroom_template")))
    yield app_url(_beside(url, name))
    _run_apart(lambda: asyncio.run(_execute(url, f"DROP DATABASE {name} WITH (FORCE)")))


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The S3 gateway for the session, with its buckets, as settings."""
    with _running_gateway(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(scope="module")
def own_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A gateway of this module's own: for what looks at everything in the buckets, and removes."""
    with _running_gateway(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@contextmanager
def _running_gateway(folder: Path) -> Iterator[Settings]:
    gateway = Gateway(folder)
    try:
        gateway.start()
        yield gateway.settings
    finally:
        gateway.stop()
        shutil.rmtree(folder / "data", ignore_errors=True)


class Gateway:
    """An S3 gateway with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = load_secrets(folder)
        self.port = _free_port()
        self.settings = Settings(
            home=folder,
            s3_port=self.port,
            s3_endpoint=f"http://127.0.0.1:{self.port}",
            s3_access_key=self.keys.s3_access_key,
            s3_secret_key=SecretStr(self.keys.s3_secret_key),
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Comes back when it answers and has its buckets."""
        s3.prepare(self.folder, self.keys)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                s3.command(self.folder, self.port),
                env=child_environment(s3.environment(self.keys), self.folder),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(s3.STOP_SIGNAL),  # noqa: PLW1509 - a prctl
            )
        _run_apart(lambda: asyncio.run(_open_store(self.settings, self.port)))

    def signal(self, number: int) -> None:
        """Send it a signal; of one that is killed, the end is waited for."""
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process is None:
            return
        self.process.send_signal(
            s3.STOP_SIGNAL
        )  # killed, it would leave its sockets in /tmp for the next user
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class SmallStore(Gateway):
    """A gateway whose disk is small enough to be filled."""

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all space but so much of its disk."""
        file = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while (free := shutil.disk_usage(self.folder).free - leave_bytes) > 0:
                os.write(file, bytes(min(free, 2**20)))
        finally:
            os.close(file)

    def empty(self) -> None:
        """Give the space back."""
        self._filler.unlink()


@pytest.fixture(scope="module")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStore]:
    """A gateway of this module's own on a disk of 256 MiB, a tmpfs; skipped where none can be mounted."""
    with _small_disk(tmp_path_factory.mktemp("small")) as folder:
        (folder / "s3").mkdir()
        store = SmallStore(folder / "s3")
        store.settings = store.settings.model_copy(update={"s3_folder": s3.data_folder(store.folder)})
        try:
            store.start()
            yield store
        finally:
            store.stop()


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)]
    if not _can_run(mount):
        yield from _disk_of_a_namespace(folder, mount)
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _disk_of_a_namespace(folder: Path, mount: list[str]) -> Iterator[Path]:
    """Who may not mount may do so in a namespace of their own; its process shows it to others below /proc."""
    if shutil.which("unshare") is None:
        pytest.skip("no small disk: this user may not mount one, and there is no unshare")
    inside = f"{shlex.join(mount)} && echo mounted && exec cat"
    holder = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip("no small disk: this user may mount nothing, nor make a namespace to mount in")
        yield Path(f"/proc/{holder.pid}/root") / folder.relative_to("/")


def _can_run(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _free_port() -> int:
    for first in range(21000, 45000, 50):
        try:
            s3.check_sockets(first)
        except SocketInTheWay:
            continue
        if not any(_is_taken(number) for number in s3.ports(first)):
            return first
    raise AssertionError("no free ports")


def _is_taken(number: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) == 0


async def _open_store(settings: Settings, port: int) -> None:
    deadline = time.monotonic() + 60
    while not await s3.is_ready(port):
        assert time.monotonic() < deadline, "the S3 gateway does not answer"
        await asyncio.sleep(0.05)
    await set_up_buckets(settings)


@pytest.fixture
async def objects(gateway: Settings) -> Objects:
    """The object store of the session."""
    return Objects(gateway)


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of everybody's password: one for all, as it takes its time on purpose."""
    return hash_password(PASSWORD)


@dataclass(frozen=True)
class Newsroom:
    """People of every role in one database, and the shortest way to an item in any state."""

    db: Database
    people: dict[str, Person]
    tokens: dict[str, str]

    def actor(self, name: str) -> Actor:
        return actor_of(self.people[name])

    async def draft(self, author: str = "writer", **content: Any) -> Submission:
        given = {
            "title": "新桥通车",
            "body": "正文。",
            "ai_label": "none",
            "destinations": ("app",),
        } | content
        async with self.db.transaction() as session:
            return await create_submission(session, self.actor(author), Content(**given))

    async def send(
        self, item: UUID, event: Event, who: str | Actor, reason: str | None = None, **change: Any
    ) -> Advanced:
        """One event, on the revision that is current."""
        actor = self.actor(who) if isinstance(who, str) else who
        async with self.db.transaction() as session:
            loaded = await load_item(session, item)
            request = Request(actor, loaded.row.revision_sha256, reason)
            return await advance(session, item, event, request, Change(**change))

    async def received(self, **content: Any) -> UUID:
        """Sent in, and intake is done."""
        item = (await self.draft(**content)).id
        await self.send(item, Event.SUBMIT, "writer")
        await self.send(item, Event.INTAKE_PASSED, SYSTEM)
        return item

    async def in_state(self, state: State, **content: Any) -> UUID:
        """In one of the reviews, signed off and waiting for its deliveries, or published."""
        item = await self.received(**content)
        for stage, reviewer in (
            ("first_review", "duty"),
            ("second_review", "head"),
            ("final_review", "chief"),
        ):
            await self.send(item, Event.CLAIM, reviewer)
            if state == stage:
                return item
            if stage == "final_review":
                await self.media_ready(item)
            await self.send(item, Event.APPROVE, reviewer)
        if state is State.PUBLISHED:
            await self.send(item, Event.DELIVERY_CONFIRMED, SYSTEM)
        else:
            assert state is State.APPROVED
        return item

    async def media_ready(self, item: UUID) -> None:
        sha256 = await self.revision(item)
        facts = {"revision_sha256": sha256, "manifest_sha256": "0" * 64, "problems": []}
        await self.send(item, Event.MEDIA_READY, SYSTEM, facts=facts)

    async def revision(self, item: UUID) -> str:
        async with self.db.transaction() as session:
            return (await load_item(session, item)).row.revision_sha256

    async def edit(self, item: UUID, who: str = "writer", **change: Any) -> Advanced:
        async with self.db.transaction() as session:
            content = replace((await load_item(session, item)).content, **change)
        return await self.send(item, Event.EDIT, who, content=content)


_ROLES = {
    "writer": [Role.CORRESPONDENT],
    "other_writer": [Role.CORRESPONDENT],
    "duty": [Role.DUTY_EDITOR],
    "head": [Role.DESK_HEAD],
    "chief": [Role.EDITOR_IN_CHIEF],
    "operator": [Role.OPERATOR],
    "admin": [Role.ADMINISTRATOR],
    "all_reviews": [Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF],
}


@pytest.fixture(scope="module")
async def newsroom(module_database: str, password_hash: str) -> AsyncIterator[Newsroom]:
    """A newsroom for this module."""
    db = Database(module_database, pool_size=10)
    people, tokens = {}, {}
    async with db.transaction() as session:
        for name, roles in _ROLES.items():
            person = Person(
                username=name, display_name=f"名 {name}", password_hash=password_hash, roles=list(roles)
            )
            people[name] = await add_person(session, person)
            tokens[name], _ = await open_sign_in(session, person, 1)
        await add_destination(session, Destination(id="app", platform="app", name="客户端"))
        await add_destination(session, Destination(id="short", platform="vertical", name="短视频"))
    yield Newsroom(db, people, tokens)
    await db.close()


@dataclass(frozen=True)
class Book:
    """The log of a newsroom, for those who read it and for those who forge it."""

    newsroom: Newsroom
    owner: Database
    signer: Signer

    async def sequence(self, signer: Signer | None = None) -> None:
        """Everything that waits is in the log."""
        is_more = True
        while is_more:
            async with self.newsroom.db.transaction() as session:
                is_more = await sequence(session, signer or self.signer) is not None

    async def signed(self, **content: Any) -> UUID:
        """Signed off with the renditions that it has: none."""
        item = await self.newsroom.in_state(State.FINAL_REVIEW, **content)
        sha256 = await self.newsroom.revision(item)
        facts = {"revision_sha256": sha256, "manifest_sha256": canonical_sha256([]), "problems": []}
        await self.newsroom.send(item, Event.MEDIA_READY, SYSTEM, facts=facts)
        await self.newsroom.send(item, Event.APPROVE, "chief")
        return item

    async def published(self, **content: Any) -> UUID:
        """Signed off, handed over, confirmed."""
        item = await self.signed(**content)
        facts = {"revision_number": 1, "destination": "app"}
        await self.newsroom.send(item, Event.DELIVERY_CONFIRMED, SYSTEM, facts=facts)
        return item

    @asynccontextmanager
    async def forging(self, *statements: str, **values: Any) -> AsyncIterator[AsyncSession]:
        """What the owner of the tables can do when nobody looks: no trigger, no reference. Undone at the end."""
        async with self.owner._sessions() as session:
            connection = await session.connection()
            await connection.execute(text(_FREE))
            for statement in statements:
                given = {name: value for name, value in values.items() if f":{name}" in statement}
                await connection.execute(text(statement), given)
            yield session
            await session.rollback()

    async def scalar(self, statement: str, **values: Any) -> Any:
        """One value from the database."""
        async with self.newsroom.db.transaction() as session:
            return await (await session.connection()).scalar(text(statement), values)


_FREE = """
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT conrelid::regclass AS name, conname FROM pg_constraint
        WHERE contype IN ('f', 'c') AND connamespace = current_schema()::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', each.name, each.conname);
    END LOOP;
    FOR each IN SELECT oid::regclass AS name FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', each.name);
    END LOOP;
END $$
"""


@pytest.fixture
def book(newsroom: Newsroom, owner_db: Database) -> Book:
    """The log of this module's newsroom."""
    return Book(newsroom, owner_db, Signer("sanshen/test", bytes(range(32))))
