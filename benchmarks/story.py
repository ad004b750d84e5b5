"""What one story costs: a 10 s clip and two stills to three destinations, seconds and CPU by part."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.newsroom import BenchNewsroom, bench_newsroom
from benchmarks.sign_off import _between
from deployments.client import Client
from media.sample import make_clip, make_still


async def measure() -> dict[str, Any]:
    """Wall seconds of each step of the route, and CPU seconds of each process of the stack meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("clip.mp4", "one.jpg", "two.jpg")]
        await make_clip(files[0])
        await make_still(files[1], seed=1)
        await make_still(files[2], seed=2)
        async with bench_newsroom() as newsroom:
            before = _cpu(newsroom)
            steps = await _tell(newsroom, files)
            after = _cpu(newsroom)
    cpu = {f"CPU s, {name}": after[name] - before[name] for name in after}
    return {**steps, **cpu, "CPU s, all parts": sum(cpu.values())}


async def _tell(newsroom: BenchNewsroom, files: list[Path]) -> dict[str, Any]:
    clients, started = newsroom.clients, time.perf_counter()
    places = ["app", "webhook", "vertical"]
    story = {"title": "一篇稿件的成本", "body": "正文", "ai_label": "none", "destinations": places}
    story_id = (await clients["author"].post("/submissions", story))["id"]
    for path in files:
        await clients["author"].upload(story_id, path, "")
    uploaded = time.perf_counter()
    await clients["author"].send_event(story_id, "submit")
    await clients["first"].wait_for(story_id, lambda item: item["is_intake_done"], "intake")
    await clients["first"].send_event(story_id, "claim")
    await clients["first"].send_event(story_id, "approve")
    await clients["second"].send_event(story_id, "approve")
    final = clients["final"]
    await final.wait_for(story_id, lambda item: "approve" in item["allowed_events"], "renditions")
    await final.send_event(story_id, "approve")
    await final.wait_for(story_id, lambda item: item["state"] == "published", "publication")
    runs = await _finished_runs(final, story_id)
    waits = {
        f"wall s, {run['effect']}: waiting": _between(run["created_at"], run["started_at"]) for run in runs
    }
    works = {
        f"wall s, {run['effect']}: working": _between(run["started_at"], run["finished_at"]) for run in runs
    }
    return {"wall s, create and upload": uploaded - started, **waits, **works}


async def _finished_runs(client: Client, story_id: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        while True:
            runs: list[dict[str, Any]] = (await client.get(f"/submissions/{story_id}/runs"))["runs"]
            if all(run["finished_at"] for run in runs):
                return runs
            await asyncio.sleep(0.1)


def _cpu(newsroom: BenchNewsroom) -> dict[str, float]:
    """CPU seconds so far by part, ended children included."""
    found: dict[str, float] = {}
    for part in psutil.Process(newsroom.stack.process.pid).children():
        name = part.cmdline()[-1] if "deployments.cli" in part.cmdline() else part.name()
        name = "prefect" if "prefect" in part.cmdline() else name
        for process in (part, *part.children(recursive=True)):
            times = process.cpu_times()
            spent = times.user + times.system + times.children_user + times.children_system
            found[name] = found.get(name, 0.0) + spent
    return found
