"""Seconds from the sign-off to the first confirmed delivery (a webhook on this machine), one story at a time."""

import asyncio
import statistics
from datetime import datetime
from typing import Any

from benchmarks.newsroom import BenchNewsroom, bench_newsroom

_STORIES = 25


async def measure() -> dict[str, Any]:
    """Median, 95th percentile and worst, and the part of it before the flow's first line."""
    waits, starts = [], []
    async with bench_newsroom() as newsroom:
        for number in range(_STORIES):
            wait_s, start_s = await _one(newsroom, number)
            waits.append(wait_s)
            starts.append(start_s)
    waits, starts = waits[1:], starts[1:]  # the first one warms the connections
    return {
        "stories": len(waits),
        "sign-off → first confirmed, median s": statistics.median(waits),
        "sign-off → first confirmed, p95 s (goal < 1)": _p95(waits),
        "sign-off → first confirmed, worst s": max(waits),
        "outbox row → flow running, median s": statistics.median(starts),
        "outbox row → flow running, p95 s (goal < 1)": _p95(starts),
    }


def _p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


async def _one(newsroom: BenchNewsroom, number: int) -> tuple[float, float]:
    clients = newsroom.clients
    story = {"title": f"签发到发布 {number}", "body": "正文", "ai_label": "none", "destinations": ["webhook"]}
    story_id = (await clients["author"].post("/submissions", story))["id"]
    await clients["author"].send_event(story_id, "submit")
    await clients["first"].wait_for(story_id, lambda item: item["is_intake_done"], "intake")
    await clients["first"].send_event(story_id, "claim")
    await clients["first"].send_event(story_id, "approve")
    await clients["second"].send_event(story_id, "approve")
    final = clients["final"]
    await final.wait_for(story_id, lambda item: "approve" in item["allowed_events"], "renditions")
    await asyncio.sleep(1)  # one a second, on a stack at rest
    await final.send_event(story_id, "approve")
    await final.wait_for(story_id, lambda item: item["state"] == "published", "publication")
    events = {
        event["event"]: event for event in (await final.get(f"/submissions/{story_id}/history"))["events"]
    }
    runs = (await final.get(f"/submissions/{story_id}/runs"))["runs"]
    run = next(each for each in runs if each["effect"] == "distribute")
    return (
        _between(events["approve"]["at"], events["delivery_confirmed"]["at"]),
        _between(run["created_at"], run["started_at"]),
    )


def _between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()
