"""Approvals as files to take away: CSV for a table program, JSON for a machine. Page by page, never all in memory."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from api.schemas.audit import ApprovalShown

Pages = AsyncIterator[list[ApprovalShown]]

_BOM = "\ufeff"  # without it Excel in a Chinese office takes the file for GBK
# OWASP ASVS 5.0, requirement 1.2.10: what a table program takes for a formula; the full-width forms to be sure.
_DANGEROUS = tuple("=+-@\t\r\n\0＝＋－＠")
_COLUMNS = (
    "at",
    "submission_id",
    "title",
    "column",
    "stage",
    "review_round",
    "person",
    "person_id",
    "on_behalf_of",
    "on_behalf_of_id",
    "delegation_id",
    "confirmed_by",
    "confirmed_by_id",
    "address",
    "revision_number",
    "revision_sha256",
    "asset_sha256s",
    "manifest_sha256",
    "rendition_keys",
    "item_seq",
    "event_hash",
)


async def as_csv(pages: Pages) -> AsyncIterator[str]:
    """RFC 4180 in UTF-8 with its mark, a header first; no cell can be taken for a formula."""
    yield _BOM + _lines([_COLUMNS])
    async for page in pages:
        yield _lines(map(_row, page))


async def as_json(pages: Pages, head: Mapping[str, Any]) -> AsyncIterator[str]:
    """One object: the head's members, and `approvals`. Cut short it is no JSON, so that nobody takes it for whole."""
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "approvals": ['
    before = "\n"
    async for page in pages:
        yield before + ",\n".join(each.model_dump_json() for each in page)
        before = ",\n"
    yield "\n]}\n"


def _lines(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip(" \u3000").startswith(_DANGEROUS):
        return f"'{cell}"
    return cell


def _row(shown: ApprovalShown) -> list[object]:
    seen = shown.seen
    flat: dict[str, object] = {
        **shown.model_dump(mode="json", exclude={"person", "on_behalf_of", "confirmed_by", "seen"}),
        **seen.model_dump(exclude={"url", "asset_sha256s", "renditions"}),
        "asset_sha256s": " ".join(seen.asset_sha256s),
        "rendition_keys": " ".join(each.key for each in seen.renditions),
    }
    for name in ("person", "on_behalf_of", "confirmed_by"):
        who = getattr(shown, name)
        flat |= {name: who and who.display_name, f"{name}_id": who and who.id}
    return [flat[name] for name in _COLUMNS]
