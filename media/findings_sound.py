"""What listening to a whole recording tells a reviewer: silence, flat tops, loudness far off."""

from pathlib import Path

from media.errors import EncodeFailed
from media.finding import Finding
from media.findings_words import Words, describe
from media.loudness import SHORTEST_S, SILENT, TOO_SHORT, Loud, read_meter
from media.probe import AudioFacts
from media.scan_graph import CLIP_WINDOWS_PER_S, clip_window
from media.scan_logs import Reading, Stretch, join, read_readings, read_stretches
from states.text import Text

# House value: a speaker's pause has the room in it and is louder than the detector's -60 dBFS.
SILENCE_SHORTEST_S = 2.0
_SILENCE_GAP_S = 0.1
_SILENCE = Words("silence", "静音", "Silence", "silences")
# House values: one sample in 25 at full scale, in runs whose mean square length is 8 (18 dB). A limiter that
# leaves 0.1 dB keeps below both; a voice clipped by 4 dB is above; so is a tone at full scale, which is as loud.
_CLIP_SHARE, _CLIP_RUN_DB, _FULL_SCALE_DB = 0.04, 18.0, -0.001
_CLIP_GAP_S, _CLIP_SHORTEST_S = 1.0, 0.2
_CLIPPED = Words("clipped", "声音削顶失真", "The sound is clipped", "clipped places")
# House values: 18 LU below what goes out on the web lifts the noise audibly; above -9 no dynamics are left.
QUIETEST_LUFS, LOUDEST_LUFS = -34.0, -9.0
# House value: coders overshoot by up to a decibel (EBU R 128 allows -1 dBTP).
_HIGHEST_DBTP = 1.0


def listen(folder: Path, film_s: float) -> Loud:
    """Loudness and true peak; no loudness under three seconds, neither in silence."""
    try:
        loud = read_meter(folder)
    except EncodeFailed:
        return Loud(None, None)
    return Loud(loud.integrated_lufs if film_s >= SHORTEST_S else None, loud.peak_dbtp)


def find_in_sound(audio: AudioFacts, folder: Path, film_s: float, loud: Loud) -> list[Finding]:
    """Findings in a fixed order: silence, clipping, loudness."""
    silent = read_stretches(folder, "silence", film_s)
    # Behind the sound's end there is picture alone.
    heard_s = audio.end_s - min(audio.start_s, 0.0)
    silent += [Stretch(max(0.0, heard_s), film_s)] if heard_s < film_s else []
    silences = join(silent, _SILENCE_GAP_S, SILENCE_SHORTEST_S)
    clipped = _clipped(audio, folder / "clipped")
    if loud.peak_dbtp is None:
        whole = SILENT if film_s >= SHORTEST_S else TOO_SHORT
        return [whole] if film_s >= SHORTEST_S else [*describe(silences, _SILENCE), whole]
    return [
        *describe(silences, _SILENCE),
        *describe(clipped, _CLIPPED),
        *_loudness(loud, film_s, is_clipped=bool(clipped)),
    ]


def _clipped(audio: AudioFacts, log: Path) -> list[Stretch]:
    window = clip_window(audio.sample_rate_hz)
    hot = [
        Stretch(each.at_s, each.at_s + 1 / CLIP_WINDOWS_PER_S)
        for each in read_readings(log)
        if _is_flat(each, window)
    ]
    return join(hot, _CLIP_GAP_S, _CLIP_SHORTEST_S)


def _is_flat(window: Reading, samples: int) -> bool:
    values = window.values
    return (
        values.get("astats.Overall.Peak_level", -100.0) >= _FULL_SCALE_DB
        and values.get("astats.Overall.Peak_count", 0.0) >= _CLIP_SHARE * samples
        and values.get("astats.Overall.Flat_factor", 0.0) >= _CLIP_RUN_DB
    )


def _loudness(loud: Loud, film_s: float, *, is_clipped: bool) -> list[Finding]:
    if film_s < SHORTEST_S:
        return [TOO_SHORT]
    found, lufs, peak = [], loud.integrated_lufs, loud.peak_dbtp
    if lufs is not None and lufs < QUIETEST_LUFS:
        text = Text(
            f"声音很轻（{lufs:.1f} LUFS），提高响度时噪声也会变大。",
            f"The sound is very quiet ({lufs:.1f} LUFS); raising it raises the noise too.",
        )
        found.append(Finding("too_quiet", text))
    if lufs is not None and lufs > LOUDEST_LUFS:
        text = Text(
            f"声音过响（{lufs:.1f} LUFS），请检查是否失真。",
            f"The sound is very loud ({lufs:.1f} LUFS); check it for distortion.",
        )
        found.append(Finding("too_loud", text))
    if peak is not None and peak > _HIGHEST_DBTP and not is_clipped:
        text = Text(
            f"真峰值达 {peak:+.1f} dBTP，请检查是否失真。",
            f"The true peak is {peak:+.1f} dBTP; check it for distortion.",
        )
        found.append(Finding("peak_over", text))
    return found
