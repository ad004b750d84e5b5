"""Retention: what is due goes, exactly as the dry run said, and nothing else; record and proofs hold."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from flows.reconcile import Reconciler
from flows.retention import apply, dry_run, retain
from states.events import Event
from states.item import State
from storage import retention
from storage.assets import add_asset
from storage.findings import Against
from storage.keys import ASSETS, RENDITIONS, asset_key, rendition_key
from storage.listing import ASIDE, listing
from storage.objects import Objects
from storage.renditions import Wanted, put_ready
from storage.retention import Removal, remove, would_remove
from storage.retention_rules import RULES, RetentionRefused, chosen_rule, set_rule
from storage.settings import Settings
from storage.tables import Asset
from storage.verify import replay, verify_ledger

pytestmark = pytest.mark.slow

BOTH = ["drafts", "rejected"]


@dataclass(frozen=True)
class Archive:
    """A newsroom with a store of its own, and pieces of any age in it."""

    newsroom: Any
    objects: Objects
    settings: Settings

    async def sql(self, statement: str, **values: Any) -> Any:
        async with self.newsroom.db.transaction() as session:
            return await (await session.connection()).execute(text(statement), values)

    async def age(self, item: UUID, days: int) -> UUID:
        """Nobody touched it for so long."""
        await self.sql(
            "UPDATE submission SET updated_at = now() - :days * interval '1 day' WHERE id = :item",
            days=days,
            item=item,
        )
        return item

    async def file(self, item: UUID, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        await self.objects.put_bytes(ASSETS, asset_key(sha256), data, "image/png")
        asset = Asset(
            submission_id=item,
            sha256=sha256,
            size_bytes=len(data),
            filename="图.png",
            object_key=asset_key(sha256),
        )
        async with self.newsroom.db.transaction() as session:
            await add_asset(session, asset)
        return sha256

    async def preview(self, sha256: str) -> str:
        key = hashlib.sha256(f"preview {sha256}".encode()).hexdigest()
        object_key = rendition_key(key, "aa/preview.jpg")
        await self.objects.put_bytes(RENDITIONS, object_key, b"small", "image/jpeg")
        file = {
            "role": "image",
            "name": "preview.jpg",
            "object_key": object_key,
            "media_type": "image/jpeg",
            "size_bytes": 5,
            "sha256": hashlib.sha256(b"small").hexdigest(),
        }
        async with self.newsroom.db.transaction() as session:
            await put_ready(session, Wanted(key, sha256, "preview"), [file], {})
        return object_key

    async def draft(self, data: bytes, days: int = 400) -> UUID:
        item = (await self.newsroom.draft(title="没写完", body="一句话。")).id
        await self.file(item, data)
        return await self.age(item, days)

    async def keys(self) -> set[tuple[str, str]]:
        return {
            (bucket, each.key)
            for bucket in (ASSETS, RENDITIONS)
            async for each in listing(self.objects, bucket, 1)
            if not each.key.startswith(ASIDE)
        }


@pytest.fixture
async def archive(newsroom: Any, own_gateway: Settings, tmp_path: Path) -> AsyncIterator[Archive]:
    settings = own_gateway.model_copy(update={"home": tmp_path, "database_url": newsroom.db.url})
    assert isinstance(settings.s3_secret_key, SecretStr)
    archive = Archive(newsroom, Objects(own_gateway), settings)
    (tmp_path / "logs").mkdir()
    yield archive
    await archive.sql("UPDATE submission SET updated_at = now()")
    await archive.sql("UPDATE retention_rule SET is_on = (name = 'logs'), swept_at = NULL, keep_days = 365")


def _by_item(removals: list[Removal]) -> dict[UUID, Removal]:
    return {each.submission_id: each for each in removals}


async def test_dry_run_lists_exactly_what_apply_removes(archive: Archive) -> None:
    shared = [await archive.draft(b"in two drafts", days) for days in (400, 500)]
    lone = await archive.draft(b"in one draft")
    made = await archive.preview(hashlib.sha256(b"in one draft").hexdigest())
    kept = await archive.draft(b"in a live story too")
    story = await archive.newsroom.in_state(State.PUBLISHED)
    await archive.file(story, b"in a live story too")
    await archive.age(story, 4000)
    young = await archive.draft(b"of this year", 364)
    rejected = await archive.newsroom.in_state(State.FIRST_REVIEW)
    await archive.file(rejected, b"turned back")
    await archive.newsroom.send(rejected, Event.REJECT, "duty", "重复")
    await archive.age(rejected, 400)
    before = await archive.keys()
    listed = await would_remove(archive.newsroom.db, BOTH)
    assert await archive.keys() == before
    assert await would_remove(archive.newsroom.db, BOTH) == listed
    removed = await remove(archive.newsroom.db, archive.objects, BOTH)
    assert removed == listed
    found = _by_item(removed)
    assert set(found) == {*shared, lone, kept, rejected}
    assert before - await archive.keys() == {(one.bucket, one.key) for each in listed for one in each.objects}
    assert {one.key for one in found[lone].objects} == {
        asset_key(hashlib.sha256(b"in one draft").hexdigest()),
        made,
    }
    assert [len(found[item].objects) for item in shared] == [
        1,
        0,
    ]  # with the last that has it: the younger one
    assert found[kept].objects == ()
    assert (found[lone].forgotten > 0, found[rejected].forgotten) == (True, 0)
    assert await would_remove(archive.newsroom.db, BOTH) == []
    left = await Reconciler(archive.newsroom.db, archive.objects, datetime.now(UTC) + timedelta(days=2)).run()
    assert [each.key for each in left.findings] == []
    assert young not in found


async def test_forgotten_draft_is_empty_on_record_and_the_ledger_holds(archive: Archive, book: Any) -> None:
    item = await archive.draft(b"never finished")
    await archive.age(item, 400)
    (removal,) = [
        each
        for each in await remove(archive.newsroom.db, archive.objects, BOTH)
        if each.submission_id == item
    ]
    contents = await archive.sql(
        "SELECT content, sha256 FROM revision WHERE submission_id = :item", item=item
    )
    rows = contents.all()
    assert [row.content for row in rows] == [{}] * removal.forgotten
    assert await book.scalar("SELECT title FROM submission WHERE id = :item", item=item) == ""
    assert await book.scalar("SELECT count(*) FROM event WHERE submission_id = :item", item=item) > 0
    await book.sequence()
    found = await verify_ledger(archive.newsroom.db, Against((book.signer.verifier,)))
    assert [str(each) for each in found.faults] == []
    assert found.erased >= removal.forgotten


async def test_emptied_revision_without_its_journal_entry_is_a_fault(archive: Archive, book: Any) -> None:
    item = await archive.draft(b"emptied in secret")
    await book.sequence()
    empty = "UPDATE revision SET content = '{}' WHERE submission_id = :item"
    async with book.forging(empty, item=item) as session:
        found = await replay(session, Against((book.signer.verifier,)))
    assert [each.where for each in found.faults] == [f"{item} revision 1"]


@pytest.mark.parametrize("state", [State.PUBLISHED, State.FIRST_REVIEW])
async def test_text_of_a_piece_under_review_or_published_cannot_be_emptied_by_anybody(
    archive: Archive, book: Any, state: State
) -> None:
    item = await archive.newsroom.in_state(state)
    await archive.age(item, 4000)
    assert await book.scalar("SELECT forget_draft(:item)", item=item) == 0
    for db, refused in ((book.owner, "append-only"), (archive.newsroom.db, "permission denied")):
        with pytest.raises(DBAPIError, match=refused):
            await _empty(db, item)
    assert item not in _by_item(await would_remove(archive.newsroom.db, BOTH))


async def _empty(db: Any, item: UUID) -> None:
    async with db.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            text("UPDATE revision SET content = '{}' WHERE submission_id = :i"), {"i": item}
        )


async def test_withdrawn_piece_that_somebody_approved_loses_its_files_and_keeps_its_text(
    archive: Archive,
) -> None:
    item = await archive.newsroom.in_state(State.SECOND_REVIEW)
    await archive.file(item, b"approved once")
    await archive.newsroom.send(item, Event.WITHDRAW, "writer", "不发了")
    await archive.age(item, 400)
    removal = _by_item(await remove(archive.newsroom.db, archive.objects, BOTH))[item]
    assert (removal.forgotten, len(removal.objects)) == (0, 1)


async def test_piece_taken_up_again_meanwhile_is_left(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await archive.draft(b"taken up again")
    due = retention._due

    async def late(session: Any, rule: str) -> list[UUID]:
        found = await due(session, rule)
        await archive.age(item, 0)
        return found

    monkeypatch.setattr(retention, "_due", late)
    assert item not in _by_item(await remove(archive.newsroom.db, archive.objects, BOTH))
    assert await archive.objects.exists(ASSETS, asset_key(hashlib.sha256(b"taken up again").hexdigest()))


async def test_file_sent_again_after_its_removal_is_there_again(archive: Archive) -> None:
    item = await archive.draft(b"sent again")
    await remove(archive.newsroom.db, archive.objects, BOTH)
    sha256 = await archive.file(item, b"sent again")
    row = (
        await archive.sql(
            "SELECT intake FROM asset WHERE submission_id = :i AND sha256 = :s", i=item, s=sha256
        )
    ).one()
    assert row.intake == "waiting"
    left = await Reconciler(archive.newsroom.db, archive.objects, datetime.now(UTC) + timedelta(days=2)).run()
    assert asset_key(sha256) not in {each.key for each in left.findings}


@pytest.mark.parametrize(
    ("name", "days"), [("logs", 183), ("drafts", 29), ("rejected", 59), ("published", 3650)]
)
async def test_less_than_the_minimum_is_refused_with_its_source(
    archive: Archive, name: str, days: int
) -> None:
    admin = archive.newsroom.people["admin"].id
    with pytest.raises(RetentionRefused) as refused:
        async with archive.newsroom.db.transaction() as session:
            await set_rule(session, name, days, True, admin)
    if name == "logs":
        assert "网络安全法" in refused.value.text.zh
        with pytest.raises(DBAPIError, match="retention_rule_logs"):  # and whatever the application writes
            await archive.sql("UPDATE retention_rule SET keep_days = 183 WHERE name = 'logs'")


async def test_minimum_itself_can_be_chosen_and_stands_in_the_journal(archive: Archive) -> None:
    admin = archive.newsroom.people["admin"].id
    for rule in RULES.values():
        if rule.is_ever_removed:
            async with archive.newsroom.db.transaction() as session:
                await set_rule(session, rule.name, rule.minimum_days, False, admin)
                assert (await chosen_rule(session, rule.name)).keep_days == rule.minimum_days
    told = await archive.sql(
        "SELECT count(*) FROM journal WHERE action = 'retention_rule_set' AND actor_id = :a", a=admin
    )
    assert told.scalar_one() >= 3


async def test_daily_sweep_does_what_is_switched_on_once_a_day(archive: Archive) -> None:
    await archive.sql("UPDATE retention_rule SET keep_days = 365")
    item = await archive.draft(b"swept away")
    assert item not in _by_item(list((await retain(archive.settings, archive.newsroom.db)).pieces))
    await archive.sql("UPDATE retention_rule SET is_on = true WHERE name = 'drafts'")
    assert item in _by_item(list((await retain(archive.settings, archive.newsroom.db)).pieces))
    later = await archive.draft(b"swept tomorrow")
    assert later not in _by_item(list((await retain(archive.settings, archive.newsroom.db)).pieces))
    await archive.sql("UPDATE retention_rule SET swept_at = swept_at - interval '1 day'")
    assert later in _by_item(list((await retain(archive.settings, archive.newsroom.db)).pieces))


async def test_old_logs_go_and_the_one_being_written_stays(archive: Archive, tmp_path: Path) -> None:
    old, fresh = (
        tmp_path / "logs" / "api.log.20260101T000000.000000Z",
        tmp_path / "logs" / "api.log.20261101T000000.000000Z",
    )
    current = tmp_path / "logs" / "api.log"
    for path, days in ((old, 366), (fresh, 364), (current, 4000)):
        path.write_text("line\n")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    listed = await dry_run(archive.settings, archive.newsroom.db, ("logs",))
    assert [each.path for each in listed.logs] == [old]
    assert await apply(archive.settings, archive.newsroom.db, archive.objects, ("logs",)) == listed
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [current.name, fresh.name]
