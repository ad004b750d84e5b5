"""The whole record verified, and one proof, out of a log of 100,000 events."""

import asyncio
import json
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from deployments import verify_proof
from deployments.stack.temporary_postgres import temporary_postgres
from states.content import Content
from states.ledger import GENESIS, LedgerEvent, canonical_sha256
from storage import log, migrations
from storage.database import Database
from storage.findings import Against
from storage.journal import write_journal
from storage.log import sequence, sequence_waiting
from storage.notes import Signer, new_signer
from storage.proofs import proof_of
from storage.record import disclose
from storage.verify import verify_ledger

_EVENTS, _PER_CHECKPOINT, _ROUNDS = 100_000, 20, 5
_STAGES = ("first_review", "second_review", "final_review")
_REVIEWERS = ("duty_editor", "desk_head", "editor_in_chief")
# Event, from, to, and which of the four people; None: the machine.
_LIFE: list[tuple[str, str | None, str, int | None]] = [
    ("create", None, "draft", 0),
    ("submit", "draft", "received", 0),
    ("intake_passed", "received", "received", None),
    ("claim", "received", "first_review", 1),
    ("approve", "first_review", "second_review", 1),
    ("claim", "second_review", "second_review", 2),
    ("media_ready", "second_review", "second_review", None),
    ("approve", "second_review", "final_review", 2),
    ("approve", "final_review", "approved", 3),
    ("delivery_confirmed", "approved", "published", None),
]


async def measure() -> dict[str, Any]:
    """Seconds, medians of a few rounds; a checkpoint for every twenty events, as in a busy newsroom."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 - PostgreSQL runs as another user when we are root
        with temporary_postgres(Path(folder) / "pg") as url:
            await asyncio.to_thread(migrations.upgrade, url)
            return await _measure(url, Path(folder))


async def _measure(url: str, folder: Path) -> dict[str, Any]:
    items = await write_stories(url, _EVENTS)
    db, signer = Database(url, 2), new_signer()
    batches = await _sequence(db, signer)
    verified, proved, checked = [], [], []
    for number in range(_ROUNDS):
        started = time.perf_counter()
        findings = await verify_ledger(db, Against((signer.verifier,)))
        verified.append(time.perf_counter() - started)
        if findings.faults or findings.events < _EVENTS:
            raise RuntimeError(f"{findings.events} events, {findings.faults[:3]}")
        started = time.perf_counter()
        async with db.transaction() as session:
            proof = await proof_of(session, items[number * len(items) // _ROUNDS])
        proved.append(time.perf_counter() - started)
        file = folder / "proof.json"
        file.write_text(json.dumps(proof, ensure_ascii=False))
        started = time.perf_counter()
        verify_proof.check(file, str(signer.verifier), None)
        checked.append(time.perf_counter() - started)
    alone = await _one_by_one(db, signer)
    await db.close()
    return {
        "events": findings.events,
        "checkpoints": findings.checkpoints,
        "all verified, s (goal 5)": statistics.median(verified),
        "one proof made, s": statistics.median(proved),
        "one proof checked offline, s": statistics.median(checked),
        "one proof, bytes": file.stat().st_size,
        "one event sequenced (what a sign-off waits for), median s": statistics.median(alone),
        "one event sequenced, p95 s": sorted(alone)[int(0.95 * len(alone))],
        "one batch of twenty sequenced, median s": statistics.median(batches),
        "one batch of twenty sequenced, p95 s": sorted(batches)[int(0.95 * len(batches))],
    }


async def _sequence(db: Database, signer: Signer) -> list[float]:
    log._BATCH = _PER_CHECKPOINT
    waits = []
    while True:
        started = time.perf_counter()
        async with db.transaction() as session:
            made = await sequence(session, signer)
        if made is None:
            return waits
        waits.append(time.perf_counter() - started)


async def _one_by_one(db: Database, signer: Signer) -> list[float]:
    """What a turn of the dispatcher spends on the log when one event came in."""
    waits = []
    for number in range(100):
        async with db.transaction() as session:
            await write_journal(session, "exported", None, "bench", {"number": number})
        started = time.perf_counter()
        await sequence_waiting(db, signer)
        waits.append(time.perf_counter() - started)
    return waits


async def write_stories(url: str, count: int) -> list[UUID]:
    """So many events: pieces from their draft to publication, as the write path would have left them; their ids."""
    connection = await asyncpg.connect(url)
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: b"\x01" + json.dumps(value).encode(),  # COPY takes the binary form only
        decoder=lambda data: json.loads(data[1:]),
        schema="pg_catalog",
        format="binary",
    )
    people = [uuid4() for _ in range(4)]
    for number, person in enumerate(people):
        await connection.execute(
            "INSERT INTO person (id, username, display_name, password_hash) VALUES ($1, $2, $3, '-')",
            person,
            f"person{number}",
            f"张三{number}",
        )
    await connection.execute("ALTER TABLE approval DISABLE TRIGGER USER")  # pieces are done when they come
    items = [uuid4() for _ in range(count // len(_LIFE))]
    for first in range(0, len(items), 1000):
        rows: dict[str, list[dict[str, Any]]] = {}
        for number, item in enumerate(items[first : first + 1000], first):
            for table, more in _piece(item, number, people).items():
                rows.setdefault(table, []).extend(more)
        for table, given in rows.items():
            records = [tuple(row.values()) for row in given]
            await connection.copy_records_to_table(table, records=records, columns=list(given[0]))
    await connection.execute("ALTER TABLE approval ENABLE TRIGGER USER")
    await connection.execute("ANALYZE")
    await connection.close()
    return items


def _piece(item: UUID, number: int, people: list[UUID]) -> dict[str, list[dict[str, Any]]]:
    content = Content(
        title=f"第{number}篇：河湾村连夜加固堤坝", body="正文。" * 100, ai_label="none", destinations=("app",)
    )
    at, sha256, previous = (
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        content.sha256(),
        GENESIS,
    )
    rows: dict[str, list[dict[str, Any]]] = {"submission": [], "revision": [], "event": [], "disclosure": []}
    rows["approval"] = []
    for seq, (event, source, target, who) in enumerate(_LIFE, 1):
        actor = None if who is None else people[who]
        facts: dict[str, Any] = {"stage": source} if source in _STAGES else {}
        if event == "delivery_confirmed":
            facts = {"revision_number": 1, "destination": "app", "url": f"https://news.example/{number}"}
        if target == "approved":
            facts["manifest_sha256"] = canonical_sha256([])
        told = {"actor_name": f"张三{who}", "address": "192.0.2.7"} if actor else {}
        disclosed = disclose(dict(told))
        record = LedgerEvent(
            str(item),
            seq,
            event,
            source,
            target,
            str(actor) if actor else None,
            ("editor",),
            sha256,
            facts,
            disclosed.commitments,
            at + timedelta(seconds=seq),
            previous,
        )
        values = {
            "submission_id": item,
            "item_seq": seq,
            "event": event,
            "from_state": source,
            "to_state": target,
            "actor_id": actor,
            "actor_roles": ["editor"],
            "revision_sha256": sha256,
            "facts": facts,
            "commitments": dict(disclosed.commitments),
            "at": record.at,
            "prev_hash": previous,
            "hash": (previous := record.hash()),
        }
        rows["event"].append(values)
        if actor:
            opened = {name: list(pair) for name, pair in disclosed.opened.items()}
            rows["disclosure"].append({"submission_id": item, "item_seq": seq, "opened": opened})
        if event == "approve":
            manifest = facts.get("manifest_sha256")
            rows["approval"].append(
                {
                    "submission_id": item,
                    "review_round": 1,
                    "stage": source,
                    "person_id": actor,
                    "revision_sha256": sha256,
                    "manifest_sha256": manifest,
                    "item_seq": seq,
                    "at": record.at,
                }
            )
    rows["submission"].append(
        {
            "id": item,
            "version": len(_LIFE),
            "state": _LIFE[-1][2],
            "author_id": people[0],
            "last_editor_id": people[0],
            "revision_number": 1,
            "revision_sha256": sha256,
            "title": content.title,
            "last_event_hash": previous,
        }
    )
    rows["revision"].append(
        {
            "submission_id": item,
            "number": 1,
            "sha256": sha256,
            "content": content.canonical(),
            "editor_id": people[0],
            "created_at": at + timedelta(seconds=1),
        }
    )
    return rows
