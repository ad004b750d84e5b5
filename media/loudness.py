"""Loudness: measured without decoding a picture, brought to where a profile wants it, and measured again."""

import asyncio
import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from media import _ffmpeg
from media.commands import loudness_args
from media.errors import EncodeFailed
from media.finding import Finding
from media.job import Gain, Source
from media.profiles_form import Loudness
from states.text import Text

# EBU R 128 s1 measures short pieces otherwise; under three seconds the figure means nothing.
SHORTEST_S = 3.0
# The gate of ITU-R BS.1770: below it the meter gives -70 for "nothing".
_SILENCE_LUFS = -69.0
# A coder's peaks stand up to a decibel above those of what it was given.
_HEADROOM_DB = 1.0
# Closer than this it is left alone; what is left of the tolerance is for the coder.
_CLOSE_LU = 0.3
_ROUNDS = 3
_AS_IT_IS = Gain()


@dataclass(frozen=True, slots=True)
class Loud:
    """Integrated loudness and true peak; both None for silence."""

    integrated_lufs: float | None
    peak_dbtp: float | None


@dataclass(frozen=True, slots=True)
class Tuned:
    """The gain that brings a sound to a target, what it was before, and what a reviewer should know."""

    gain: Gain
    before: Loud | None = None
    findings: tuple[Finding, ...] = ()


async def measure(source: Source, work_dir: Path, gain: Gain = _AS_IT_IS) -> Loud:
    """The loudness of the sound in stereo, as an output would have it after `gain`. Writes into `work_dir`."""
    with tempfile.TemporaryDirectory(dir=work_dir, prefix=".loudness-") as folder:
        length_s = source.facts.duration_s or 0.0
        limits = _ffmpeg.Limits(wall_s=60 + length_s, file_bytes=200_000_000)
        await _ffmpeg.run(loudness_args(source, gain, Path(folder)), limits)
        return await asyncio.to_thread(read_meter, Path(folder))


async def tune(source: Source, target: Loudness, work_dir: Path) -> Tuned:
    """The gain for a target. Silence and what lasts under 3 s are left alone, with a finding."""
    if source.facts.audio is None:
        return Tuned(Gain())
    if (source.facts.duration_s or 0.0) < SHORTEST_S:
        return Tuned(Gain(), findings=(TOO_SHORT,))
    before = await measure(source, work_dir)
    if before.integrated_lufs is None or before.peak_dbtp is None:
        return Tuned(Gain(), before, (SILENT,))
    if _fits(before, target, _CLOSE_LU):
        return Tuned(Gain(), before)
    gain = Gain(round(target.target_lufs - before.integrated_lufs, 2))
    ceiling = target.max_peak_dbtp - _HEADROOM_DB
    if before.peak_dbtp + gain.db <= ceiling:
        return Tuned(gain, before)
    return Tuned(await _limited(source, target, Gain(gain.db, ceiling), work_dir), before)


async def tune_all(
    source: Source, targets: Iterable[Loudness | None], work_dir: Path
) -> dict[Loudness, Tuned]:
    """`tune` for each of the targets, once each."""
    wanted = [target for target in dict.fromkeys(targets) if target is not None]
    return {target: await tune(source, target, work_dir) for target in wanted}


def retuned(gain: Gain, after: Loud, target: Loudness) -> Gain | None:
    """A better gain after an output was measured; None when that output is right, or silent."""
    if after.integrated_lufs is None or after.peak_dbtp is None or _fits(after, target, target.tolerance_lu):
        return None
    ceiling = gain.ceiling_dbtp
    over_db = after.peak_dbtp - target.max_peak_dbtp
    if over_db > 0:
        ceiling = (target.max_peak_dbtp - _HEADROOM_DB if ceiling is None else ceiling) - over_db - 0.2
    return replace(
        gain, db=round(gain.db + target.target_lufs - after.integrated_lufs, 2), ceiling_dbtp=ceiling
    )


def not_reached(after: Loud, target: Loudness) -> Finding:
    """The finding for an output whose loudness could not be brought to the target."""
    got = f"{after.integrated_lufs:.1f} LUFS" if after.integrated_lufs is not None else "-∞"
    return Finding(
        "loudness_not_reached",
        Text(
            f"响度为 {got}，未能达到 {target.target_lufs:g} LUFS；请检查声音。",
            f"The loudness is {got} and could not be brought to {target.target_lufs:g} LUFS; check the sound.",
        ),
    )


async def _limited(source: Source, target: Loudness, gain: Gain, work_dir: Path) -> Gain:
    # What the limiter takes off is only known when it has run: tried on the sound alone, which costs little.
    for _ in range(_ROUNDS):
        after = await measure(source, work_dir, gain)
        if after.integrated_lufs is None:
            return gain
        missing = target.target_lufs - after.integrated_lufs
        if abs(missing) < _CLOSE_LU / 2:
            return gain
        gain = replace(gain, db=round(gain.db + missing, 2))
    return gain


def _fits(loud: Loud, target: Loudness, tolerance_lu: float) -> bool:
    if loud.integrated_lufs is None or loud.peak_dbtp is None:
        return False
    return (
        abs(loud.integrated_lufs - target.target_lufs) <= tolerance_lu
        and loud.peak_dbtp <= target.max_peak_dbtp
    )


def read_meter(folder: Path) -> Loud:
    """What the meter wrote into the files `I` and `true_peak`; EncodeFailed when there is nothing."""
    integrated, peak = _last(folder / "I"), _last(folder / "true_peak")
    if integrated is None or integrated <= _SILENCE_LUFS or not peak or peak < 0:
        return Loud(None, None)
    return Loud(round(integrated, 2), round(20 * math.log10(peak), 2))


def _last(log: Path) -> float | None:
    try:
        lines = log.read_text("ascii", "replace").splitlines()
    except FileNotFoundError as error:
        raise EncodeFailed(
            Text(
                "无法测量响度，请重新导出后上传。", "The loudness cannot be measured; export the file again."
            ),
            "no reading",
        ) from error
    values = [line.partition("=")[2] for line in reversed(lines) if line.startswith("lavfi.r128.")]
    try:
        value = float(values[0]) if values else math.nan
    except ValueError:  # a line that was cut off
        return None
    return value if math.isfinite(value) else None


TOO_SHORT = Finding(
    "too_short_for_loudness",
    Text("不足 3 秒，未调整响度。", "Shorter than 3 s: the loudness was left as it is."),
)
SILENT = Finding("silence", Text("全程无声。", "There is silence all through."))
