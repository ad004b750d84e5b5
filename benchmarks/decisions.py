"""Review decisions a second over HTTP, against a bare endpoint with one UPDATE and one INSERT."""

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.load import Shot, fire, shot
from benchmarks.serving import serving
from deployments.stack.background import free_ports
from deployments.stack.temporary_postgres import temporary_postgres
from states.content import Content
from states.events import Event
from states.item import Request
from states.roles import SYSTEM, Actor, Role
from storage import migrations
from storage.advance import advance
from storage.database import Database
from storage.drafts import create_submission
from storage.people import actor_of, add_person, open_sign_in
from storage.tables import Destination, Person

_ROUND, _ROUNDS, _CONNECTIONS = 400, 5, 16


async def measure() -> dict[str, Any]:
    """Rounds of bare and real requests by turns, so that both meet the same machine; medians and their ratio."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 - PostgreSQL runs as another user when we are root
        with temporary_postgres(Path(folder) / "pg") as url:
            await _in_thread(migrations.upgrade, url)
            return await _measure(url)


async def _measure(url: str) -> dict[str, Any]:
    token, items = await _prepare(url, _ROUND * _ROUNDS)
    first = free_ports(3)
    ports = {"bare asyncpg": first, "bare SQLAlchemy": first + 1, "approve": first + 2}
    env = {"SANSHEN_DATABASE_URL": url, "SANSHEN_S3_ENDPOINT": "http://127.0.0.1:9"}
    env |= {"SANSHEN_S3_ACCESS_KEY": "none", "SANSHEN_S3_SECRET_KEY": "none", "BENCH_DATABASE_URL": url}
    with (
        serving("benchmarks.bare:app", ports["bare asyncpg"], {**env, "BENCH_DRIVER": "asyncpg"}),
        serving("benchmarks.bare:app", ports["bare SQLAlchemy"], {**env, "BENCH_DRIVER": "sqlalchemy"}),
        serving("api.app:app", ports["approve"], env),
    ):
        rates: dict[str, list[float]] = {name: [] for name in ports}
        for number in range(_ROUNDS):
            mine = items[number * _ROUND : (number + 1) * _ROUND]
            for name, port in ports.items():
                shots = _shots(name, mine, token)
                result = await fire(port, shots, _CONNECTIONS)
                if set(result.statuses) != {200}:
                    raise RuntimeError(f"{name}: {result.statuses}")
                rates[name].append(result.per_second)
    medians = {f"{name}, requests a second": statistics.median(found) for name, found in rates.items()}
    ratio = statistics.median(a / b for a, b in zip(rates["approve"], rates["bare SQLAlchemy"], strict=True))
    strict = statistics.median(a / b for a, b in zip(rates["approve"], rates["bare asyncpg"], strict=True))
    return {**medians, "ratio to bare SQLAlchemy (goal 0.6)": ratio, "ratio to bare asyncpg": strict}


def _shots(name: str, items: list[tuple[int, UUID, str]], token: str) -> list[Shot]:
    if name != "approve":
        return [shot(f"/items/{number}", b'{"event": "approve"}') for number, _, _ in items]
    return [
        shot(
            f"/api/v1/submissions/{submission_id}/events",
            f'{{"event": "approve", "revision_sha256": "{sha256}"}}'.encode(),
            token,
        )
        for _, submission_id, sha256 in items
    ]


async def _prepare(url: str, count: int) -> tuple[str, list[tuple[int, UUID, str]]]:
    """Items in first review, an editor who may approve them, and the bare tables."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE bare_item (id int PRIMARY KEY, version int NOT NULL DEFAULT 0)")
    await connection.execute("CREATE TABLE bare_event (id bigserial PRIMARY KEY, item int, event text)")
    await connection.execute("INSERT INTO bare_item (id) SELECT generate_series(1, $1::int)", count)
    await connection.close()
    db = Database(url, 4)
    async with db.transaction() as session:
        session.add(Destination(id="app", platform="app", name="app"))
        author = await _person(session, "author", Role.CORRESPONDENT)
        editor = await _person(session, "editor", Role.DUTY_EDITOR)
        token, _ = await open_sign_in(session, editor, 12)
    items = [(n + 1, *await _item(db, actor_of(author), actor_of(editor), n)) for n in range(count)]
    await db.close()
    return token, items


async def _person(session: Any, name: str, role: Role) -> Person:
    return await add_person(
        session, Person(username=name, display_name=name, password_hash="-", roles=[role.value])
    )


async def _item(db: Database, author: Actor, editor: Actor, number: int) -> tuple[UUID, str]:
    content = Content(
        title=f"第{number}篇：河湾村连夜加固堤坝", body="正文。" * 200, ai_label="none", destinations=("app",)
    )
    sha256 = content.sha256()
    async with db.transaction() as session:
        row = await create_submission(session, author, content)
        await advance(session, row.id, Event.SUBMIT, Request(author))
        await advance(session, row.id, Event.INTAKE_PASSED, Request(SYSTEM, sha256))
        await advance(session, row.id, Event.CLAIM, Request(editor))
    return row.id, sha256


async def _in_thread(work: Any, *args: Any) -> None:
    import asyncio

    await asyncio.to_thread(work, *args)
