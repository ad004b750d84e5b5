"""What the retention rules remove. A dry run is the same run, taken back before its end.

Files go only when no other piece has the same content; every removal stands in the journal.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.database import Database
from storage.journal import write_journal
from storage.keys import ASSETS, RENDITIONS, asset_key
from storage.object_claims import take_away_unless_owned
from storage.objects import Objects
from storage.reconcile_rows import owners_in
from storage.retention_rules import DRAFTS, REJECTED

REMOVED = "retention_removed"
_STATES = {DRAFTS: ["draft", "withdrawn"], REJECTED: ["rejected"]}


@dataclass(frozen=True, slots=True)
class Gone:
    """One object that goes."""

    bucket: str
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What a rule removes of one piece."""

    rule: str
    submission_id: UUID
    title: str
    untouched_since: datetime
    files: tuple[str, ...]  # SHA-256 of each file that the piece loses
    forgotten: int  # revisions whose text goes
    objects: tuple[Gone, ...]  # what leaves the store: content of no other piece, and its renditions

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rule": self.rule,
            "submission_id": str(self.submission_id),
            "title": self.title,
            "untouched_since": self.untouched_since.isoformat(),
            "files": list(self.files),
            "forgotten_revisions": self.forgotten,
            "objects": [{"bucket": o.bucket, "key": o.key, "size_bytes": o.size_bytes} for o in self.objects],
        }


class _TakenBack(Exception):
    """Ends a dry run."""


async def would_remove(db: Database, rules: list[str]) -> list[Removal]:
    """Exactly what `remove` would remove now; nothing is changed."""
    found: list[Removal] = []
    try:
        async with db.transaction() as session:
            for rule in rules:
                found += [each async for each in _removals(session, rule)]
            raise _TakenBack
    except _TakenBack:
        return found


async def remove(db: Database, objects: Objects, rules: list[str]) -> list[Removal]:
    """Remove what is due by these rules, piece by piece. Raises StoreUnavailable; run it again, it goes on.

    What broke off in the middle leaves objects that nobody owns, which `sanshen reconcile` finds.
    """

    owns = owners_in(db)
    found: list[Removal] = []
    for rule in rules:
        async with db.transaction() as session:
            due = await _due(session, rule)
        for item in due:
            async with db.transaction() as session:
                removal = await _remove_item(session, rule, item)
            if removal is None:
                continue
            for each in removal.objects:
                await take_away_unless_owned(db, objects, owns, each.bucket, each.key)
            found.append(removal)
    return found


async def _removals(session: AsyncSession, rule: str) -> AsyncIterator[Removal]:
    for item in await _due(session, rule):
        removal = await _remove_item(session, rule, item)
        if removal is not None:
            yield removal


# By the database's clock, as every deadline is.
_DUE = text("""
    SELECT item.id FROM submission AS item JOIN retention_rule AS rule ON rule.name = :rule
    WHERE item.state = ANY(:states) AND item.updated_at < now() - rule.keep_days * interval '1 day'
    AND item.signed_revision_number IS NULL AND item.live_revision_number IS NULL
    AND (
        EXISTS (
            SELECT FROM asset WHERE submission_id = item.id
            AND NOT EXISTS (SELECT FROM asset_removed WHERE asset_id = asset.id)
        )
        OR :rule = 'drafts' AND NOT EXISTS (SELECT FROM approval WHERE submission_id = item.id)
            AND EXISTS (SELECT FROM revision WHERE submission_id = item.id AND content <> '{}')
    )
    ORDER BY item.updated_at, item.id
""")
_LOCK = text("""
    SELECT item.title, item.updated_at, item.revision_number, rule.keep_days
    FROM submission AS item JOIN retention_rule AS rule ON rule.name = :rule
    WHERE item.id = :item AND item.state = ANY(:states)
    AND item.updated_at < now() - rule.keep_days * interval '1 day'
    FOR UPDATE OF item
""")
_TAKE = text("""
    WITH taken AS (
        INSERT INTO asset_removed (asset_id, rule)
        SELECT id, :rule FROM asset WHERE submission_id = :item
        AND NOT EXISTS (SELECT FROM asset_removed WHERE asset_id = asset.id)
        RETURNING asset_id
    )
    SELECT id, sha256, size_bytes FROM asset JOIN taken ON taken.asset_id = asset.id ORDER BY sha256
""")
_UNUSED = text("""
    SELECT DISTINCT asset.sha256, asset.size_bytes FROM asset WHERE asset.sha256 = ANY(:hashes) AND NOT EXISTS (
        SELECT FROM asset AS other WHERE other.sha256 = asset.sha256
        AND NOT EXISTS (SELECT FROM asset_removed WHERE asset_id = other.id)
    ) ORDER BY asset.sha256
""")
# What intake read in the file: where and by whom it was made, what it holds.
_FORGET_FINDINGS = (
    text(
        "UPDATE asset SET probe = '{}', findings = '[]', contents = '{}', capture = NULL WHERE id = ANY(:ids)"
    ),
    text("DELETE FROM fingerprint WHERE asset_id = ANY(:ids)"),
    text("DELETE FROM asset_match WHERE asset_id = ANY(:ids) OR other_id = ANY(:ids)"),
)
_FORGET_WORDS = text("DELETE FROM search_entry WHERE submission_id = :item")  # made anew, of what is left
_MADE = text("""
    WITH before AS (SELECT key, files FROM rendition WHERE source_sha256 = ANY(:hashes) AND files <> '[]' FOR UPDATE),
        emptied AS (
            UPDATE rendition SET state = 'wanted', files = '[]', measured = '{}', ready_at = NULL
            FROM before WHERE rendition.key = before.key
        )
    SELECT files FROM before ORDER BY key
""")
_FORGET_TEXT = text("SELECT forget_draft(:item)")


async def _due(session: AsyncSession, rule: str) -> list[UUID]:
    connection = await session.connection()
    return list((await connection.execute(_DUE, {"rule": rule, "states": _STATES[rule]})).scalars())


async def _remove_item(session: AsyncSession, rule: str, item: UUID) -> Removal | None:
    """All that the database says of it, with its journal entry; the objects are the caller's."""
    connection = await session.connection()
    values = {"rule": rule, "item": item, "states": _STATES[rule]}
    row = (await connection.execute(_LOCK, values)).first()
    if row is None:
        return None  # somebody took it up again
    files = (await connection.execute(_TAKE, {"rule": rule, "item": item})).all()
    hashes = [each.sha256 for each in files]
    objects = await _unused(session, hashes)
    for statement in _FORGET_FINDINGS:
        await connection.execute(statement, {"ids": [each.id for each in files]})
    forgotten = await connection.scalar(_FORGET_TEXT, {"item": item}) if rule == DRAFTS else 0
    if not files and not forgotten:
        return None
    if forgotten:
        await connection.execute(_FORGET_WORDS, {"item": item})
    facts: dict[str, Any] = {
        "rule": rule,
        "keep_days": row.keep_days,
        "files": hashes,
        "objects": len(objects),
        "forgotten_up_to": row.revision_number if forgotten else 0,
    }
    await write_journal(session, REMOVED, None, str(item), facts)
    return Removal(rule, item, row.title, row.updated_at, tuple(hashes), forgotten or 0, tuple(objects))


async def _unused(session: AsyncSession, hashes: list[str]) -> list[Gone]:
    """What no piece needs any more, with the renditions made of it."""
    connection = await session.connection()
    unused = (await connection.execute(_UNUSED, {"hashes": hashes})).all()
    found = [Gone(ASSETS, asset_key(each.sha256), each.size_bytes) for each in unused]
    made = await connection.execute(_MADE, {"hashes": [each.sha256 for each in unused]})
    for files in made.scalars():
        found += [Gone(RENDITIONS, file["object_key"], file["size_bytes"]) for file in files]
    return found
