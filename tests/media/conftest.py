"""Tiny media, made once a session by ffmpeg; every fixture is a path."""

import functools
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
