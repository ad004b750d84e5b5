"""What is done at every start between the servers and our own processes: schema, buckets, first person, Prefect."""

import asyncio
from urllib.parse import unquote, urlsplit

from deployments.people import ensure_first_people
from deployments.register import register
from deployments.stack.assemble import Preparation
from states.text import Text
from storage.grants import apply_grants
from storage.migrations import upgrade
from storage.objects import Objects
from storage.settings import Settings


async def _migrate(settings: Settings) -> None:
    # A process of its own thread: Alembic's entry runs an event loop itself.
    await asyncio.to_thread(upgrade, settings.require_owner_url())
    login, owner = (
        urlsplit(url).username for url in (settings.require_database_url(), settings.require_owner_url())
    )
    if login is not None and login != owner:
        await apply_grants(settings.require_owner_url(), unquote(login))


async def _buckets(settings: Settings) -> None:
    await Objects(settings).ensure_buckets()


PREPARATIONS = (
    Preparation("schema", Text("数据库结构", "Schema"), _migrate, after=("postgres",)),
    Preparation(
        "first-people", Text("初始管理员", "First administrator"), ensure_first_people, after=("schema",)
    ),
    Preparation("buckets", Text("存储桶", "Buckets"), _buckets, after=("s3",)),
    Preparation(
        "deployments",
        Text("流程部署", "Deployments"),
        register,
        after=("prefect",),
        needed_by=("worker", "dispatch"),
    ),
)


async def prepare_all(settings: Settings) -> None:
    """Every preparation, one after the other: for servers that `sanshen up` does not start."""
    for preparation in PREPARATIONS:
        await preparation.run(settings)
