"""A server of ours, or a bare one, in a process of its own while something is measured."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


@contextmanager
def serving(app: str, port: int, env: dict[str, str]) -> Iterator[None]:
    """`app` as uvicorn names it, answering on `port`."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    more = ["--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    server = subprocess.Popen([*command, *more], env={**os.environ, **env})
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(10)
