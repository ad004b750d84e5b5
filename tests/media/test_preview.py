"""The preview plays at once over a bad network: its index comes first, and its first picture soon after."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import pytest

from media.profiles import PROFILES
from media.render import Rendered, render

pytestmark = pytest.mark.slow

# Five seconds at 400 kbit/s.
FIRST_BYTES = 256_000
LENGTH_S = 4
TINY = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "20", "-pix_fmt", "yuv420p", "-c:a", "aac")


@pytest.fixture(scope="module")
def restless(make: Callable[..., Path]) -> Path:
    """Noise over movement at 60 frames a second, which takes all the bits that there are; its index is at the end."""
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=640x360:r=60:d={LENGTH_S},noise=alls=12:allf=t")
    return make("restless.mp4", *picture, "-f", "lavfi", "-i", f"sine=d={LENGTH_S}", *TINY)


@pytest.fixture(scope="module")
async def preview(restless: Path, facts_of, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return await render(restless, facts_of(restless), PROFILES["preview"], tmp_path_factory.mktemp("preview"))


async def test_preview_shows_its_first_seconds_from_its_first_bytes(preview: Rendered, restless, tmp_path):
    path = preview.files[0].path
    boxes = dict(_boxes(path.read_bytes()))
    assert [kind for kind, _ in _boxes(path.read_bytes()) if kind != "free"] == ["ftyp", "moov", "mdat"]
    assert [kind for kind, _ in _boxes(restless.read_bytes())][-1] == "moov"
    # What does not grow is 1.5 kB. With five minutes of index there is still room for the first picture.
    assert (boxes["moov"] - 1500) / LENGTH_S * 300 < FIRST_BYTES - 50_000
    (tmp_path / "part.mp4").write_bytes(path.read_bytes()[:FIRST_BYTES])
    assert path.stat().st_size > FIRST_BYTES
    times = _decoded_times(tmp_path / "part.mp4")
    assert times[0] == 0.0
    assert times[-1] > 1.0


async def test_preview_is_small_steady_and_easy_to_seek(preview: Rendered):
    path = preview.files[0].path
    video = [packet for packet in _packets(path) if packet.kind == "video"]
    shown = sorted(packet.shown_s for packet in video)
    assert {round(after - before, 4) for before, after in pairwise(shown)} == {round(1 / 30, 4)}
    keyframes = [packet.shown_s for packet in video if packet.is_keyframe]
    assert keyframes[0] == 0.0
    assert max(after - before for before, after in pairwise(keyframes)) <= 2.0
    assert (preview.measured["width"], preview.measured["height"]) == (640, 360)
    # The cap holds over the buffer of two seconds, and the sound comes on top.
    assert path.stat().st_size * 8 / LENGTH_S < 1_000_000


async def test_sound_and_picture_of_a_moment_lie_close_together(preview: Rendered):
    latest = {"video": 0.0, "audio": 0.0}
    for packet in sorted(_packets(preview.files[0].path), key=lambda packet: packet.place):
        latest[packet.kind] = packet.shown_s
        if max(latest.values()) < LENGTH_S - 1:
            assert abs(latest["video"] - latest["audio"]) < 1.2


@dataclass(frozen=True)
class Seen:
    kind: str
    place: int
    shown_s: float
    is_keyframe: bool


def _packets(path: Path) -> list[Seen]:
    with av.open(path) as container:
        return [
            Seen(packet.stream.type, packet.pos, float(packet.pts * packet.time_base), packet.is_keyframe)
            for packet in container.demux()
            if packet.pts is not None
        ]


def _boxes(content: bytes) -> list[tuple[str, int]]:
    found, place = [], 0
    while place + 8 <= len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        found.append((kind.decode("latin-1"), size))
        place += max(8, size)
    return found


def _decoded_times(path: Path) -> list[float]:
    times: list[float] = []
    with av.open(path) as container:
        try:
            for frame in container.decode(video=0):
                assert frame.time is not None
                times.append(frame.time)
        except av.FFmpegError:
            pass  # the rest has not come yet
    return times
