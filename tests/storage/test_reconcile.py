"""Database and store compared: each kind of difference found, told, mended or left, and nothing young touched."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from flows.reconcile import Reconciler
from states.content import AssetRef
from states.item import State
from storage.assets import add_asset
from storage.keys import ASSETS, LEDGER, PUBLIC, RENDITIONS, asset_key, incoming_key, rendition_key
from storage.listing import ASIDE, Listed, listing, older_copies
from storage.log_copies import mark_copied, to_be_copied
from storage.object_claims import take_away_unless_owned
from storage.objects import Objects
from storage.reconcile import Difference, Expected, Report, merged
from storage.reconcile_rows import LEDGER_PLACE, owners_in
from storage.renditions import Wanted, put_ready, want
from storage.settings import Settings
from storage.station import keep_station_bytes, set_station_file
from storage.tables import Asset, Rendition

pytestmark = pytest.mark.slow

TOMORROW = timedelta(days=1, hours=1)


@dataclass(frozen=True)
class Store:
    """A store of this module's own, beside its newsroom."""

    newsroom: Any
    objects: Objects

    async def look(self, *, later: timedelta = TOMORROW, **how: bool) -> Report:
        now = datetime.now(UTC) + later
        return await Reconciler(self.newsroom.db, self.objects, now).run(**how)

    async def asset(self, item: UUID, data: bytes, *, stored: bytes | None = None) -> Asset:
        """A file of a piece; `stored` None: as it was sent."""
        sha256 = hashlib.sha256(data).hexdigest()
        await self.objects.put_bytes(
            ASSETS, asset_key(sha256), data if stored is None else stored, "image/png"
        )
        asset = Asset(
            submission_id=item,
            sha256=sha256,
            size_bytes=len(data),
            filename="图.png",
            object_key=asset_key(sha256),
            intake="passed",
            kind="still",
        )
        async with self.newsroom.db.transaction() as session:
            return await add_asset(session, asset)

    async def rendition(
        self, asset: Asset, profile: str, data: bytes, item: UUID | None = None
    ) -> tuple[str, str]:
        """A finished rendition, of an item's revision where one is named: its key and that of its file."""
        key, sha256 = (
            hashlib.sha256(f"{asset.sha256}{profile}".encode()).hexdigest(),
            hashlib.sha256(data).hexdigest(),
        )
        object_key = rendition_key(key, f"{sha256[:16]}/{profile}.jpg")
        await self.objects.put_bytes(RENDITIONS, object_key, data, "image/jpeg")
        file = {
            "role": "image",
            "name": f"{profile}.jpg",
            "object_key": object_key,
            "media_type": "image/jpeg",
            "size_bytes": len(data),
            "sha256": sha256,
        }
        wanted = Wanted(key, asset.sha256, profile)
        async with self.newsroom.db.transaction() as session:
            if item is not None:
                await want(session, item, await self.newsroom.revision(item), [wanted])
            await put_ready(session, wanted, [file], {"width": 4, "height": 3})
        return key, object_key

    async def story(self) -> tuple[UUID, str]:
        """A story with one picture before readers: its id and the picture's key in the public bucket."""
        data = f"picture {uuid4()}".encode()
        item = await self.newsroom.in_state(
            State.PUBLISHED,
            assets=(AssetRef(hashlib.sha256(data).hexdigest(), "图.png", "桥"),),
        )
        asset = await self.asset(item, data)
        _, made = await self.rendition(asset, "app_still", b"as shown " + data, item)
        async with self.newsroom.db.transaction() as session:
            await _confirm(session, item)
        public = f"stories/{item}/v1/{asset.sha256[:16]}/app_still/app_still.jpg"
        await self.objects.copy((RENDITIONS, made), (PUBLIC, public), "image/jpeg")
        return item, public


async def _confirm(session: Any, item: UUID) -> None:
    connection = await session.connection()
    await connection.execute(
        text("UPDATE delivery SET state = 'confirmed', confirmed_at = now() WHERE submission_id = :i"),
        {"i": item},
    )


@pytest.fixture
async def store(newsroom: Any, own_gateway: Settings) -> AsyncIterator[Store]:
    """The store; whatever a test left wrong in it is gone before the next one looks."""
    objects = Objects(own_gateway)
    yield Store(newsroom, objects)
    async with newsroom.db.transaction() as session:
        connection = await session.connection()
        for statement in (
            "DELETE FROM delivery",
            "DELETE FROM rendition_use",
            "DELETE FROM rendition",
            "DELETE FROM upload",
            "DELETE FROM asset",
            "DELETE FROM station_file",
        ):
            await connection.execute(text(statement))
    for bucket in (ASSETS, RENDITIONS, PUBLIC):
        for each in [each async for each in listing(objects, bucket, 1)]:
            await objects.erase(bucket, each.key)


def _told(report: Report) -> list[tuple[str, str, str]]:
    return [(each.difference.value, each.bucket, each.key) for each in report.findings]


async def test_everything_in_its_place_is_clean_and_counted(store: Store) -> None:
    await store.story()
    report = await store.look(reads_back=True)
    assert _told(report) == []
    assert (report.objects, report.hashed, report.is_clean) == (3, 3, True)


async def test_stations_own_files_have_their_place_and_a_lost_one_is_named(store: Store) -> None:
    asset = await store.asset(await store.newsroom.received(), b"a logo")
    key, admin = await keep_station_bytes(store.objects, asset), store.newsroom.people["admin"].id
    async with store.newsroom.db.transaction() as session:
        for role in ("logo", "closing"):
            await set_station_file(session, role, asset, key, admin)
    assert _told(await store.look()) == []
    await store.objects.erase(ASSETS, key)
    (lost,) = (await store.look()).findings
    assert (lost.difference.value, lost.key) == ("missing", key)


async def test_lost_asset_is_named_with_its_pieces_and_cannot_be_mended(store: Store) -> None:
    first, second = (await store.newsroom.draft()).id, (await store.newsroom.draft()).id
    asset = await store.asset(first, b"only copy")
    await store.asset(second, b"only copy")
    await store.objects.erase(ASSETS, asset.object_key)
    report = await store.look(repairs=True)
    assert _told(report) == [("missing", ASSETS, asset.object_key)]
    found = report.findings[0]
    assert str(first) in found.owner
    assert str(second) in found.owner
    assert not found.is_mended
    assert found.repair is not None
    assert "作者" in found.repair.zh
    assert not report.is_clean


async def test_removed_asset_comes_back_from_its_older_version(store: Store) -> None:
    asset = await store.asset((await store.newsroom.draft()).id, b"removed by mistake")
    await store.objects.remove(ASSETS, asset.object_key)
    report = await store.look(repairs=True)
    assert [(each.difference, each.is_mended) for each in report.findings] == [(Difference.MISSING, True)]
    assert await store.objects.read(ASSETS, asset.object_key) == b"removed by mistake"
    assert (await store.look()).is_clean


@pytest.mark.parametrize(
    ("stored", "difference", "deep"),
    [
        (b"shorter", Difference.WRONG_SIZE, False),
        (b"the right bytes?", Difference.WRONG_HASH, True),
    ],
)
async def test_overwritten_asset_is_told_and_restored_only_from_the_version_that_was_sent(
    store: Store, stored: bytes, difference: Difference, deep: bool
) -> None:
    asset = await store.asset((await store.newsroom.draft()).id, b"the right bytes.")
    await store.objects.put_bytes(ASSETS, asset.object_key, stored, "image/png")
    report = await store.look(reads_back=deep)
    assert [(each.difference, each.is_mended) for each in report.findings] == [(difference, False)]
    assert await store.objects.read(ASSETS, asset.object_key) == stored  # a report changes nothing
    mended = await store.look(reads_back=deep, repairs=True)
    assert [each.is_mended for each in mended.findings] == [True]
    assert await store.objects.read(ASSETS, asset.object_key) == b"the right bytes."


async def test_wrong_hash_of_the_same_size_is_found_only_by_reading_back(store: Store) -> None:
    await store.asset((await store.newsroom.draft()).id, b"one", stored=b"two")
    assert _told(await store.look()) == []
    assert [each.difference for each in (await store.look(reads_back=True)).findings] == [
        Difference.WRONG_HASH
    ]


async def test_orphans_older_than_a_day_are_removed_and_younger_ones_stay(store: Store) -> None:
    key, sent = asset_key("ab" * 32), incoming_key(uuid4())
    for each in (key, sent):
        await store.objects.put_bytes(ASSETS, each, b"nobody's", "image/png")
    made = rendition_key("cd" * 32, "0123/lost.mp4")
    await store.objects.put_bytes(RENDITIONS, made, b"a render that died", "video/mp4")
    for repairs in (False, True):
        young = await store.look(later=timedelta(hours=23), repairs=repairs)
        assert (young.young, young.findings) == (3, [])
    assert {each.key for each in (await store.look()).findings} == {key, sent, made}
    assert (await store.look(repairs=True)).mended == 3
    assert not await store.objects.exists(ASSETS, key)
    assert not await store.objects.exists(RENDITIONS, made)
    assert (await store.look(repairs=True)).findings == []


async def test_object_taken_from_a_bucket_without_versions_can_come_back_for_a_day(store: Store) -> None:
    made = rendition_key("ef" * 32, "0123/a.mp4")
    await store.objects.put_bytes(RENDITIONS, made, b"perhaps", "video/mp4")
    db = store.newsroom.db
    assert await take_away_unless_owned(db, store.objects, owners_in(db), RENDITIONS, made)
    assert [each.key for each in await older_copies(store.objects, RENDITIONS, made)] == [ASIDE + made]
    assert _told(await store.look(later=timedelta(hours=1), repairs=True)) == []
    assert await store.objects.exists(RENDITIONS, ASIDE + made)
    await store.look(repairs=True)
    assert not await store.objects.exists(RENDITIONS, ASIDE + made)


async def test_removed_asset_is_gone_with_all_its_versions_after_thirty_days(store: Store) -> None:
    orphan, kept = asset_key("12" * 32), await store.asset((await store.newsroom.draft()).id, b"first")
    await store.objects.put_bytes(ASSETS, orphan, b"nobody's", "image/png")
    await store.objects.put_bytes(
        ASSETS, kept.object_key, b"first", "image/png"
    )  # an older version, not a removed one
    await store.look(repairs=True)
    await store.look(later=timedelta(days=29), repairs=True)
    assert [each.key for each in await older_copies(store.objects, ASSETS, orphan)] == [orphan]
    await store.look(later=timedelta(days=31), repairs=True)
    assert await older_copies(store.objects, ASSETS, orphan) == []
    assert len(await older_copies(store.objects, ASSETS, kept.object_key)) == 2


async def test_what_an_open_upload_has_sent_is_no_orphan(store: Store) -> None:
    item, upload = (await store.newsroom.draft()).id, uuid4()
    async with store.newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            text(
                "INSERT INTO upload (id, submission_id, person_id, state, filename, caption, size_bytes, "
                "part_size_bytes, object_key, s3_upload_id) "
                "VALUES (:id, :item, :who, 'open', 'a', '', 5, 5, :key, 'x')"
            ),
            {
                "id": upload,
                "item": item,
                "who": store.newsroom.people["writer"].id,
                "key": incoming_key(upload),
            },
        )
    await store.objects.put_bytes(ASSETS, incoming_key(upload), b"parts", "image/png")
    await store.objects.put_bytes(ASSETS, f"{incoming_key(upload)}.tail/0", b"tail", "image/png")
    report = await store.look(repairs=True)
    assert (report.young, report.findings) == (0, [])


async def test_missing_public_file_of_a_live_story_is_put_again_from_its_rendition(store: Store) -> None:
    item, public = await store.story()
    before = await store.objects.read(PUBLIC, public)
    await store.objects.remove(PUBLIC, public)
    report = await store.look(repairs=True)
    assert [(each.difference, each.key, each.is_mended) for each in report.findings] == [
        (Difference.MISSING, public, True)
    ]
    assert str(item) in report.findings[0].owner
    assert await store.objects.read(PUBLIC, public) == before


async def test_public_file_of_a_retracted_story_is_an_orphan_and_is_never_put_again(store: Store) -> None:
    item, public = await store.story()
    async with store.newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            text("UPDATE delivery SET state = 'retracted' WHERE submission_id = :i"), {"i": item}
        )
    assert _told(await store.look()) == [("orphaned", PUBLIC, public)]
    await store.look(repairs=True)
    assert not await store.objects.exists(PUBLIC, public)
    assert (await store.look(repairs=True)).is_clean


async def test_story_retracted_during_the_repair_is_not_before_readers_afterwards(store: Store) -> None:
    item, public = await store.story()
    await store.objects.remove(PUBLIC, public)
    asked: list[str] = []

    class Racing(Reconciler):
        async def owns(self, bucket: str, key: str) -> bool:
            owned = await super().owns(bucket, key)
            asked.append(key)
            if len(asked) == 2:  # before the copy
                async with store.newsroom.db.transaction() as session:
                    statement = text("UPDATE delivery SET state = 'retracted' WHERE submission_id = :i")
                    await (await session.connection()).execute(statement, {"i": item})
            return owned

    await Racing(store.newsroom.db, store.objects, datetime.now(UTC)).run(repairs=True)
    assert len(asked) == 4
    assert not await store.objects.exists(PUBLIC, public)


async def test_lost_rendition_under_review_is_asked_for_again(store: Store) -> None:
    item = await store.newsroom.in_state(State.SECOND_REVIEW)
    asset = await store.asset(item, b"source of a film")
    key, made = await store.rendition(asset, "vertical", b"film", item)
    await store.objects.erase(RENDITIONS, made)
    report = await store.look(repairs=True)
    assert [(each.key, each.is_mended) for each in report.findings] == [(made, True)]
    async with store.newsroom.db.transaction() as session:
        rendition = await session.get(Rendition, key)
        connection = await session.connection()
        asked = (
            await connection.execute(
                text("SELECT payload FROM outbox WHERE submission_id = :i AND effect = 'render' ORDER BY id"),
                {"i": item},
            )
        ).scalars()
        assert (rendition.state, rendition.files) == ("wanted", [])
        assert list(asked)[-1]["revision_sha256"] == await store.newsroom.revision(item)
    assert (await store.look()).is_clean


async def test_lost_rendition_that_was_signed_comes_back_from_the_public_copy_or_is_told_as_lost(
    store: Store,
) -> None:
    _, public = await store.story()
    (made,) = [each.key async for each in listing(store.objects, RENDITIONS, 3)]
    before = await store.objects.read(RENDITIONS, made)
    await store.objects.erase(RENDITIONS, made)
    report = await store.look(repairs=True)
    assert [(each.key, each.is_mended) for each in report.findings] == [(made, True)]
    assert await store.objects.read(RENDITIONS, made) == before
    await store.objects.erase(RENDITIONS, made)
    await store.objects.erase(PUBLIC, public)
    lost = await store.look(repairs=True)
    assert [(each.bucket, each.is_mended) for each in lost.findings] == [(RENDITIONS, False), (PUBLIC, False)]
    assert "更正" in str(lost.findings[0].repair)


async def test_stranger_among_the_objects_is_told_and_left(store: Store) -> None:
    await store.objects.put_bytes(RENDITIONS, "somebody/else.txt", b"?", "text/plain")
    report = await store.look(repairs=True)
    assert [(each.key, each.is_mended) for each in report.findings] == [("somebody/else.txt", False)]
    assert await store.objects.exists(RENDITIONS, "somebody/else.txt")


async def test_lost_copy_of_a_checkpoint_is_made_again_and_an_unknown_one_is_never_removed(
    store: Store, book: Any
) -> None:
    await book.published()
    await book.sequence()
    async with store.newsroom.db.transaction() as session:
        copies = await to_be_copied(session, LEDGER_PLACE)
        for copied in copies:
            await mark_copied(session, LEDGER_PLACE, copied.size)
    for copied in copies:
        for name, data in copied.files().items():
            await store.objects.put_bytes(LEDGER, f"checkpoints/{name}", data, "text/plain")
    assert (await store.look(reads_back=True)).is_clean
    lost = f"checkpoints/{copies[-1].size:012d}.leaves"
    await store.objects.erase(LEDGER, lost)
    mended = await store.look(repairs=True)
    assert [(each.key, each.is_mended) for each in mended.findings] == [(lost, True)]
    assert await store.objects.read(LEDGER, lost) == copies[-1].files()[lost.removeprefix("checkpoints/")]
    unknown = "checkpoints/000000999999.note"
    await store.objects.put_bytes(LEDGER, unknown, b"a log that went on", "text/plain")
    report = await store.look(repairs=True)
    assert [(each.key, each.is_mended) for each in report.findings] == [(unknown, False)]
    assert await store.objects.exists(LEDGER, unknown)


async def _stream(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def test_merge_of_two_sorted_sides_pairs_what_belongs_together() -> None:
    at = datetime.now(UTC)
    left = [Expected(ASSETS, key, None, None, "") for key in ("a", "c", "é", "文")]
    right = [Listed(key, 1, at) for key in ("b", "c", "文", "龙")]
    pairs = [(e and e.key, f and f.key) async for e, f in merged(_stream(*left), _stream(*right))]
    assert pairs == [("a", None), (None, "b"), ("c", "c"), ("é", None), ("文", "文"), (None, "龙")]


async def test_files_of_a_corrected_version_may_be_there_or_gone_and_those_of_the_newest_may_not(
    store: Store,
) -> None:
    item, first = await store.story()
    second = first.replace("/v1/", "/v2/")
    async with store.newsroom.db.transaction() as session:
        connection = await session.connection()
        for statement in _CORRECTED:
            await connection.execute(text(statement), {"i": item})
    await store.objects.copy((PUBLIC, first), (PUBLIC, second), "image/jpeg")
    assert _of_readers(await store.look(repairs=True)) == []
    await store.objects.remove(PUBLIC, first)  # as the sweep of the store does after its grace
    assert _of_readers(await store.look(repairs=True)) == []
    assert not await store.objects.exists(PUBLIC, first)
    await store.objects.remove(PUBLIC, second)
    assert _of_readers(await store.look()) == [("missing", PUBLIC, second)]


def _of_readers(report: Report) -> list[tuple[str, str, str]]:
    return [each for each in _told(report) if each[1] == PUBLIC]


_CORRECTED = (
    """
    INSERT INTO revision (submission_id, number, sha256, content, editor_id, created_at)
    SELECT submission_id, 2, sha256, content, editor_id, now() FROM revision
    WHERE submission_id = :i AND number = 1
    """,
    """
    INSERT INTO delivery (id, submission_id, revision_number, destination_id, state, attempt, files,
        created_at, updated_at, confirmed_at)
    SELECT gen_random_uuid(), submission_id, 2, destination_id, state, attempt, files, now(), now(), now()
    FROM delivery WHERE submission_id = :i
    """,
)
