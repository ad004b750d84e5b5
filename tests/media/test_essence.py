"""The same essence in another container has the same value; anything else has another one. ODD-INPUTS 29."""

from collections.abc import Callable
from pathlib import Path

import pytest

from media.essence import essence_of, read_hashes
from media.job import Source
from media.scan import scan

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
PICTURE, SOUND = "testsrc2=s=128x72:r=25:d=1.2", "sine=f=440:r=48000:d=1.2"
# B-frames, so that times of decoding and of showing differ.
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", 3, "-g", 12, "-pix_fmt", "yuv420p")
FILM = (*LAVFI, PICTURE, *LAVFI, SOUND, *H264, "-c:a", "aac")


@pytest.fixture
def essence(facts_of, tmp_path):
    """await essence(path): its hash."""

    async def found(path: Path) -> str:
        return (await scan(Source(path, facts_of(path)), tmp_path / path.name)).essence_sha256

    return found


@pytest.fixture(scope="module")
def film(make: Callable[..., Path]) -> Path:
    return make("essence.mp4", *FILM)


@pytest.mark.parametrize("container", ["mov", "mkv", "ts"])
async def test_film_in_another_container_has_the_same_essence(film, make, essence, container):
    other = make(f"again.{container}", "-i", film, "-map", 0, "-c", "copy")
    assert other.read_bytes() != film.read_bytes()
    assert await essence(other) == await essence(film)


@pytest.mark.parametrize(
    ("name", "codec", "others"),
    [
        ("voice.aac", "aac", ["m4a", "mkv", "ts"]),
        ("voice.mp3", "libmp3lame", ["mkv"]),
        ("voice.wav", "pcm_s16le", ["mov"]),
        ("voice.flac", "flac", ["mkv"]),
    ],
)
async def test_sound_in_another_container_has_the_same_essence(make, essence, name, codec, others):
    sound = make(name, *LAVFI, SOUND, "-c:a", codec)
    first = await essence(sound)
    for other in others:
        assert await essence(make(f"{name}.{other}", "-i", sound, "-c", "copy")) == first, other


async def test_late_sound_and_a_late_start_are_the_same_essence(film, make, essence):
    late = ("-itsoffset", 0.4, "-i", film, "-i", film, "-map", "0:v", "-map", "1:a", "-c", "copy")
    assert await essence(make("late.mkv", *late)) == await essence(film)


async def test_anything_else_has_another_essence(film, make, essence):
    keep_picture = ("-i", film, *LAVFI, "sine=f=445:r=48000:d=1.2", "-map", "0:v", "-map", "1:a")
    others = [
        film,
        make("other-sound.mp4", *keep_picture, "-c:v", "copy", "-c:a", "aac"),
        make("no-sound.mp4", "-i", film, "-an", "-c", "copy"),
        make("no-picture.m4a", "-i", film, "-vn", "-c", "copy"),
        make("again-coded.mp4", "-i", film, *H264, "-crf", 30, "-c:a", "copy"),
        make("other-picture.mp4", "-i", film, *H264, "-vf", "drawbox=w=4:h=4:t=fill", "-c:a", "copy"),
        make("shorter.mp4", *LAVFI, "testsrc2=s=128x72:r=25:d=1.1", *H264),
    ]
    found = [await essence(other) for other in others]
    assert len(set(found)) == len(others)


def test_hashes_of_a_killed_run_count_up_to_the_broken_line(tmp_path):
    log = tmp_path / "hash"
    whole = "#tb 0: 1/25\n#sar 0: 0/1\n0, 0, 0, 1, 100, aa\n0, 1, 1, 1, 100, bb, 1, 4, side\n"
    log.write_text(f"{whole}0, 2, 2, 1, 100, c")
    found = read_hashes(log)
    assert (found.count, found.end_s) == (2, pytest.approx(0.08))
    log.write_text(whole.replace(", 1, 4, side", ""))
    assert read_hashes(log).digest == found.digest


@pytest.mark.parametrize(
    "nonsense",
    ["", "\x00\xff", "0, a, b, c, d, e\n", "#tb 0: 1/0\n0, 0, 9, 9, 9, aa\n", "#tb\n#tb :\n,,,,,,\n"],
)
def test_hashes_of_a_nonsense_log_raise_nothing(tmp_path, nonsense):
    log = tmp_path / "hash"
    log.write_text(nonsense)
    assert read_hashes(log).end_s == 0.0
    assert read_hashes(tmp_path / "missing").count == 0


def test_streams_are_summed_apart_whatever_their_order(tmp_path):
    lines = ["0, 0, 0, 1, 9, aa\n", "0, 1, 1, 1, 9, bb\n", "1, 0, 0, 1, 9, cc\n"]
    (tmp_path / "one").write_text("".join(lines))
    (tmp_path / "two").write_text(lines[2] + lines[0] + lines[1])
    one, two = read_hashes(tmp_path / "one"), read_hashes(tmp_path / "two")
    assert one.digest == two.digest
    assert essence_of(one, two) != essence_of(one, read_hashes(tmp_path / "missing"))
