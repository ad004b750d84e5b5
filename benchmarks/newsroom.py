"""A running stack with people and destinations, for the benchmarks that need the whole of it."""

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.client import Client
from deployments.people import ADMIN_NAME, admin_password_file
from deployments.receiver import Receiver
from deployments.stack.background import RunningStack, background_stack
from states.roles import Role

PEOPLE = {
    "author": Role.CORRESPONDENT,
    "first": Role.DUTY_EDITOR,
    "second": Role.DESK_HEAD,
    "final": Role.EDITOR_IN_CHIEF,
}


@dataclass(frozen=True, slots=True)
class BenchNewsroom:
    """A stack and a client for each of its people."""

    stack: RunningStack
    clients: dict[str, Client]


@asynccontextmanager
async def bench_newsroom() -> AsyncIterator[BenchNewsroom]:
    """Everything up on a fresh home, with a webhook receiver on this machine."""
    with tempfile.TemporaryDirectory(prefix="sanshen-bench-") as folder:
        Path(folder).chmod(0o711)
        home, secret, password = Path(folder) / "home", secrets.token_urlsafe(24), secrets.token_urlsafe(12)
        receiver_env = {"SANSHEN_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
        with background_stack(home, receiver_env) as stack:
            receiver = Receiver(stack.settings.demo_port, secret, home / "received.jsonl")
            await _people_and_webhook(stack, secret, password)
            base = stack.settings.reader_url
            clients = {name: await Client.sign_in(base, name, password) for name in PEOPLE}
            try:
                yield BenchNewsroom(stack, clients)
            finally:
                for client in clients.values():
                    await client.close()
                receiver.close()


async def _people_and_webhook(stack: RunningStack, secret: str, password: str) -> None:
    admin_password = admin_password_file(stack.home).read_text(encoding="utf-8").strip()
    admin = await Client.sign_in(stack.settings.reader_url, ADMIN_NAME, admin_password)
    for name, role in PEOPLE.items():
        person = {"username": name, "display_name": name, "roles": [role.value], "columns": []}
        await admin.post("/people", {**person, "password": password})
    await admin.post(
        "/destinations",
        {
            "id": "webhook",
            "platform": "webhook",
            "name": "webhook",
            "settings": {"url": f"http://127.0.0.1:{stack.settings.demo_port}/"},
            "secret": secret,
        },
    )
    await admin.post("/destinations", {"id": "vertical", "platform": "vertical", "name": "vertical"})
    await admin.close()
