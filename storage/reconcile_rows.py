"""What the database says must be in the store, bucket by bucket and in the order of keys, page by page.

Each page is a transaction of its own: none stays open while the store is read.
"""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database
from storage.keys import ASSETS, LEDGER, RENDITIONS, checkpoint_key
from storage.object_claims import Owns
from storage.reconcile import Expected

_PAGE = 500
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
LEDGER_PLACE = f"bucket {LEDGER}"

# Hashes are hexadecimal and of one length: every collation orders them as bytes.
_ASSETS = text("""
    SELECT sha256 AS place, object_key, max(size_bytes) AS size_bytes,
        string_agg(DISTINCT submission_id::text, ', ') AS submissions
    FROM asset WHERE sha256 > :after AND NOT EXISTS (SELECT FROM asset_removed WHERE asset_id = asset.id)
    GROUP BY sha256, object_key ORDER BY sha256 LIMIT :limit
""")
_STATION = text("""
    SELECT sha256 AS place, object_key, max(size_bytes) AS size_bytes, string_agg(role, ', ') AS roles
    FROM station_file WHERE sha256 > :after GROUP BY sha256, object_key ORDER BY sha256 LIMIT :limit
""")
_RENDITIONS = text("""
    SELECT key AS place, profile, files FROM rendition
    WHERE state = 'ready' AND key > :after ORDER BY key LIMIT :limit
""")
_HANDOFFS = text("""
    SELECT id AS place, submission_id, files FROM delivery
    WHERE files <> '{}' AND id > :after ORDER BY id LIMIT :limit
""")
_CHECKPOINTS = text("""
    SELECT size AS place, size, note,
        coalesce((SELECT max(size) FROM checkpoint AS earlier WHERE earlier.size < checkpoint.size), 0) AS before
    FROM checkpoint
    WHERE size > :after
    AND size <= (SELECT coalesce(max(size), 0) FROM checkpoint_copy WHERE place = :place)
    ORDER BY size LIMIT :limit
""")
_LEAF_LINE_BYTES = 65  # a hash in hexadecimal, and a line break


async def of_assets(db: Database) -> AsyncIterator[Expected]:
    """The files that were sent in, each content once; then the station's own."""
    async for row in _pages(db, _ASSETS, ""):
        owner = f"submission {row.submissions}"
        yield Expected(ASSETS, row.object_key, row.size_bytes, row.place, owner)
    async for row in _pages(db, _STATION, ""):
        yield Expected(ASSETS, row.object_key, row.size_bytes, row.place, f"station file ({row.roles})")


async def of_renditions(db: Database) -> AsyncIterator[Expected]:
    """The packages that wait for a person, then the files of every finished rendition."""
    async for row in _pages(db, _HANDOFFS, UUID(int=0)):
        for key in sorted(row.files.values(), key=str.encode):
            yield Expected(
                RENDITIONS, key, None, None, f"delivery {row.place} of submission {row.submission_id}"
            )
    async for row in _pages(db, _RENDITIONS, ""):
        for file in sorted(row.files, key=lambda file: str(file["object_key"]).encode()):
            owner = f"rendition {row.place} ({row.profile})"
            yield Expected(
                RENDITIONS, file["object_key"], file["size_bytes"], file["sha256"], owner, file["media_type"]
            )


async def of_ledger(db: Database) -> AsyncIterator[Expected]:
    """The copies of checkpoints that were noted as made."""
    async for row in _pages(db, _CHECKPOINTS, 0, place=LEDGER_PLACE):
        note, owner = row.note.encode(), f"checkpoint {row.size}"
        leaves_bytes = (row.size - row.before) * _LEAF_LINE_BYTES
        yield Expected(LEDGER, checkpoint_key(f"{row.size:012d}.leaves"), leaves_bytes, None, owner)
        sha256 = hashlib.sha256(note).hexdigest()
        yield Expected(LEDGER, checkpoint_key(f"{row.size:012d}.note"), len(note), sha256, owner)


async def _pages(db: Database, query: Any, after: Any, **values: Any) -> AsyncIterator[Any]:
    while True:
        async with db.transaction() as session:
            connection = await session.connection()
            found = await connection.execute(query, {"after": after, "limit": _PAGE, **values})
            rows = found.all()
        for row in rows:
            yield row
        if len(rows) < _PAGE:
            return
        after = rows[-1].place


_OWNED = {
    ASSETS: (
        (
            "sha256/",
            "SELECT EXISTS (SELECT FROM asset WHERE sha256 = :last AND object_key = :key "
            "AND NOT EXISTS (SELECT FROM asset_removed WHERE asset_id = asset.id)) "
            "OR EXISTS (SELECT FROM upload WHERE content_sha256 = :last AND state = 'open')",
        ),
        ("station/", "SELECT EXISTS (SELECT FROM station_file WHERE object_key = :key)"),
        (
            "incoming/",
            "SELECT EXISTS (SELECT FROM upload WHERE id = CAST(:id AS uuid) "
            "AND cleaned_at IS NULL AND state IN ('open', 'joined'))",
        ),
    ),
    RENDITIONS: (
        (
            "made/",
            "SELECT EXISTS (SELECT FROM rendition WHERE key = :third AND state = 'ready' "
            "AND files @> jsonb_build_array(jsonb_build_object('object_key', CAST(:key AS text)))) "
            "OR EXISTS (SELECT FROM making JOIN outbox ON outbox.id = making.outbox_id "
            "AND outbox.attempt = making.attempt WHERE rendition_key = :third "
            "AND outbox.finished_at IS NULL AND outbox.leased_until > clock_timestamp())",
        ),
        ("handoffs/", "SELECT EXISTS (SELECT FROM delivery WHERE id = CAST(:id AS uuid))"),
    ),
    LEDGER: (
        (
            "checkpoints/",
            "SELECT EXISTS (SELECT FROM checkpoint WHERE lpad(size::text, 12, '0') = split_part(:last, '.', 1))",
        ),
    ),
}


def owners_in(db: Database) -> Owns:
    """`is_owned`, each time in a transaction of its own."""

    async def owns(bucket: str, key: str) -> bool:
        async with db.transaction() as session:
            return await is_owned(session, bucket, key)

    return owns


async def is_owned(session: AsyncSession, bucket: str, key: str) -> bool:
    """Whether a row names this object at this moment (of the public bucket, ask `flows.reconcile`).

    So do an open upload of the same content and an attempt that makes the rendition (`storage.object_claims`).
    """
    names = key.split("/")
    found = _UUID.search(key)
    values = {
        "key": key,
        "last": names[-1],
        "third": names[2] if len(names) > 2 else "",
        "id": found and found[0],
    }
    for prefix, query in _OWNED.get(bucket, ()):
        if key.startswith(prefix):
            given = {name: value for name, value in values.items() if f":{name}" in query}
            connection = await session.connection()
            return bool(await connection.scalar(text(query), given))
    return False
