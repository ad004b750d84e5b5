"""Render: what a revision needs for its destinations is planned, made, checked, and told to the item."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from flows.artifacts import show_table
from flows.catalogue import run_name
from flows.context import Work, working
from flows.dressing import dressings
from flows.rendering import Order, render_order
from flows.rendition_table import rendition_rows
from media.dressing import Dressing
from media.errors import RetryableMediaError
from media.keys import rendition_key as key_of
from media.profiles import PROFILES, profiles_for
from media.sniff import Kind
from platforms.records import story_from
from platforms.registry import PLATFORMS
from states.events import Event
from states.item import State
from states.submission import MOVES_FROM
from storage import assets, renditions
from storage.destinations import list_destinations
from storage.items import load_item
from storage.renditions import Wanted
from storage.stories import story_record
from storage.tables import Asset, Destination, Rendition, Submission


@dataclass(frozen=True, slots=True)
class Plan:
    """What one revision needs: its media, its destinations, and a rendition for each pair that fits.

    The renditions of a file wear its dressing, as far as their platform allows.
    """

    submission_id: UUID
    revision_number: int
    revision_sha256: str
    media: dict[str, Asset]  # by sha256
    destinations: tuple[Destination, ...]
    wanted: tuple[Wanted, ...]
    dressings: Mapping[str, Dressing]  # by sha256


@flow(name="render", description="制作成品 · one rendition for every chosen platform")
async def render(submission_id: UUID, revision_sha256: str, outbox_id: int, attempt: int) -> None:
    """Make what the revision goes out with, then tell the item that it is ready, or what failed."""

    async def is_wanted(session: AsyncSession) -> bool:
        return await _is_under_review(session, submission_id, revision_sha256)

    async with working(outbox_id, attempt, is_wanted) as work:
        async with _dressed(work, submission_id) as worn:
            plan = await plan_renditions(work, submission_id, revision_sha256, worn)
            if plan is None:
                return
            await _make_all(work, plan)
        await _report(work, plan)


@asynccontextmanager
async def _dressed(work: Work, submission_id: UUID) -> AsyncIterator[Mapping[str, Dressing]]:
    async with work.transaction() as session:
        content = (await load_item(session, submission_id)).content
        files = await assets.assets_of(session, submission_id)
    async with dressings(work, submission_id, content, files) as worn:
        yield worn


async def plan_renditions(
    work: Work, submission_id: UUID, revision_sha256: str, worn: Mapping[str, Dressing]
) -> Plan | None:
    """Note every rendition that the revision needs; what is made already is found again by its key.

    None when the revision is no longer under review: a newer one has its own run, and what was signed with a
    signed one stays as it is.
    """
    async with work.transaction() as session:
        if not await _is_under_review(session, submission_id, revision_sha256):
            return None
        loaded = await load_item(session, submission_id)
        listed = {asset.sha256 for asset in loaded.content.assets}
        known = await assets.assets_of(session, submission_id)
        media = {each.sha256: each for each in known if each.sha256 in listed and each.kind in list(Kind)}
        chosen = await list_destinations(session, loaded.content.destinations, open_only=True)
        wanted = tuple(_wanted(media, chosen, worn))
        await renditions.want(session, submission_id, loaded.row.revision_sha256, wanted)
    row = loaded.row
    return Plan(submission_id, row.revision_number, row.revision_sha256, media, tuple(chosen), wanted, worn)


async def _is_under_review(session: AsyncSession, submission_id: UUID, revision_sha256: str) -> bool:
    statement = select(Submission).where(col(Submission.id) == submission_id)
    row = (await session.exec(statement.execution_options(populate_existing=True))).one()
    is_signed = row.signed_revision_number == row.revision_number
    takes_media = (Event.MEDIA_READY, State(row.state)) in MOVES_FROM
    return row.revision_sha256 == revision_sha256 and takes_media and not is_signed


def _wanted(media: dict[str, Asset], chosen: list[Destination], worn: Mapping[str, Dressing]) -> list[Wanted]:
    found: dict[str, Wanted] = {}
    for asset in media.values():
        kind = Kind(asset.kind or "")
        for destination in chosen:
            platform = PLATFORMS[destination.platform]
            more = platform.where_possible.get(kind.value, ()) if asset.probe.get("audio") else ()
            for profile in profiles_for(kind, (*platform.renditions.get(kind.value, ()), *more)):
                key = key_of(asset.sha256, PROFILES[profile.name], worn[asset.sha256])
                found[key] = Wanted(key, asset.sha256, profile.name)
    return list(found.values())


async def _make_all(work: Work, plan: Plan) -> None:
    """One source after the other, as a run takes every core there is; one that fails blocks no other."""
    passing: list[RetryableMediaError] = []
    for sha256, asset in plan.media.items():
        todo = tuple(each for each in plan.wanted if each.source_sha256 == sha256)
        if not todo:
            continue
        profiles = {each.profile: PROFILES[each.profile] for each in todo}
        order = Order(plan.submission_id, asset, todo, profiles, plan.dressings[sha256])
        name = run_name(f"{asset.filename} · {len(todo)} 个成品")
        try:
            await render_source.with_options(task_run_name=name)(work, order)
        except RetryableMediaError as error:
            passing.append(error)
    if passing:
        raise passing[0]


@task(cache_policy=NO_CACHE)
async def render_source(work: Work, order: Order) -> None:
    """All renditions of one file, planned together; what is ready, or made by another worker, is not made again."""
    await render_order(work, order)


async def _report(work: Work, plan: Plan) -> None:
    async with work.transaction() as session:
        made = await renditions.of_revision(session, plan.submission_id, plan.revision_sha256)
        record = await story_record(session, plan.submission_id, plan.revision_number)
    await _show(work, plan, made, record.content.title)
    failed = [
        {"profile": each.profile, "source_sha256": each.source_sha256, **(each.refusal or {})}
        for each in made
        if each.state != "ready"
    ]
    facts: dict[str, Any] = {"revision_sha256": plan.revision_sha256}
    if failed:
        facts |= {"failed": failed}
        await work.report(plan.submission_id, Event.MEDIA_FAILED, facts, plan.revision_sha256)
        return
    problems = [
        {"destination": destination.name, "code": problem.code, **problem.text.to_json()}
        for destination in plan.destinations
        for problem in PLATFORMS[destination.platform].check(story_from(record, destination.id))
    ]
    facts |= {"manifest_sha256": renditions.manifest_sha256(made), "problems": problems}
    await work.report(plan.submission_id, Event.MEDIA_READY, facts, plan.revision_sha256)


async def _show(work: Work, plan: Plan, made: Sequence[Rendition], title: str) -> None:
    address = f"{work.settings.reader_url}/api/v1/submissions/{plan.submission_id}"
    name = title.replace("[", "［").replace("]", "］")
    rows = rendition_rows(made, plan.media, plan.destinations)
    await show_table(
        f"renditions-{plan.submission_id}",
        rows,
        f"稿件 [{name}]({address}) 第 {plan.revision_number} 版的成品 · renditions",
    )
