"""Which renditions a revision goes out with, and what became of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import canonical_sha256
from storage.tables import Rendition, RenditionUse

_MOST_USERS = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """One rendition that a revision needs."""

    key: str
    source_sha256: str
    profile: str


async def want(
    session: AsyncSession, submission_id: UUID, revision_sha256: str, wanted: Iterable[Wanted]
) -> None:
    """Note what a revision goes out with, and nothing else: an earlier plan, of other software, is forgotten.

    What another revision had made is used again; a failure is retried.
    """
    wanted = sorted(wanted, key=lambda each: each.key)  # in one order, so that two runs cannot deadlock
    earlier = delete(RenditionUse).where(
        col(RenditionUse.submission_id) == submission_id,
        col(RenditionUse.revision_sha256) == revision_sha256,
        col(RenditionUse.rendition_key).not_in([each.key for each in wanted]),
    )
    await session.exec(earlier)
    for each in wanted:
        row = {"key": each.key, "source_sha256": each.source_sha256, "profile": each.profile}
        await session.exec(insert(Rendition).values(**row).on_conflict_do_nothing())
        use = {
            "submission_id": submission_id,
            "revision_sha256": revision_sha256,
            "rendition_key": each.key,
        }
        await session.exec(insert(RenditionUse).values(**use).on_conflict_do_nothing())


async def put_ready(
    session: AsyncSession, wanted: Wanted, files: Sequence[dict[str, Any]], measured: dict[str, Any]
) -> None:
    """A rendition is made and its files are in the store. What was ready before stays: it may be signed."""
    values = {
        "key": wanted.key,
        "source_sha256": wanted.source_sha256,
        "profile": wanted.profile,
        "state": "ready",
        "files": list(files),
        "measured": measured,
        "refusal": None,
        "ready_at": datetime.now(UTC),
    }
    await session.exec(
        insert(Rendition)
        .values(**values)
        .on_conflict_do_update(index_elements=["key"], set_=values, where=col(Rendition.state) != "ready")
    )


async def put_failed(session: AsyncSession, key: str, refusal: dict[str, Any]) -> None:
    """A rendition cannot be made from this source; `refusal` says why, in both languages."""
    statement = update(Rendition).where(col(Rendition.key) == key, col(Rendition.state) != "ready")
    await session.exec(statement.values(state="failed", refusal=refusal))


async def of_revision(session: AsyncSession, submission_id: UUID, revision_sha256: str) -> list[Rendition]:
    """What this revision goes out with, by source and profile."""
    statement = (
        select(Rendition)
        .join(RenditionUse, col(RenditionUse.rendition_key) == col(Rendition.key))
        .where(
            col(RenditionUse.submission_id) == submission_id,
            col(RenditionUse.revision_sha256) == revision_sha256,
        )
        .order_by(col(Rendition.source_sha256), col(Rendition.profile))
    )
    return list(await session.exec(statement))


async def users_of(session: AsyncSession, key: str) -> list[UUID]:
    """Items whose revisions go out with this rendition, each once, a hundred at the most."""
    statement = select(RenditionUse.submission_id).where(col(RenditionUse.rendition_key) == key).distinct()
    statement = statement.limit(_MOST_USERS)
    return list(await session.exec(statement))


async def of_sources(
    session: AsyncSession, sha256s: Iterable[str], profiles: Iterable[str]
) -> list[Rendition]:
    """Ready renditions of these files in these profiles: previews, posters; the newest first.

    Of one profile there are several where a piece wears labels; the oldest is what intake made of the bare file.
    """
    statement = select(Rendition).where(
        col(Rendition.source_sha256).in_(list(sha256s)),
        col(Rendition.profile).in_(list(profiles)),
        col(Rendition.state) == "ready",
    )
    return list(await session.exec(statement.order_by(col(Rendition.ready_at).desc())))


def manifest(renditions: Iterable[Rendition]) -> list[dict[str, Any]]:
    """Exactly these files, by name and hash: what the final approval signs beside the content."""
    return [
        {
            "files": [{"name": file["name"], "sha256": file["sha256"]} for file in rendition.files],
            "key": rendition.key,
            "profile": rendition.profile,
            "source_sha256": rendition.source_sha256,
        }
        for rendition in sorted(renditions, key=lambda each: each.key)
    ]


def manifest_sha256(renditions: Iterable[Rendition]) -> str:
    """The name of a manifest."""
    return canonical_sha256(manifest(renditions))
