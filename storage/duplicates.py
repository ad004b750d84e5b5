"""Files of different submissions that are alike: the same bytes, the same essence, or pictures that look alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage.assets import Look, looks_of
from storage.tables import Asset, AssetMatch, Submission

# A logo or a standard opening may be in thousands of pieces; nobody reads more than this.
MOST_MATCHES = 20
MOST_CANDIDATES = 50


class Alike(StrEnum):
    """How two files are alike, the strongest first."""

    SAME = "same"
    ESSENCE = "essence"
    LIKELY = "likely"


@dataclass(frozen=True, slots=True)
class Match:
    """A file of another submission that is like this one; `at_s` is where in this one, of a film."""

    kind: Alike
    submission: Submission
    filename: str
    distance: int
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file of another submission with a picture near one of this file's, and all its pictures."""

    asset_id: UUID
    distance: int
    at_s: float | None
    looks: tuple[Look, ...]


async def candidates_for(
    session: AsyncSession, asset_id: UUID, probes: Sequence[Look], most_bits: int
) -> list[Candidate]:
    """The files that have a picture of which at most `most_bits` differ from one of the probes; most hits first.

    Ask in a later transaction than that which stored this file's own pictures: of two files that are examined at the
    same moment, one then meets the other.
    """
    connection = await session.connection()
    values = {
        "asset": asset_id,
        "bits": [each.bits for each in probes],
        "at_s": [each.at_s for each in probes],
        "most_bits": most_bits,
        "most": MOST_CANDIDATES,
    }
    found = (await connection.execute(_NEAR, values)).all()
    looks = await looks_of(session, [each.asset_id for each in found])
    return [Candidate(each.asset_id, each.distance, each.at_s, tuple(looks[each.asset_id])) for each in found]


async def put_matches(session: AsyncSession, asset_id: UUID, likely: Iterable[Candidate]) -> None:
    """Keep what is like this file: what looks alike, as it was judged, and what equals it by its hashes.

    May run again: what an earlier run had found for this file is replaced.
    """
    await session.exec(delete(AssetMatch).where(col(AssetMatch.asset_id) == asset_id))
    connection = await session.connection()
    await connection.execute(_PUT_EQUAL, {"asset": asset_id, "most": MOST_MATCHES})
    nearest = sorted(likely, key=lambda each: each.distance)[:MOST_MATCHES]
    rows = [
        {
            "asset_id": asset_id,
            "other_id": each.asset_id,
            "kind": Alike.LIKELY.value,
            "distance": each.distance,
            "at_s": each.at_s,
        }
        for each in nearest
    ]
    if rows:
        await session.exec(insert(AssetMatch).values(rows).on_conflict_do_nothing())


async def matches_of(session: AsyncSession, asset_ids: Iterable[UUID]) -> dict[UUID, list[Match]]:
    """What is like these files, whichever of the two came first; the strongest and newest matches first."""
    wanted = list(asset_ids)
    statement = (
        select(AssetMatch)
        .where(or_(col(AssetMatch.asset_id).in_(wanted), col(AssetMatch.other_id).in_(wanted)))
        .order_by(col(AssetMatch.found_at).desc())
        .limit(MOST_MATCHES * (len(wanted) + 1))
    )
    rows = (await session.exec(statement)).all()
    others = await _with_submissions(session, {each for row in rows for each in (row.asset_id, row.other_id)})
    found: dict[UUID, dict[UUID, Match]] = {each: {} for each in wanted}
    for row in rows:
        for mine, theirs, at_s in (
            (row.asset_id, row.other_id, row.at_s),
            (row.other_id, row.asset_id, None),
        ):
            if mine in found:
                asset, submission = others[theirs]
                match = Match(Alike(row.kind), submission, asset.filename, row.distance, at_s)
                found[mine].setdefault(theirs, match)
    return {each: sorted(matches.values(), key=_rank)[:MOST_MATCHES] for each, matches in found.items()}


async def _with_submissions(
    session: AsyncSession, asset_ids: Iterable[UUID]
) -> dict[UUID, tuple[Asset, Submission]]:
    statement = (
        select(Asset, Submission)
        .join(Submission, col(Submission.id) == col(Asset.submission_id))
        .where(col(Asset.id).in_(list(asset_ids)))
    )
    return {asset.id: (asset, submission) for asset, submission in await session.exec(statement)}


def _rank(match: Match) -> Any:
    return list(Alike).index(match.kind), match.distance, -match.submission.created_at.timestamp()


# The comparison of bits is a scan of a narrow table (DECISIONS 37); only of the few that are near is it asked whose.
_NEAR = text("""
WITH near AS MATERIALIZED (
    SELECT other.asset_id, probe.at_s, bit_count((other.bits # probe.bits)::bit(64))::int AS distance
    FROM unnest(CAST(:bits AS bigint[]), CAST(:at_s AS float8[])) AS probe (bits, at_s)
    JOIN fingerprint other ON bit_count((other.bits # probe.bits)::bit(64)) <= :most_bits
)
SELECT near.asset_id, min(distance) AS distance, (array_agg(at_s ORDER BY distance, at_s))[1] AS at_s
FROM near
JOIN asset other ON other.id = near.asset_id
JOIN asset me ON me.id = :asset AND me.submission_id <> other.submission_id
GROUP BY near.asset_id
ORDER BY count(*) DESC, min(distance), near.asset_id
LIMIT :most
""")
_PUT_EQUAL = text("""
INSERT INTO asset_match (asset_id, other_id, kind, distance)
SELECT me.id, other.id, CASE WHEN other.sha256 = me.sha256 THEN 'same' ELSE 'essence' END, 0
FROM asset me
JOIN asset other ON other.submission_id <> me.submission_id
    AND (other.sha256 = me.sha256 OR other.essence_sha256 = me.essence_sha256)
WHERE me.id = :asset AND other.examined_by IS NOT NULL
ORDER BY other.sha256 = me.sha256 DESC, other.created_at DESC
LIMIT :most
""")
