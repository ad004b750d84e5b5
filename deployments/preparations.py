"""What is done at every start between the servers and our own processes: schema, buckets, first person, Prefect."""

import asyncio
import logging
from urllib.parse import unquote, urlsplit

from deployments.doctor_store import store_checks
from deployments.people import ensure_first_people
from deployments.register import register
from deployments.stack.assemble import Preparation
from states.text import Text
from storage.buckets import set_up_buckets
from storage.credentials import seal_all
from storage.database import Database
from storage.grants import apply_grants
from storage.migrations import upgrade
from storage.settings import Settings
from storage.store_probe import probe_store

_LOG = logging.getLogger("sanshen.store")


async def _migrate(settings: Settings) -> None:
    # A process of its own thread: Alembic's entry runs an event loop itself.
    await asyncio.to_thread(upgrade, settings.require_owner_url())
    login, owner = (
        urlsplit(url).username for url in (settings.require_database_url(), settings.require_owner_url())
    )
    if login is not None and login != owner:
        await apply_grants(settings.require_owner_url(), unquote(login))


async def _seal_credentials(settings: Settings) -> None:
    """What an older version stored as it was; and after a change of key, all of it. A lost key stops no start."""
    db = Database(settings.require_database_url(), pool_size=1)
    try:
        if lost := await seal_all(db, settings):
            names, path = ", ".join(lost), settings.credentials_key_file
            _LOG.warning(
                "渠道 %s 的密钥解不开，请恢复 %s。 The credentials of %s cannot be decrypted; restore %s.",
                names,
                path,
                names,
                path,
            )
    finally:
        await db.close()


async def _probe(settings: Settings) -> None:
    """Say once at every start what the store cannot do; each use has its own way round it."""
    for check in store_checks(await probe_store(settings)):
        if not check.ok or check.text.en.startswith("Warning"):
            _LOG.warning("%s：%s %s", check.name, check.text.zh, check.text.en)


PREPARATIONS = (
    Preparation("schema", Text("数据库结构", "Schema"), _migrate, after=("postgres",)),
    Preparation(
        "first-people", Text("初始管理员", "First administrator"), ensure_first_people, after=("schema",)
    ),
    Preparation(
        "credentials", Text("渠道密钥加密", "Credentials encrypted"), _seal_credentials, after=("schema",)
    ),
    Preparation("buckets", Text("存储桶", "Buckets"), set_up_buckets, after=("s3",)),
    Preparation("store", Text("存储能力", "What the store can do"), _probe, after=("buckets",), needed_by=()),
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
