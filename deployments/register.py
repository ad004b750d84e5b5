"""Making the work pool, its queues and the deployments known to Prefect. May be repeated."""

from contextlib import suppress

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.importtools import import_object

from deployments.worker import WORKER_TYPE, WarmWorker
from flows.catalogue import CATALOGUE, QUEUES, FlowEntry
from flows.prefect_api import prefect_client
from storage.settings import Settings


async def register(settings: Settings) -> None:
    """Create or update the pool, its queues and a deployment for every flow of the catalogue."""
    async with prefect_client(settings) as client:
        await _ensure_pool(client, settings.prefect_work_pool)
        for name, limit in QUEUES.items():
            await _ensure_queue(client, settings.prefect_work_pool, name, limit)
        for entry in CATALOGUE.values():
            await _deploy(client, settings.prefect_work_pool, entry)


async def _ensure_pool(client: PrefectClient, name: str) -> None:
    try:
        await client.read_work_pool(name)
    except ObjectNotFound:
        template = WarmWorker.get_default_base_job_template()
        pool = WorkPoolCreate(
            name=name, type=WORKER_TYPE, base_job_template=template, description="三审 Sanshen"
        )
        with suppress(ObjectAlreadyExists):  # another one registers at the same time
            await client.create_work_pool(pool)


async def _ensure_queue(client: PrefectClient, pool: str, name: str, limit: int | None) -> None:
    try:
        queue = await client.read_work_queue_by_name(name, work_pool_name=pool)
    except ObjectNotFound:
        try:
            queue = await client.create_work_queue(name=name, work_pool_name=pool)
        except ObjectAlreadyExists:
            queue = await client.read_work_queue_by_name(name, work_pool_name=pool)
    if queue.concurrency_limit != limit:
        await client.update_work_queue(queue.id, concurrency_limit=limit)


async def _deploy(client: PrefectClient, pool: str, entry: FlowEntry) -> None:
    flow = import_object(entry.entrypoint)
    await client.create_deployment(
        flow_id=await client.create_flow(flow),
        name=entry.effect.value,
        entrypoint=entry.entrypoint,
        work_pool_name=pool,
        work_queue_name=entry.queue,
        description=flow.description,
        tags=["sanshen"],
        path=".",
        pull_steps=[],
        enforce_parameter_schema=False,
    )
