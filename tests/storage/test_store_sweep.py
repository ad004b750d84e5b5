"""What the sweep of the store removes, and what it leaves: on a real gateway and a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from states.delivery import DeliveryState
from states.item import State
from storage.keys import ASSETS, LEDGER, PACKAGES, PUBLIC, RENDITIONS
from storage.object_writes import put_locked
from storage.objects import Objects
from storage.old_versions import OldVersions
from storage.store_sweep import sweep_old_versions, sweep_store
from storage.tables import Delivery

pytestmark = pytest.mark.slow
A_WEEK = timedelta(days=7)


async def test_temporary_objects_and_unfinished_uploads_go_when_they_are_old_and_nothing_else(
    objects: Objects,
) -> None:
    incoming, probe, kept = f"incoming/{uuid4()}", f"probe/{uuid4()}", f"sha256/{uuid4()}"
    for bucket, key in ((ASSETS, incoming), (RENDITIONS, probe), (ASSETS, kept)):
        await objects.put_bytes(bucket, key, b"x", "text/plain")
    upload = await objects.create_multipart(ASSETS, incoming)
    await sweep_store(objects, A_WEEK)
    assert await objects.exists(ASSETS, incoming)
    assert upload in {each.upload_id for each in await objects.unfinished(ASSETS)}
    swept = await sweep_store(objects, timedelta(seconds=-60))  # as it will look in a while
    assert swept.temporary >= 2
    assert swept.unfinished >= 1
    assert await objects.unfinished(ASSETS) == []
    assert (
        await objects.versions(ASSETS, incoming) == []
    )  # its bytes are free, in a bucket that keeps versions
    assert not await objects.exists(RENDITIONS, probe)
    assert await objects.exists(ASSETS, kept)


async def test_what_a_probe_had_locked_goes_when_it_is_free(objects: Objects) -> None:
    free, held = f"probe/{uuid4()}", f"probe/{uuid4()}"
    lasting = datetime.now(UTC) + timedelta(hours=1)
    await put_locked(objects, (LEDGER, free), b"x", datetime.now(UTC) + timedelta(seconds=1))
    await put_locked(objects, (LEDGER, held), b"x", lasting)
    async with asyncio.timeout(30):
        while await objects.exists(LEDGER, free):
            await sweep_store(objects, A_WEEK)
            await asyncio.sleep(0.2)
    assert await objects.read(LEDGER, held) == b"x"


@pytest.mark.parametrize(
    ("key", "is_old"),
    [
        ("v1/a/app_mp4/x.mp4", True),
        ("v9/a/app_mp4/x.mp4", True),
        ("v10/a/app_mp4/x.mp4", False),
        ("v11/a/app_mp4/x.mp4", False),
        ("v/x", False),
        ("vold/x", False),
        ("x/v1/x", False),
    ],
)
def test_old_files_are_those_of_smaller_numbers(key: str, is_old: bool) -> None:
    old = OldVersions(UUID(int=1), 10)
    assert old.is_old(f"stories/{UUID(int=1)}/{key}") is is_old
    assert not old.is_old(f"stories/{UUID(int=2)}/{key}")


async def _confirm(newsroom: Any, item: UUID, revision: int, ago: timedelta) -> None:
    """A delivery of this revision to the app, confirmed so long ago."""
    values = {"state": DeliveryState.CONFIRMED.value, "confirmed_at": datetime.now(UTC) - ago}
    async with newsroom.db.transaction() as session:
        known = col(Delivery.submission_id) == item, col(Delivery.revision_number) == revision
        if (await session.exec(select(Delivery).where(*known))).first() is None:
            session.add(Delivery(submission_id=item, revision_number=revision, destination_id="app"))
            await session.flush()
        await session.exec(update(Delivery).where(*known).values(**values))


async def _files(objects: Objects, item: UUID, *versions: int) -> dict[int, list[tuple[str, str]]]:
    made = {}
    for version in versions:
        name = f"stories/{item}/v{version}/{'1a' * 8}"
        made[version] = [(PUBLIC, f"{name}/app_mp4/x.mp4"), (PACKAGES, f"{name}/app_package/index.html")]
        for where in made[version]:
            await objects.put_bytes(*where, b"x", "video/mp4")
    return made


async def _there(objects: Objects, files: dict[int, list[tuple[str, str]]]) -> list[int]:
    return [
        version for version, each in files.items() if all([await objects.exists(*where) for where in each])
    ]


@pytest.mark.parametrize(
    ("ago", "since", "left"),
    [
        (timedelta(hours=3), None, [2, 10]),
        (timedelta(hours=3), timedelta(hours=2), [2, 10]),
        (timedelta(hours=9), timedelta(hours=2), [1, 2, 10]),  # tidied up long ago, so it is not looked at
        (timedelta(hours=1), None, [1, 2, 10]),  # readers may be in the middle of the earlier one
    ],
)
async def test_files_of_a_corrected_version_go_after_the_grace(
    newsroom: Any, objects: Objects, ago: timedelta, since: timedelta | None, left: list[int]
) -> None:
    item = await newsroom.in_state(State.PUBLISHED)
    files = await _files(objects, item, 1, 2, 10)  # 10: of a correction that is going out at this moment
    await _confirm(newsroom, item, 1, timedelta(days=2))
    await sweep_old_versions(newsroom.db, objects)
    assert await _there(objects, files) == [1, 2, 10]  # one version alone is never old
    await _confirm(newsroom, item, 2, ago)
    await sweep_old_versions(newsroom.db, objects, since)
    assert await _there(objects, files) == left


async def test_correction_that_was_not_confirmed_removes_nothing(newsroom: Any, objects: Objects) -> None:
    item = await newsroom.in_state(State.PUBLISHED)
    files = await _files(objects, item, 1, 2)
    await _confirm(newsroom, item, 1, timedelta(days=2))
    await _confirm(newsroom, item, 2, timedelta(days=1))
    async with newsroom.db.transaction() as session:
        newer = col(Delivery.submission_id) == item, col(Delivery.revision_number) == 2
        await session.exec(update(Delivery).where(*newer).values(state=DeliveryState.REFUSED.value))
    await sweep_old_versions(newsroom.db, objects)
    assert await _there(objects, files) == [1, 2]
