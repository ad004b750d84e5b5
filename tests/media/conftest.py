"""Tiny media, made once a session by ffmpeg; every fixture is a path."""

import functools
import re
import struct
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
from PIL import Image

from media.probe import Probe, probe
from media.profiles import PROFILES
from media.render import Rendered, render
from media.sniff import sniff

TINY = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-pix_fmt", "yuv420p")
SINE = ("-f", "lavfi", "-i", "sine=f=440:r=44100:d=2")


def ffmpeg(*args: object) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    subprocess.run([*command, *map(str, args)], check=True, timeout=60)


@pytest.fixture(scope="session")
def facts_of() -> Callable[[Path], Probe]:
    """facts_of(path): sniffed and probed."""
    return lambda path: probe(path, sniff(path))


@pytest.fixture(scope="session")
def picture_at() -> Callable[[Path, int], Image.Image]:
    """picture_at(path, number): that frame of a video as an RGB picture, with no rotation applied."""
    return _picture_at


def _picture_at(path: Path, number: int) -> Image.Image:
    with av.open(path) as container:
        for position, frame in enumerate(container.decode(video=0)):
            if position == number:
                with tempfile.TemporaryDirectory() as folder:
                    frame.save(f"{folder}/frame.png")
                    return Image.open(f"{folder}/frame.png").convert("RGB")
    raise AssertionError(f"no frame {number}")


@pytest.fixture(scope="session")
def ffmpeg_run() -> Callable[..., None]:
    """ffmpeg_run(*arguments): runs ffmpeg, without a cache."""
    return ffmpeg


@pytest.fixture
def make_rendition(tmp_path: Path, facts_of: Callable[[Path], Probe]) -> Callable[..., Awaitable[Rendered]]:
    """await make_rendition(path, profile name): rendered into a folder of its own."""

    async def made(path: Path, name: str) -> Rendered:
        return await render(path, facts_of(path), PROFILES[name], tmp_path / name)

    return made


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def make(folder: Path) -> Callable[..., Path]:
    """make(name, *ffmpeg arguments): the file of that name, encoded when it is first asked for."""

    @functools.cache
    def made(name: str, *args: object) -> Path:
        ffmpeg(*args, folder / name)
        return folder / name

    return made


@pytest.fixture(scope="session")
def clip(make: Callable[..., Path]) -> Path:
    """2 s of 320x180 at 29.97 with mono sound, GPS, device and author tags."""
    tags = {
        "location": "+31.2304+121.4737/",
        "artist": "Zhang Wei",
        "comment": "secret-note",
        "creation_time": "2026-01-02T03:04:05Z",
        "com.apple.quicktime.model": "iPhone 99",
    }
    metadata = [part for key, value in tags.items() for part in ("-metadata", f"{key}={value}")]
    video = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=30000/1001:d=2")
    streams = ("-metadata:s:v", "handler_name=CoreMediaVideo", "-metadata:s:a", "handler_name=CoreMediaAudio")
    flags = ("-movflags", "+use_metadata_tags")
    return make("clip.mov", *video, *SINE, *TINY, "-c:a", "aac", *metadata, *streams, *flags)


@pytest.fixture(scope="session")
def silent_clip(make: Callable[..., Path]) -> Path:
    return make("silent.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", *TINY)


@pytest.fixture(scope="session")
def halves(make: Callable[..., Path]) -> Path:
    """160x90, left half red, right half blue."""
    graph = "color=red:s=80x90:r=10:d=0.5[l];color=blue:s=80x90:r=10:d=0.5[r];[l][r]hstack"
    return make("halves.mp4", "-filter_complex", graph, *TINY)


@pytest.fixture(scope="session")
def circle(make: Callable[..., Path]) -> Path:
    """A white disc of 120 pixels across on black, 320x180."""
    inside = "lum='16+219*lt(hypot(X-159.5,Y-89.5),60)':cb=128:cr=128"
    disc = f"color=black:s=320x180:r=10:d=0.5,format=yuv420p,geq={inside}"
    return make("circle.mp4", "-f", "lavfi", "-i", disc, *TINY)


@pytest.fixture(scope="session")
def variable(make: Callable[..., Path]) -> Path:
    """What a phone makes: 30 frames a second that come and go, 3 s of 320x180, about 17 a second on average."""
    source = "testsrc2=s=320x180:r=30:d=3,select='lt(mod(n,7),4)'"
    return make("variable.mp4", "-f", "lavfi", "-i", source, "-fps_mode", "vfr", *TINY)


@pytest.fixture(scope="session")
def long_clip(make: Callable[..., Path], clip: Path) -> Path:
    """Four minutes, made without encoding; rendering it takes long enough to be stopped."""
    return make("long.mp4", "-stream_loop", 120, "-i", clip, "-c", "copy")


@pytest.fixture(scope="session")
def make_heic(folder: Path) -> Callable[..., Path]:
    """make_heic(name, left colour, right colour, quarter turns left, EXIF orientation): 64x48, one HEVC picture."""

    def made(name: str, left: str = "red", right: str = "blue", turns: int = 0, orientation: int = 1) -> Path:
        halves = (
            f"color={left}:s=32x48:r=1:d=1[l];color={right}:s=32x48:r=1:d=1[r];[l][r]hstack,format=yuv420p"
        )
        coded = folder / f"{name}.hevc"
        quiet = ("-x265-params", "log-level=none:info=0", "-f", "hevc")
        ffmpeg("-filter_complex", halves, "-frames:v", 1, "-c:v", "libx265", *quiet, coded)
        exif = Image.Exif()
        exif[0x0112] = orientation
        (folder / name).write_bytes(_heif(coded.read_bytes(), turns, exif.tobytes()))
        return folder / name

    return made


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _heif(coded: bytes, turns: int, exif: bytes) -> bytes:
    """HEIF as ISO/IEC 23008-12 has it: item 1 is the picture, item 2 its EXIF; irot turns to the left."""
    units = [unit for unit in re.split(rb"\x00{2,3}\x01", coded) if unit]
    sets = [next(unit for unit in units if unit[0] >> 1 & 0x3F == kind) for kind in (32, 33, 34)]
    picture = b"".join(struct.pack(">I", len(u)) + u for u in units if u[0] >> 1 & 0x3F < 32)
    level = sets[1].replace(b"\x00\x00\x03", b"\x00\x00")[3:15]
    arrays = b"".join(struct.pack(">BHH", 0x80 | 32 + n, 1, len(each)) + each for n, each in enumerate(sets))
    config = b"\x01" + level + b"\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f\x03" + arrays
    properties = (
        _box(b"hvcC", config),
        _box(b"ispe", struct.pack(">III", 0, 64, 48)),
        _box(b"irot", bytes([turns])),
    )
    tied = _box(b"ipma", struct.pack(">IIHB3B", 0, 1, 1, 3, 0x81, 2, 0x83))
    infos = tuple(
        struct.pack(">IHH4sx", 2 << 24, number, 0, kind) for number, kind in ((1, b"hvc1"), (2, b"Exif"))
    )
    exif = struct.pack(">I", 6) + exif

    def meta(start: int) -> bytes:
        places = struct.pack(">HHHII", 1, 0, 1, start, len(picture))
        places += struct.pack(">HHHII", 2, 0, 1, start + len(picture), len(exif))
        return _box(
            b"meta",
            bytes(4),
            _box(b"hdlr", bytes(8), b"pict", bytes(13)),
            _box(b"pitm", struct.pack(">IH", 0, 1)),
            _box(b"iinf", struct.pack(">IH", 0, 2), *(_box(b"infe", info) for info in infos)),
            _box(b"iref", bytes(4), _box(b"cdsc", struct.pack(">HHH", 2, 1, 1))),
            _box(b"iprp", _box(b"ipco", *properties), tied),
            _box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, 2), places),
        )

    brands = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(brands) + len(meta(0)) + 8
    return brands + meta(start) + _box(b"mdat", picture, exif)
