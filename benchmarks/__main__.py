"""Run the benchmarks (all, or those named) and print their figures; JSON goes to benchmarks/results/."""

import asyncio
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks import decisions, drill, ledger, media, queue, search, sign_off, story, uploads

BENCHMARKS: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
    "decisions": decisions.measure,
    "drill": drill.measure,
    "ledger": ledger.measure,
    "media": media.measure,
    "queue": queue.measure,
    "search": search.measure,
    "sign_off": sign_off.measure,
    "story": story.measure,
    "uploads": uploads.measure,
}
_RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> None:
    """Measure and print."""
    _RESULTS.mkdir(exist_ok=True)
    for name in names or list(BENCHMARKS):
        print(f"== {name}: {sys.modules[BENCHMARKS[name].__module__].__doc__}", flush=True)
        figures = asyncio.run(BENCHMARKS[name]())  # type: ignore[arg-type]
        for label, value in figures.items():
            print(f"  {label:<58} {value:.3f}" if isinstance(value, float) else f"  {label:<58} {value}")
        stamp = {
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "host": platform.platform(),
        }
        file = _RESULTS / f"{name}.json"
        file.write_text(json.dumps({**stamp, "figures": figures}, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
