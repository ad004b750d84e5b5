"""Examining one file at intake: scanned for malware, inspected, looked through, compared with all others."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.context import NotYet, Work
from flows.making import keep, make_once
from flows.progress import reporting
from media.errors import NotScanned, ScannerAway
from media.examine import REVIEW, Signs, examine, examiner, has_signs, review_key
from media.finding import Finding
from media.inspect import Inspection, inspect
from media.job import Source
from media.kinds import Kind
from media.made import Rendered
from media.malware import clamd_at, look_for_malware
from media.metadata import read_metadata
from media.perceptual import (
    MAX_FRAME_DISTANCE,
    MAX_STILL_DISTANCE,
    Fingerprint,
    distance,
    is_likely_same,
)
from media.plain import to_plain
from states.text import Text
from storage import assets, duplicates, renditions
from storage.assets import Examined, Look
from storage.renditions import Wanted
from storage.tables import Asset

_SCANNER_PAUSE_S = 60.0
# What a reader's or an editor's machine would run or open as it came; all else is decoded here, behind the guard,
# and goes out as what was made of it.
_NEVER_UNSCANNED = (Kind.PACKAGE, Kind.DOCUMENT)
# Pictures this near to one that is looked for already find nothing more: the reach in films is as much wider.
_SAME_SCENE_BITS = 2
_REACH_BITS = max(MAX_STILL_DISTANCE, MAX_FRAME_DISTANCE + _SAME_SCENE_BITS)
# Looking for a picture reads every fingerprint there is (DECISIONS 37). A film that is shorter than the gaps between
# these is still met from its own side, for of itself it looks for every scene.
_MOST_PROBES = 40


async def examine_file(work: Work, asset: Asset, path: Path) -> Source:
    """Look the file through and keep what is found; what is like it in other pieces, too. May run again.

    Gives the file with its facts and the moments that may stand for it.
    Raises what the steps raise of MediaError, and NotYet while the malware scanner is away: then nothing is decoded.
    """
    unscanned = await _look_for_malware(work, path)
    inspection = await inspect(path, asset.filename)
    _refuse_unscanned(inspection.sniffed.kind, unscanned)
    signs = await _signs_of(work, asset, path, inspection)
    capture = {
        name: value
        for name, value in to_plain(await read_metadata(path, inspection.probe)).items()
        if value is not None
    }
    found = Examined(
        kind=inspection.sniffed.kind.value,
        media_type=inspection.sniffed.media_type,
        probe=inspection.probe.to_json(),
        findings=[_plain(each) for each in (*unscanned, *inspection.findings, *signs.findings)],
        by=examiner(),
        essence_sha256=signs.essence_sha256,
        contents=_contents(inspection),
        capture=capture or None,
        looks=tuple(Look(each.at_s, each.bits) for each in signs.fingerprints),
    )
    async with work.transaction() as session:
        await assets.put_examined(session, asset.id, found)
    await _compare(work, asset, signs.fingerprints)
    return Source(path, inspection.probe, tuple(each.at_s for each in signs.covers))


async def _look_for_malware(work: Work, path: Path) -> tuple[Finding, ...]:
    settings = work.settings
    if settings.clamd is None:
        return ()
    try:
        found = await look_for_malware(path, clamd_at(settings.clamd, settings.clamd_max_bytes))
    except (
        ScannerAway
    ) as away:  # an operator's trouble, which sends nobody's piece back, however long it lasts
        raise NotYet(str(away), _SCANNER_PAUSE_S) from away
    return () if found is None else (found,)


def _refuse_unscanned(kind: Kind, unscanned: Sequence[Finding]) -> None:
    if unscanned and kind in _NEVER_UNSCANNED:
        raise NotScanned(
            Text(
                "文件超过恶意代码查杀程序的上限，这类文件未经查杀不予接收。请拆小或压缩后重新上传，或请技术人员调高上限。",
                "The file is over a limit of the malware scanner, and files of this kind are not taken unscanned. "
                "Send it smaller or in parts, or have an operator raise the limit.",
            )
        )


async def _signs_of(work: Work, asset: Asset, path: Path, inspection: Inspection) -> Signs:
    """The signs of the content: found once for all pieces that it is in, with its review files."""
    if not has_signs(inspection.sniffed.kind):
        return Signs()
    wanted = Wanted(review_key(asset.sha256), asset.sha256, REVIEW)

    async def make(_: Sequence[Wanted]) -> None:
        with tempfile.TemporaryDirectory(prefix="sanshen-examine-") as folder:
            async with reporting(work, asset.submission_id, asset.sha256, ["入库检查"]) as note:
                found = await examine(path, inspection, Path(folder), note)
            await keep(work, wanted, Rendered(REVIEW, found.files, to_plain(found.signs)))

    await make_once(work, (wanted,), make)
    async with work.transaction() as session:
        made = await renditions.of_sources(session, [asset.sha256], [REVIEW])
    return next(Signs.of(each.measured) for each in made if each.key == wanted.key)


async def _compare(work: Work, asset: Asset, prints: Sequence[Fingerprint]) -> None:
    probes = [Look(each.at_s, each.bits) for each in _probes(prints)]
    async with work.transaction() as session:
        near = await duplicates.candidates_for(session, asset.id, probes, _REACH_BITS) if probes else []
    likely = [each for each in near if await asyncio.to_thread(is_likely_same, prints, _prints(each.looks))]
    async with work.transaction() as session:
        await duplicates.put_matches(session, asset.id, likely)


def _probes(prints: Sequence[Fingerprint]) -> list[Fingerprint]:
    """One picture of each scene, evenly thinned out where there are too many."""
    scenes: list[Fingerprint] = []
    for each in prints:
        if all(distance(each.bits, other.bits) > _SAME_SCENE_BITS for other in scenes):
            scenes.append(each)
    count = min(len(scenes), _MOST_PROBES)
    return [scenes[number * len(scenes) // count] for number in range(count)]


def _prints(looks: Sequence[Look]) -> tuple[Fingerprint, ...]:
    return tuple(Fingerprint(each.at_s, each.bits) for each in looks)


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "at_s": finding.at_s,
        "until_s": finding.until_s,
        **finding.text.to_json(),
    }


def _contents(inspection: Inspection) -> dict[str, Any]:
    held = {
        "package": inspection.package,
        "document": inspection.document,
        "appended": inspection.appended,
    }
    return {name: to_plain(value) for name, value in held.items() if value is not None}
