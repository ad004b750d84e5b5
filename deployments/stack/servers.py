"""The servers of the embedded stack as parts: PostgreSQL, S3 gateway, Prefect."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deployments.stack import postgres, prefect_server, s3
from deployments.stack.addresses import Embedded
from deployments.stack.errors import PartFailed
from deployments.stack.parts import Item, Part, Step
from deployments.stack.postgres import Cluster
from deployments.stack.s3_watch import Watch
from deployments.stack.secrets import Secrets
from states.text import Text
from storage.settings import Settings

_DATABASES = Text(zh="建立数据库", en="Databases")


def server_items(settings: Settings, embedded: Embedded, keys: Secrets, cluster: Cluster) -> list[Item]:
    """The embedded servers. A step `databases` comes where a database has to be made on one."""
    items: list[Item] = []
    prefect_database = cluster.url("prefect", keys.prefect_password, "prefect")
    if embedded.postgres:
        items += _postgres(cluster, keys)
    elif embedded.prefect:
        prefect_database = database_beside(settings.require_owner_url())
        make = functools.partial(_ensure_outside, settings.require_owner_url(), prefect_database)
        items.append(Step("databases", _DATABASES, make))
    if embedded.s3:
        items.append(_s3(settings, keys))
    if embedded.prefect:
        items.append(_prefect(settings, prefect_database))
    return items


def database_beside(url: str) -> str:
    """The URL of Prefect's database on an outside server: ours with `_prefect` behind its name.

    It needs one of its own, because both sides keep an `alembic_version`.
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/') or '/postgres'}_prefect"))


def _postgres(cluster: Cluster, keys: Secrets) -> list[Item]:
    owners = {"sanshen": keys.sanshen_password, "prefect": keys.prefect_password}
    server = Part(
        name="postgres",
        label=Text(zh="数据库 PostgreSQL", en="Database (PostgreSQL)"),
        command=postgres.command(cluster),
        ready=functools.partial(postgres.answers, cluster),
        url=f"postgresql:///sanshen?host={cluster.sockets}",
        before=_in_thread(functools.partial(postgres.prepare, cluster, keys.postgres_password)),
        user=cluster.user,
        stop_signal=postgres.STOP_SIGNAL,
    )
    make = functools.partial(
        postgres.ensure_databases, cluster, keys.postgres_password, owners, keys.sanshen_app_password
    )
    return [server, Step("databases", _DATABASES, _in_thread(make), after=("postgres",))]


def _s3(settings: Settings, keys: Secrets) -> Part:
    folder = settings.home / "s3"
    return Part(
        name="s3",
        label=Text(zh="对象存储 SeaweedFS", en="Object store (SeaweedFS)"),
        command=s3.command(folder, settings.s3_port),
        env=s3.environment(keys),
        ready=Watch(settings),
        url=settings.s3_endpoint,
        before=_in_thread(functools.partial(s3.prepare, folder, keys)),
        stop_signal=s3.STOP_SIGNAL,
    )


def _prefect(settings: Settings, database_url: str) -> Part:
    return Part(
        name="prefect",
        label=Text(zh="流程引擎 Prefect", en="Workflow engine (Prefect)"),
        command=prefect_server.command(settings.prefect_port),
        env=prefect_server.environment(settings.home, database_url),
        before=_in_thread(functools.partial(prefect_server.prepare, settings.home)),
        ready=functools.partial(prefect_server.is_healthy, settings.prefect_port),
        url=f"http://127.0.0.1:{settings.prefect_port}",
        after=("databases",),
        stop_signal=prefect_server.STOP_SIGNAL,
    )


def _in_thread(work: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    return functools.partial(asyncio.to_thread, work)


async def _ensure_outside(url: str, wanted: str) -> None:
    name = urlsplit(wanted).path.lstrip("/")
    try:
        connection = await asyncpg.connect(url)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise PartFailed(_no_database(name, error)) from error


def _no_database(name: str, error: Exception) -> Text:
    return Text(
        zh=f"无法在外部 PostgreSQL 上为 Prefect 建立数据库 {name}：{error}。"
        "请请管理员建立它，或用 PREFECT_API_URL 指定已有的 Prefect。",
        en=f"The database {name} for Prefect could not be made on the outside PostgreSQL: {error}. "
        "Have an administrator make it, or name a Prefect server in PREFECT_API_URL.",
    )
