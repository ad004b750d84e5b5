"""Hundreds of damaged files, and those that want to make a decoder open others: typed refusals or sound results.

The damaged ones go through the decoder's own code behind the guard, many to a child; one that brings a child
down is noted, and the next child goes on behind it. A sample goes through the whole of intake, one by one.
"""

import asyncio
import ctypes
import json
import os
import random
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media import _ffmpeg, errors, guard, plain, sandbox
from media.errors import MediaError
from media.inspect import inspect
from media.kinds import Kind, Sniffed
from media.packages import Manifest
from media.probe import StillFacts, StreamFacts, look
from media.sandbox import Files, Limits
from media.sniff import sniff
from media.word import WordDocument

pytestmark = pytest.mark.slow

PER_SEED = 42
# No file of the seeds' size may keep a decoder busy for as long as this.
LONGEST_S = 20.0
VIDEO = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10:d=1")
WIDE = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.6")
SOUND = ("-f", "lavfi", "-i", "sine=d=1")
SEEDS: dict[str, tuple[str, ...]] = {
    "a.mp4": (*VIDEO, *SOUND, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
    "fast.mp4": (*VIDEO, "-c:v", "libx265", "-preset", "ultrafast", "-movflags", "+faststart"),
    "pieces.mp4": (*VIDEO, "-c:v", "libx264", "-g", "3", "-movflags", "frag_keyframe+empty_moov"),
    "a.mov": (*VIDEO, "-c:v", "mjpeg"),
    "a.mkv": (*VIDEO, *SOUND, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "libopus"),
    "a.webm": (*VIDEO, "-c:v", "libvpx"),
    "a.ts": (*VIDEO, *SOUND, "-c:v", "mpeg2video", "-c:a", "mp2"),
    "a.avi": (*VIDEO, *SOUND, "-c:v", "mpeg4", "-c:a", "mp3"),
    "a.mxf": (*WIDE, "-c:v", "mpeg2video"),
    "a.flv": (*VIDEO, *SOUND),
    "a.wmv": (*VIDEO, *SOUND),
    "a.mpg": (*WIDE, "-c:v", "mpeg2video"),
    "a.wav": (*SOUND, "-write_bext", "1", "-metadata", "description=news"),
    "a.mp3": SOUND,
    "a.aac": SOUND,
    "a.m4a": SOUND,
    "a.flac": SOUND,
    "a.ogg": (*SOUND, "-c:a", "libvorbis"),
    "a.aiff": SOUND,
}
STILLS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")
# Reads requests, one a line, and answers each as it is done; whatever the decoder does not catch is told apart.
DRIVER = """
import json, os, sys, time
sys.path += sys.argv[1].split("\\n")
answers = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
from media import decoder
for line in open(sys.argv[2]):
    began = time.monotonic()
    try:
        reply = decoder._reply(json.loads(line))
    except Exception as error:
        reply = {"escaped": f"{type(error).__name__}: {error}"}
    print(json.dumps([time.monotonic() - began, reply]), file=answers, flush=True)
"""
ANSWERS: dict[str, type[Any]] = {
    "streams": StreamFacts,
    "still": StillFacts,
    "word": WordDocument,
    "package": Manifest,
}


@dataclass(frozen=True)
class Case:
    """A damaged file and what is asked about it."""

    path: Path
    request: str
    operation: str


@pytest.fixture(params=["bubblewrap", "limits alone"])
def walls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "limits alone":
        monkeypatch.setattr(sandbox, "walls", lambda: None)
    elif sandbox.walls() is None:
        pytest.skip("bubblewrap is not installed, or may not make namespaces here")
    return str(request.param)


@pytest.fixture(scope="module")
def seeds(make: Callable[..., Path], make_heic: Callable[..., Path], tmp_path_factory: Any) -> list[Path]:
    folder = tmp_path_factory.mktemp("seeds")
    found = [make(f"seed-{name}", *args) for name, args in SEEDS.items()]
    noise = Image.effect_noise((90, 70), 80).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in STILLS:
        more = {"exif": exif} if form in ("JPEG", "WEBP", "AVIF", "PNG") else {}
        noise.save(folder / f"a.{form.lower()}", form, **more)
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "blue", "green")]
    frames[0].save(folder / "apng.png", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moves.gif", save_all=True, append_images=frames[1:])
    for name, entries in PACKED.items():
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in entries.items():
                archive.writestr(entry, content)
    return [*found, make_heic("seed.heic", turns=1), *sorted(folder.iterdir())]


PACKED = {
    "a.docx": {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        + "<w:body><w:p><w:r><w:t>三审三校</w:t></w:r></w:p></w:body></w:document>",
        "word/media/a.png": b"\x89PNG",
    },
    "page.zip": {"index.html": "<html>" * 50, "a/b.js": "1;" * 90, "a/c.css": "a{}" * 90},
}


def damaged(content: bytes, chance: random.Random, number: int) -> bytes:
    """One of seven ways to spoil a file; the head, where the structure is, gets most of it."""
    whole = bytearray(content)
    within = min(len(whole), 600) if number % 2 else len(whole)
    at = chance.randrange(within)
    match number % 7:
        case 0:
            del whole[chance.randrange(len(whole)) :]
        case 1 | 2 | 3:
            for _ in range(1 << chance.randrange(7)):
                whole[chance.randrange(within)] ^= 1 << chance.randrange(8)
        case 4:  # the largest length, the smallest, and one just wrong
            whole[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01")
            )
        case 5:
            del whole[at : at + chance.randrange(1, 200)]
        case _:
            piece = bytes(whole[at : at + chance.randrange(1, 4000)])
            whole[at:at] = piece * chance.randrange(1, 4)
    return bytes(whole)


def request_of(path: Path, sniffed: Sniffed) -> tuple[str, dict[str, Any]]:
    if sniffed.kind is Kind.STILL:
        return "still", {"image_format": sniffed.format}
    if sniffed.demuxer:
        return "streams", {"demuxer": sniffed.demuxer, "container": sniffed.format}
    return ("word" if sniffed.format == "docx" else "package"), {}


def case_of(path: Path, original: Sniffed) -> Case:
    """What intake would ask of the file; the seed's own questions where the sniffer refuses it already."""
    try:
        found = sniff(path)
    except MediaError:
        found = original
    operation, arguments = request_of(
        path, found if found.kind not in (Kind.TEXT, Kind.DOCUMENT) else original
    )
    return Case(
        path, json.dumps({"operation": operation, "path": str(path), "arguments": arguments}), operation
    )


async def answers_of(cases: list[Case], folder: Path) -> dict[Path, tuple[float, dict[str, Any]]]:
    """What the decoder says of each, from as few children as live long enough."""
    found: dict[Path, tuple[float, dict[str, Any]]] = {}
    left = list(cases)
    program = [*guard._python()[:-2], DRIVER, guard._python()[-1]]
    while left:
        todo = folder / f"todo-{len(left)}"
        todo.write_text("".join(case.request + "\n" for case in left))
        lines: list[bytes] = []
        files = Files((*guard._python_reads(), folder, todo))
        ended = await sandbox.run([*program, str(todo)], files, Limits(200, 0, 4 << 30), lines.append)
        for case, line in zip(left, lines, strict=False):
            found[case.path] = tuple(json.loads(line))
        if len(lines) < len(left):  # the guard refuses such a file: "the decoder fell over it"
            assert ended.has_crashed, ended
            found[left[len(lines)].path] = (0.0, {"crashed": ended.signal})
        left = left[len(lines) + 1 :]
    return found


def fault_of(case: Case, took_s: float, reply: dict[str, Any]) -> str | None:
    """None for a typed refusal or a sound result in time."""
    if took_s > LONGEST_S:
        return f"took {took_s:.0f} s"
    if "escaped" in reply:
        return str(reply["escaped"])
    if "refused" in reply:
        refused = reply["refused"]
        is_typed = issubclass(getattr(errors, refused["error"]), MediaError) and refused["text"]["zh"]
        return None if is_typed else f"refused without words: {refused}"
    if "answer" in reply:
        plain.from_plain(ANSWERS[case.operation], json.loads(json.dumps(reply["answer"])))
    return None


def test_seeds_are_twenty_and_sound(seeds: list[Path]) -> None:
    assert len(seeds) >= 20
    kinds = {sniff(path).format for path in seeds}
    assert len(kinds) >= 20


async def test_five_hundred_damaged_files_give_a_typed_refusal_or_a_sound_result(
    seeds: list[Path], tmp_path: Path
) -> None:
    cases = []
    for seed in seeds:
        original, content = sniff(seed), seed.read_bytes()
        for number in range(PER_SEED):
            path = tmp_path / f"{number}-{seed.name}"
            path.write_bytes(damaged(content, random.Random(f"{seed.name} {number}"), number))
            cases.append(case_of(path, original))
    assert len(cases) >= 500
    halves = (cases[::2], cases[1::2])
    found: dict[Path, tuple[float, dict[str, Any]]] = {}
    for half in halves:
        found |= await answers_of(half, tmp_path)
    assert set(found) == {case.path for case in cases}
    faults = {case.path.name: fault_of(case, *found[case.path]) for case in cases}
    assert {name: fault for name, fault in faults.items() if fault} == {}
    kinds = [next(iter(reply)) for _, reply in found.values()]
    # Both happen, so that the test cannot pass by refusing everything.
    assert kinds.count("answer") > 50
    assert kinds.count("refused") > 100


@pytest.mark.slow
async def test_damaged_files_through_the_whole_of_intake_and_ffmpeg(
    walls: str, seeds: list[Path], tmp_path: Path
) -> None:
    chance, outcomes = random.Random(walls), {"sound": 0, "refused": 0}
    for seed in seeds:
        path = tmp_path / seed.name
        path.write_bytes(damaged(seed.read_bytes(), chance, 2 * chance.randrange(50)))
        began = time.monotonic()
        try:
            found = await inspect(path)
            if found.sniffed.demuxer:
                await _decode_all(path, found.sniffed.demuxer, tmp_path)
            outcomes["sound"] += 1
        except MediaError as refusal:
            outcomes["refused"] += bool(refusal.text.zh) and str(tmp_path) not in str(refusal)
        assert time.monotonic() - began < LONGEST_S
    assert sum(outcomes.values()) == len(seeds)
    assert min(outcomes.values()) > 0


async def _decode_all(path: Path, demuxer: str, folder: Path) -> None:
    source = ("-f", demuxer, "-format_whitelist", demuxer, "-protocol_whitelist", "file", "-i", str(path))
    await _ffmpeg.run((*source, "-frames:v", "20", "-f", "null", "-"), Limits(20, 1_000_000, 2 << 30))


# --- files that want another file opened, or a connection made (ODD-INPUTS 31, 32) ---


@dataclass(frozen=True)
class Bait:
    """A file that must never be opened, and an address that must never be called."""

    canary: Path
    port: int
    opened: Callable[[], int]
    called: Callable[[], int]


@pytest.fixture
def bait(tmp_path: Path, clip: Path) -> Iterator[Bait]:
    canary = tmp_path / "canary.mov"
    canary.write_bytes(clip.read_bytes())
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_count_calls, args=(server, calls), daemon=True).start()
        watch = _Watch(canary)
        yield Bait(canary, server.getsockname()[1], watch.count, lambda: len(calls))
        os.close(watch.descriptor)


def _count_calls(server: socket.socket, calls: list[object]) -> None:
    while True:
        try:
            connection, address = server.accept()
        except OSError:
            return
        calls.append(address)
        connection.close()


class _Watch:
    """Counts how often a file is opened (inotify), by whatever name and in whatever namespace."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.descriptor, os.fsencode(path), 0x20)  # IN_OPEN

    def count(self) -> int:
        try:
            return len(os.read(self.descriptor, 65_536)) // 16
        except BlockingIOError:
            return 0


def _atom(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _reference(url: bytes) -> bytes:
    """A QuickTime reference movie (QTFF 2001, "Reference movies")."""
    data = _atom(b"rdrf", bytes(4), b"url ", struct.pack(">I", len(url) + 1), url, b"\x00")
    return _atom(b"ftyp", b"qt  ", bytes(4), b"qt  ") + _atom(b"moov", _atom(b"rmra", _atom(b"rmda", data)))


LISTS: dict[str, str] = {
    "hls sibling": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\ncanary.mov\n#EXT-X-ENDLIST\n",
    "hls file": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nfile:{canary}\n#EXT-X-ENDLIST\n",
    "hls http": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST\n",
    "hls master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:{port}/x.m3u8\n",
    "hls key": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n"
    '#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{port}/k"\n#EXTINF:2,\ncanary.mov\n',
    "hls map": '#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-MAP:URI="{canary}"\n#EXTINF:2,\ncanary.mov\n',
    "hls itself": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nbait.mp4\n#EXTINF:2,\nbait.mp4\n",
    "concat": "ffconcat version 1.0\nfile canary.mov\n",
    "concat file": "ffconcat version 1.0\nfile 'file:{canary}'\n",
    "concat http": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/x'\n",
    "concat itself": "ffconcat version 1.0\nfile bait.mp4\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>http://127.0.0.1:{port}/x</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "smil": '<smil><body><video src="http://127.0.0.1:{port}/x"/></body></smil>',
    "asx": '<asx version="3"><entry><ref href="http://127.0.0.1:{port}/x"/></entry></asx>',
    "asf reference": "[Reference]\nRef1=http://127.0.0.1:{port}/x\n",
    "pls": "[playlist]\nFile1=canary.mov\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:{port}/x"/></svg>',
    "image list": "push graphic-context\nimage over 0,0 0,0 'http://127.0.0.1:{port}/x'\n",
}
# The types that a sniffer could be fooled into; each decoder must hold by itself.
FOOLED = (
    Sniffed(Kind.VIDEO, "mp4", "video/mp4", "mov"),
    Sniffed(Kind.VIDEO, "matroska", "video/x-matroska", "matroska"),
    Sniffed(Kind.AUDIO, "mp3", "audio/mpeg", "mp3"),
    Sniffed(Kind.STILL, "jpeg", "image/jpeg", None),
    Sniffed(Kind.STILL, "tiff", "image/tiff", None),
)


@pytest.mark.parametrize("name", LISTS)
async def test_odd_32_list_dressed_as_a_film_opens_nothing_and_calls_nobody(
    walls: str, bait: Bait, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "bait.mp4"
    path.write_text(LISTS[name].replace("{canary}", str(bait.canary)).replace("{port}", str(bait.port)))
    with pytest.raises(MediaError):
        await inspect(path)
    await _fool_all(path, FOOLED if name in ("hls sibling", "concat") else FOOLED[:1])
    assert (bait.opened(), bait.called()) == (0, 0)


async def _fool_all(path: Path, types: Sequence[Sniffed]) -> None:
    """Every decoder is made to read the file as one of these types."""
    tries: list[Awaitable[object]] = [look(path, sniffed) for sniffed in types]
    tries += [_decode_all(path, sniffed.demuxer, path.parent) for sniffed in types if sniffed.demuxer]
    for outcome in await asyncio.gather(*tries, return_exceptions=True):
        assert isinstance(outcome, MediaError)
        assert outcome.text.zh


@pytest.mark.parametrize("url", ["file:{canary}", "canary.mov", "http://127.0.0.1:{port}/x"])
async def test_odd_32_reference_movie_opens_nothing_and_calls_nobody(
    walls: str, bait: Bait, tmp_path: Path, url: str
) -> None:
    path = tmp_path / "bait.mov"
    filled = url.replace("{canary}", str(bait.canary)).replace("{port}", str(bait.port))
    path.write_bytes(_reference(filled.encode()))
    with pytest.raises(MediaError):
        await inspect(path)
    await _fool_all(path, (sniff(path),))
    assert (bait.opened(), bait.called()) == (0, 0)


async def test_odd_32_film_whose_data_lies_in_another_file_opens_nothing(
    walls: str, bait: Bait, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bait.mov"
    content, name = clip.read_bytes(), str(bait.canary).encode()
    # `alis` with an absolute path (type 18), as QuickTime names another file; the boxes around it grow with it.
    alias = _atom(b"alis", bytes(4), bytes(142), struct.pack(">HH", 18, len(name)), name, b"\xff\xff\x00\x00")
    at = content.index(b"dref") + 12
    grown = bytearray(content[:at] + alias + content[at + 12 :])
    more = len(alias) - 12
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = content.rindex(kind, 0, at) - 4
        (length,) = struct.unpack(">I", grown[place : place + 4])
        grown[place : place + 4] = struct.pack(">I", length + more)
    path.write_bytes(grown)
    assert b"alis" in grown
    try:
        found = await inspect(path)
        await _decode_all(path, "mov", tmp_path)
        assert found.probe.size_bytes == len(grown)
    except MediaError:
        pass  # refused, and that is right as well
    assert (bait.opened(), bait.called()) == (0, 0)


def test_bait_is_counted_when_it_is_taken(bait: Bait) -> None:
    bait.canary.read_bytes()
    with socket.create_connection(("127.0.0.1", bait.port)):
        time.sleep(0.2)
    assert (bait.opened(), bait.called()) == (1, 1)


async def test_odd_31_run_that_ends_well_and_holds_no_packet_is_a_failure(
    walls: str, make: Callable[..., Path], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.mp4"
    silence = ("-f", "lavfi", "-i", "anullsrc=d=1", "-ss", "5", "-t", "1", "-c:a", "aac", str(empty))
    await _ffmpeg.run(silence, Limits(20, 1_000_000))
    assert empty.exists()
    with pytest.raises(MediaError):
        await inspect(empty)
