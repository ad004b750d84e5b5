"""Peaks of a sound, as players draw them."""

import json
import math
from pathlib import Path

import pytest

from media.waveform import MAX_POINTS, read_waveform


def pcm(path: Path, values: list[int]) -> Path:
    path.write_bytes(b"".join(value.to_bytes(2, "little", signed=True) for value in values))
    return path


def test_peaks_are_those_of_the_samples(tmp_path):
    loud, quiet = [0, 32767, -32768, 100], [256, -256, 0, 5]
    found = read_waveform(pcm(tmp_path / "a.pcm", loud + quiet + [512]), max_points=3)
    assert found.samples_per_point == 3
    assert found.peaks == (-128, 127, -1, 1, 0, 2)


@pytest.mark.parametrize("count", [1, 1999, 2000, 2001, 4000, 8000 * 7 + 3])
def test_points_cover_the_whole_and_are_never_too_many(tmp_path, count):
    values = [0] * (count - 1) + [20_000]
    found = read_waveform(pcm(tmp_path / "a.pcm", values))
    points = len(found.peaks) // 2
    assert points <= MAX_POINTS
    assert points == math.ceil(count / found.samples_per_point)
    assert found.peaks[-1] == 20_000 >> 8


def test_json_is_version_2_of_audiowaveform(tmp_path):
    document = json.loads(read_waveform(pcm(tmp_path / "a.pcm", [0, 1000] * 3000)).to_json())
    assert {key: document[key] for key in ("version", "channels", "sample_rate", "bits")} == {
        "version": 2,
        "channels": 1,
        "sample_rate": 8000,
        "bits": 8,
    }
    assert len(document["data"]) == 2 * document["length"] == 2 * 2000
    assert document["samples_per_pixel"] == 3
    assert set(document["data"][::2]) == {0}
    assert set(document["data"][1::2]) == {1000 >> 8}


@pytest.mark.parametrize("content", [b"", b"\x01"])
def test_no_samples_make_no_points(tmp_path, content):
    (tmp_path / "a.pcm").write_bytes(content)
    assert read_waveform(tmp_path / "a.pcm").peaks == ()


def test_half_a_sample_at_the_end_does_no_harm(tmp_path):
    (tmp_path / "a.pcm").write_bytes(b"\x00\x01\x00\x02\x01")
    assert read_waveform(tmp_path / "a.pcm").peaks == (1, 1, 2, 2)
