"""Database and store compared, both ways: what is missing, what nobody owns, what has another size or hash.

Both sides are read in order and merged, so that memory does not grow with their number. They change meanwhile:
every difference is looked at once more, on its own, before it counts.
"""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from states.text import Text
from storage.listing import ASIDE, Listed, look_at
from storage.object_claims import Owns
from storage.objects import Objects

# Nothing younger is touched: an upload or a render that is at work has its objects before its rows.
YOUNG = timedelta(days=1)
_MOST_KEPT = 10_000


class Difference(StrEnum):
    """What can be wrong with an object."""

    MISSING = "missing"
    ORPHANED = "orphaned"
    WRONG_SIZE = "wrong_size"
    WRONG_HASH = "wrong_hash"


@dataclass(frozen=True, slots=True)
class Expected:
    """An object that the database names; None where it does not say."""

    bucket: str
    key: str
    size_bytes: int | None
    sha256: str | None
    owner: str  # of whom it is: `submission …`, `rendition …`, `story …`
    media_type: str = "application/octet-stream"
    copy_of: tuple[str, str] | None = None  # bucket and key of the same bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, and what a repair made of it."""

    difference: Difference
    bucket: str
    key: str
    owner: str = ""
    expected_size_bytes: int | None = None
    found_size_bytes: int | None = None
    expected_sha256: str | None = None
    found_sha256: str | None = None
    modified_at: datetime | None = None
    repair: Text | None = None
    is_mended: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON values; times in RFC 3339."""
        told = {**asdict(self), "difference": self.difference.value}
        told["modified_at"] = self.modified_at.isoformat() if self.modified_at else None
        told["repair"] = self.repair.to_json() if self.repair else None
        return told


@dataclass(slots=True)
class Report:
    """What a comparison found. `findings` holds the first ten thousand; the counts hold all."""

    objects: int = 0
    hashed: int = 0
    young: int = 0  # that nobody owns yet: left alone for a day
    mended: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Difference, 0))
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to be mended."""
        return sum(self.counts.values()) == self.mended

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while there is room."""
        self.counts[finding.difference] += 1
        self.mended += finding.is_mended
        if len(self.findings) < _MOST_KEPT:
            self.findings.append(finding)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        counts: dict[str, Any] = {name.value: self.counts[name] for name in Difference}
        head = {"objects": self.objects, "hashed": self.hashed, "young": self.young, "mended": self.mended}
        return {**head, **counts, "findings": [each.to_json() for each in self.findings]}


Pair = tuple[Expected | None, Listed | None]


async def merged(expected: AsyncIterator[Expected], found: AsyncIterator[Listed]) -> AsyncIterator[Pair]:
    """What belongs together by key, and what stands alone, from two sides in the order of bytes."""
    left, right = await anext(expected, None), await anext(found, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key.encode() < right.key.encode()):
            yield left, None
            left = await anext(expected, None)
        elif left is None or right.key.encode() < left.key.encode():
            yield None, right
            right = await anext(found, None)
        else:
            yield left, right
            left, right = await anext(expected, None), await anext(found, None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a bucket is looked at: `owns` asks the database anew about one key, ages count to `now`."""

    objects: Objects
    owns: Owns
    now: datetime
    reads_back: bool = False

    async def differences(
        self, bucket: str, pairs: AsyncIterator[Pair], report: Report
    ) -> AsyncIterator[tuple[Finding, Expected | None]]:
        """Every difference of one bucket, looked at twice; what is in order is counted in the report."""
        async for expected, listed in pairs:
            report.objects += listed is not None
            if expected is None:
                found = None if listed is None else await self._alone(bucket, listed, report)
            else:
                found = await self._of(expected, listed, report)
            if found is not None:
                yield found, expected

    async def _alone(self, bucket: str, listed: Listed, report: Report) -> Finding | None:
        if listed.key.startswith(ASIDE) or await self.owns(bucket, listed.key):
            return None
        if self.now - listed.modified_at < YOUNG:
            report.young += 1
            return None
        return Finding(
            Difference.ORPHANED,
            bucket,
            listed.key,
            found_size_bytes=listed.size_bytes,
            modified_at=listed.modified_at,
        )

    async def _of(self, expected: Expected, listed: Listed | None, report: Report) -> Finding | None:
        """An object that is named: there, of its size, and with `reads_back` of its hash."""
        if self._is_other(expected, listed):
            listed = await look_at(self.objects, expected.bucket, expected.key)
            if self._is_other(expected, listed) and not await self.owns(expected.bucket, expected.key):
                return None  # its row went away meanwhile
        about = Finding(
            Difference.MISSING,
            expected.bucket,
            expected.key,
            expected.owner,
            expected.size_bytes,
            expected_sha256=expected.sha256,
        )
        if listed is None:
            return about
        about = replace(about, found_size_bytes=listed.size_bytes, modified_at=listed.modified_at)
        if self._is_other(expected, listed):
            return replace(about, difference=Difference.WRONG_SIZE)
        if not self.reads_back or expected.sha256 is None:
            return None
        stored = await self.objects.hash_object(expected.bucket, expected.key)
        report.hashed += 1
        if stored.sha256 == expected.sha256:
            return None
        return replace(about, difference=Difference.WRONG_HASH, found_sha256=stored.sha256)

    def _is_other(self, expected: Expected, listed: Listed | None) -> bool:
        return listed is None or expected.size_bytes not in (None, listed.size_bytes)
