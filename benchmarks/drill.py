"""The restore drill: a home with 1,000 published stories is backed up, destroyed, and comes back in an empty one."""

import asyncio
import functools
import json
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import chdir
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from benchmarks.archive import fill
from deployments import ledger, verify_proof
from deployments.backup import make_backup
from deployments.preparations import PREPARATIONS
from deployments.reconcile import examine
from deployments.restore import restore
from deployments.stack import s3
from deployments.stack.assemble import run_stack
from deployments.stack.background import free_ports
from states.text import Text
from storage.database import Database
from storage.proofs import proof_of
from storage.settings import Settings

_STORIES = 1000
_ITEMS = text("SELECT submission_id FROM item_head ORDER BY submission_id")
_NO_PREFECT = "http://127.0.0.1:9/api"
Work = Callable[[Settings], Awaitable[Any]]


async def measure() -> dict[str, Any]:
    """Seconds of each step; the goal is ten minutes for all that follows the disaster."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user when we are root
        with chdir(folder):  # away from a `.env` of the person who measures
            return await _drill(Path(folder), _STORIES)


async def _drill(folder: Path, stories: int) -> dict[str, Any]:
    old, new = (_settings(folder / name) for name in ("old", "new"))
    seconds: dict[str, float] = {}
    made = await _on_servers(old, functools.partial(_make, stories, folder / "backups", seconds))
    begun = time.perf_counter()
    shutil.copytree(s3.data_folder(old.home / "s3"), s3.data_folder(new.home / "s3"))
    seconds["store brought back (a copy of its folder), s"] = time.perf_counter() - begun
    shutil.rmtree(old.home)
    restoring = time.perf_counter()
    told = await _restored(new, made.folder, seconds)
    checked = await _on_servers(new, functools.partial(_check, seconds))
    whole = time.perf_counter() - restoring + seconds["store brought back (a copy of its folder), s"]
    if checked["proofs"] != stories or checked["differences"] or checked["objects"] < 3 * stories:
        raise RuntimeError(f"{checked}, {told}")
    size_bytes = sum(file.size_bytes for file in made.manifest.files.values())
    return {
        "stories, all published": stories,
        "events": made.manifest.about["events"],
        "objects compared and hashed, nothing missing": checked["objects"],
        "proofs, all valid": checked["proofs"],
        "backup, MB": size_bytes / 1e6,
        **seconds,
        "drill from the disaster to its end, s (goal < 600)": whole,
    }


def _settings(home: Path) -> Settings:
    first = free_ports(s3.PORT_COUNT + 4)
    home.mkdir()
    return Settings(
        home=home,
        s3_port=first,
        port=first + s3.PORT_COUNT,
        packages_port=first + s3.PORT_COUNT + 1,
        prefect_api_url=_NO_PREFECT,
    )


async def _on_servers(settings: Settings, work: Work) -> Any:
    """`work` with the home's database and store running, and nothing else; then they are stopped."""
    found: list[Any] = []

    async def when_ready(running: Settings) -> None:
        found.append(await work(running))

    steps = [each for each in PREPARATIONS if each.name in ("schema", "buckets")]
    if await run_stack(settings, steps, when_ready, exit_after=True, commands={}):
        raise RuntimeError(f"the servers of {settings.home} did not do it")
    return found[0]


async def _timed(seconds: dict[str, float], name: str, work: Awaitable[Any]) -> Any:
    begun = time.perf_counter()
    done = await work
    seconds[name] = time.perf_counter() - begun
    return done


async def _make(stories: int, into: Path, seconds: dict[str, float], settings: Settings) -> Any:
    await _timed(seconds, "(stories made, s)", fill(settings, stories))
    return await _timed(seconds, "backup, s", make_backup(settings, into))


async def _restored(settings: Settings, backup: Path, seconds: dict[str, float]) -> list[str]:
    told: list[str] = []
    begun = last = time.perf_counter()
    names = iter(("servers up, database loaded, ledger replayed", "proofs verified", "store compared"))

    def say(words: Text) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[f"restore: {next(names)}, s"] = now - last
        last = now
        told.append(words.en)

    if await restore(settings, backup, say):
        raise RuntimeError(f"not restored: {told}")
    seconds["restore in all, s"] = time.perf_counter() - begun
    return told


async def _check(seconds: dict[str, float], settings: Settings) -> dict[str, int]:
    proofs = await _timed(seconds, "every proof made and verified, s", _verify_all(settings))
    report = await _timed(seconds, "every object read back and hashed, s", examine(settings, reads_back=True))
    return {"proofs": proofs, "objects": report.hashed, "differences": sum(report.counts.values())}


async def _verify_all(settings: Settings) -> int:
    """Each as a file, by the verifier that strangers use. Raises ValueError for the first that does not hold."""
    db, key = Database(settings.require_database_url(), 1), ledger.verifier_key(settings)
    file = settings.home / "proof.json"
    try:
        async with db.transaction() as session:
            items: list[UUID] = list((await (await session.connection()).execute(_ITEMS)).scalars())
        for item in items:
            async with db.transaction() as session:
                file.write_text(json.dumps(await proof_of(session, item), ensure_ascii=False))
            await asyncio.to_thread(verify_proof.check, file, key, None)
        return len(items)
    finally:
        await db.close()
