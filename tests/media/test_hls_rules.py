"""The strict check of HLS: a good ladder passes, each single fault is found, and ten minutes do not drift."""

import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from media.errors import OutputWrong
from media.hls import read_master, read_packets
from media.hls_rules import check_master, check_rung, drift_s

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "20", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="session")
def ladder(make: Callable[..., Path], facts_of, tmp_path_factory) -> Path:
    """7 s at 25 a second as the app gets it: two segments."""
    import asyncio
    import threading

    from media.profiles import PROFILES
    from media.render import render

    source = make(
        "ladder7.mp4", *LAVFI, "testsrc2=s=64x36:r=25:d=7", *LAVFI, "sine=d=7", *H264, "-c:a", "aac"
    )
    out = tmp_path_factory.mktemp("ladder")
    work = render(source, facts_of(source), PROFILES["app_hls"], out)
    # The session's loop runs already: another one, in a thread of its own.
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()
    return out


def check(folder: Path) -> None:
    check_master(folder)
    for variant in read_master(folder):
        check_rung(folder, variant, read_packets(folder, variant)["video"], 0.04)


def test_good_ladder_passes(ladder):
    check(ladder)


FAULTS = {
    "no head": ("index", r"#EXTM3U\n", "", "EXTM3U"),
    "no version": ("index", r"#EXT-X-VERSION:\d+", "", "lacks a number"),
    "old version": ("index", r"VERSION:\d+", "VERSION:3", "version"),
    "target too small": ("index", r"TARGETDURATION:\d+", "TARGETDURATION:5", "over its target"),
    "target no integer": ("index", r"TARGETDURATION:\d+", "TARGETDURATION:6.0", "lacks a number"),
    "live": ("index", "#EXT-X-PLAYLIST-TYPE:VOD\n", "", "no VOD"),
    "no end": ("index", "#EXT-X-ENDLIST", "", "incomplete|does not end"),
    "length without segment": ("index", r"00001.m4s\n", "", "segment"),
    "length of zero": ("index", r"EXTINF:1.0+,", "EXTINF:0.000000,", "without a length|off the packets"),
    "wrong length": ("index", r"EXTINF:6.0+,", "EXTINF:5.900000,", "off the packets"),
    "missing segment": ("index", r"00001\.m4s", "00009.m4s", "cannot be read|missing"),
    "segment elsewhere": ("index", r"00001\.m4s", "http://127.0.0.1:9/x.m4s", "cannot be read|missing"),
    "dependent": ("index", "#EXT-X-INDEPENDENT-SEGMENTS\n", "", "stand alone"),
    "rung elsewhere": ("master", r"(\n)(\S+)/index", r"\1../\2/index", "cannot be read|outside"),
    "no codecs": ("master", r",CODECS=\"[^\"]+\"", "", "incomplete|attribute"),
    "low bandwidth": ("master", r":BANDWIDTH=\d+", ":BANDWIDTH=1000", "below the peak"),
}


@pytest.mark.parametrize(("where", "old", "new", "says"), FAULTS.values(), ids=FAULTS)
def test_fault_in_a_playlist_is_found(ladder, tmp_path, where, old, new, says):
    folder = tmp_path / "spoilt"
    shutil.copytree(ladder, folder)
    (path,) = folder.glob("master.m3u8") if where == "master" else folder.glob("*/index.m3u8")
    text = path.read_text("utf-8")
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text, count=1), "utf-8")
    with pytest.raises(OutputWrong) as caught:
        check(folder)
    assert re.search(says, caught.value.detail)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "count"), [("30000/1001", 17_982), ("25", 15_000)])
async def test_ten_minutes_drift_by_less_than_a_frame(make, make_rendition, tmp_path, rate, count):
    picture = (*LAVFI, f"testsrc2=s=48x28:r={rate}:d=600")
    source = make(
        f"minutes{count}.mp4", *picture, *LAVFI, "sine=d=600:r=8000", *H264, "-g", 300, "-c:a", "aac"
    )
    rendered = await make_rendition(source, "app_hls")
    (variant,) = read_master(tmp_path / "app_hls")
    assert len(variant.segments) == 100
    assert drift_s(variant, read_packets(tmp_path / "app_hls", variant)["video"]) < 1 / Fraction(rate)
    assert variant.duration_s == pytest.approx(600, abs=0.05)
    assert rendered.measured["frame_count"] == pytest.approx(count, abs=1)
