"""My queue over HTTP with 100,000 submissions: for whole newsrooms and for one column, near and far pages."""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from benchmarks.serving import serving
from deployments.stack.background import free_ports
from deployments.stack.temporary_postgres import temporary_postgres
from states.roles import Role
from storage import migrations
from storage.database import Database
from storage.people import add_person, open_sign_in
from storage.tables import Delegation, Person
from storage.tables._columns import now

_REQUESTS, _PAGES_BEHIND = 60, 20
_COLUMNS = [f"栏目{number}" for number in range(20)]
# name: roles, columns, whose desk head's role they have too
_READERS: dict[str, tuple[list[Role], list[str], bool]] = {
    "duty editor": ([Role.DUTY_EDITOR], [], False),
    "duty editor of two columns": ([Role.DUTY_EDITOR], _COLUMNS[3:5], False),
    "duty editor of a column without pieces": ([Role.DUTY_EDITOR], ["无稿"], False),
    "duty editor, deputy of a desk head": ([Role.DUTY_EDITOR], [], True),
    "with all three roles, author of 500": (
        [Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF],
        [],
        False,
    ),
}
# In three of a hundred something is to be done, as in a newsroom's archive; or in all of them.
_NEWSROOMS = {
    "1,000, all waiting": (1000, 100),
    "100,000, 3 % waiting": (100_000, 3),
    "100,000, all waiting": (100_000, 100),
}


async def measure() -> dict[str, Any]:
    """For each newsroom the p95 of its slowest reader; the same for one of 1,000 shows what the total costs."""
    figures: dict[str, Any] = {}
    for name, (total, waiting_percent) in _NEWSROOMS.items():
        with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
            os.chmod(folder, 0o711)  # noqa: PTH101 - PostgreSQL runs as another user when we are root
            with temporary_postgres(Path(folder) / "pg") as url:
                await asyncio.to_thread(migrations.upgrade, url)
                tokens = await _prepare(url, total, waiting_percent)
                found = await _measure(url, tokens)
        slowest = max(found, key=lambda each: found[each])
        figures[f"{name}: slowest p95, ms (goal 50)"] = found[slowest]
        figures[f"{name}: which"] = slowest
        figures[f"{name}: median of the p95, ms"] = statistics.median(found.values())
    return figures


async def _measure(url: str, tokens: dict[str, str]) -> dict[str, float]:
    port = free_ports(1)
    env = {"SANSHEN_DATABASE_URL": url, "SANSHEN_S3_ENDPOINT": "http://127.0.0.1:9"}
    env |= {"SANSHEN_S3_ACCESS_KEY": "none", "SANSHEN_S3_SECRET_KEY": "none"}
    found = {}
    base = f"http://127.0.0.1:{port}/api/v1/queue"
    with serving("api.app:app", port, env):
        async with httpx.AsyncClient(trust_env=False) as client:
            for name, token in tokens.items():
                client.headers["Authorization"] = f"Bearer {token}"
                cursor = await _far_cursor(client, base)
                found[f"{name}, first page"] = await _p95_ms(client, base)
                if cursor is not None:
                    found[f"{name}, page {_PAGES_BEHIND}"] = await _p95_ms(client, f"{base}?cursor={cursor}")
    return found


async def _far_cursor(client: httpx.AsyncClient, base: str) -> str | None:
    cursor = None
    for _ in range(_PAGES_BEHIND - 1):
        page = await client.get(base, params={} if cursor is None else {"cursor": cursor})
        cursor = page.raise_for_status().json()["next"]
        if cursor is None:
            break
    return cursor


async def _p95_ms(client: httpx.AsyncClient, address: str) -> float:
    times = []
    for _ in range(_REQUESTS):
        started = time.perf_counter()
        (await client.get(address)).raise_for_status()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.quantiles(times[5:], n=20)[-1]


async def _prepare(url: str, total: int, waiting_percent: int) -> dict[str, str]:
    db, tokens = Database(url, 4), {}
    async with db.transaction() as session:
        for number in range(40):
            await add_person(session, _person(f"author{number}", [Role.CORRESPONDENT], []))
        head = await add_person(session, _person("head", [Role.DESK_HEAD], []))
        for name, (roles, columns, is_deputy) in _READERS.items():
            person = await add_person(session, _person(name, roles, columns))
            tokens[name], ends_at = await open_sign_in(session, person, 12)
            if is_deputy:
                lent = {"principal_id": head.id, "deputy_id": person.id, "role": Role.DESK_HEAD.value}
                session.add(Delegation(**lent, starts_at=now(), ends_at=ends_at, granted_by=head.id))
    await db.close()
    connection = await asyncpg.connect(url)
    await connection.execute(_SUBMISSIONS, total, waiting_percent, _COLUMNS)
    await connection.execute(_OWN)
    await connection.execute(_APPROVALS)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return tokens


def _person(name: str, roles: list[Role], columns: list[str]) -> Person:
    values = {"roles": [role.value for role in roles], "columns": columns}
    return Person(username=name, display_name=name, password_hash="-", **values)


# Every sixth waits for the final review, every third for the second; every fiftieth is held or was, of each
# ten one has no deadline, and what is done is published, rejected or withdrawn.
_SUBMISSIONS = """
INSERT INTO submission (id, version, state, workflow_id, stage, stage_role, is_fast_track, author_id,
    last_editor_id, claimed_by, claimed_until, due_at, review_round, revision_number, revision_sha256,
    column_name, title, is_intake_done, last_event_hash)
SELECT gen_random_uuid(), 3, CASE WHEN waits THEN (ARRAY['received', 'second_review', 'final_review'])[stage]
        ELSE (ARRAY['published', 'rejected', 'withdrawn'])[1 + n % 3] END,
    1, CASE WHEN waits THEN (ARRAY['first_review', 'second_review', 'final_review'])[stage] END,
    CASE WHEN waits THEN (ARRAY['duty_editor', 'desk_head', 'editor_in_chief'])[stage] END,
    false, author, author, CASE WHEN n % 50 = 0 THEN head END,
    CASE WHEN n % 50 = 0 THEN now() + make_interval(mins => (n % 60)::int - 30) END,
    CASE WHEN waits AND n % 10 > 0 THEN now() + make_interval(secs => (hashint8(n) % 100000)::int) END,
    1, 1, md5(n::text), ($3::text[])[1 + n % 20], '第' || n || '篇', true, ''
FROM (
    SELECT n, n % 100 < $2 AS waits, CASE WHEN n % 6 = 0 THEN 3 WHEN n % 3 = 1 THEN 2 ELSE 1 END AS stage,
        (SELECT id FROM person WHERE username = 'author' || n % 40) AS author,
        (SELECT id FROM person WHERE username = 'head') AS head
    FROM generate_series(1, $1::bigint) AS n
) AS made
"""
_OWN = """
UPDATE submission SET author_id = (SELECT id FROM person WHERE username LIKE 'with all%')
WHERE id IN (SELECT id FROM submission ORDER BY id LIMIT 500)
"""
# Of the second reviews, every third piece was reviewed by the one who holds all three roles.
_APPROVALS = """
INSERT INTO approval (submission_id, review_round, stage, person_id, revision_sha256, item_seq)
SELECT submission.id, 1, 'first_review', person.id, revision_sha256, 2
FROM submission JOIN person ON person.username = CASE WHEN hashtext(submission.id::text) % 3 = 0
    THEN 'with all three roles, author of 500' ELSE 'duty editor' END
WHERE stage = 'second_review' AND author_id <> person.id
"""
