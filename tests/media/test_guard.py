"""The guard round every decoder: what a child cannot do, how its limits end it, and that only typed answers count."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from media import bubblewrap, decoder, guard, plain, sandbox, syscalls
from media.errors import EncoderKilled, Malformed, MediaError, NotMedia, TimedOut, TooLarge
from media.guard import Operation, blocking, decode
from media.inspect import inspect
from media.probe import Probe, StillFacts, look, probe
from media.sandbox import Ended, Files, Limits
from media.sniff import sniff
from media.stills_order import MadeStill, Order

pytestmark = pytest.mark.slow

NOTHING = Files()
ROOMY = Limits(wall_s=30, file_bytes=1 << 20, memory_bytes=2 << 30)


@dataclass(frozen=True)
class Size:
    """The least that a decoder can answer."""

    width: int
    height: int


SIZE = Operation("still", Size)
is_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these walls")


@pytest.fixture(params=["bubblewrap", "limits alone"])
def walls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test twice: inside bubblewrap, and as on a host where it is missing."""
    if request.param == "limits alone":
        monkeypatch.setattr(sandbox, "walls", lambda: None)
    elif sandbox.walls() is None:
        pytest.skip("bubblewrap is not installed, or may not make namespaces here")
    return str(request.param)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def still(tmp_path: Path) -> Path:
    path = tmp_path / "still.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


async def run_python(
    code: str, *args: str, files: Files = NOTHING, limits: Limits = ROOMY
) -> tuple[Ended, bytes]:
    """Runs a program behind the guard; how it ended, and what it wrote."""
    lines: list[bytes] = []
    program = os.path.realpath(sys.executable)
    reads = (*bubblewrap.python_files(), *files.reads)
    command = [program, "-I", "-S", "-B", "-c", code, *args]
    ended = await sandbox.run(command, Files(reads, files.writes), limits, lines.append)
    return ended, b"".join(lines)


SLEEPER = f"import time; 'sanshen-guard-test-{os.getpid()}'; time.sleep(60)"


def sleepers() -> list[psutil.Process]:
    """The sleepers of this test run, wherever in the tree of processes they hang by now."""
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if SLEEPER in (each.info["cmdline"] or ())]


TRIES = """
import json, os, socket, sys
secret, neighbour, out, port, victim = sys.argv[1:]
found = {}
def attempt(name, work):
    try:
        found[name] = repr(work())
    except Exception as error:
        found[name] = None
attempt("connect", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("kill", lambda: os.kill(int(victim), 0))
attempt("secret", lambda: open(secret).read())
attempt("neighbour", lambda: open(neighbour).read())
attempt("write beside", lambda: open(neighbour + ".new", "w").close())
attempt("write out", lambda: open(out + "/new", "w").close())
attempt("passwd", lambda: open("/etc/passwd").read())
attempt("processes", lambda: os.listdir("/proc"))
found["environment"] = sorted(os.environ)
print(json.dumps(found))
"""


@is_linux
async def test_child_behind_the_guard_reaches_nothing_that_is_not_its_own(
    walls: str, tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHEN_DATABASE_URL", "postgresql://secret")
    own, out, elsewhere = tmp_path / "own", tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    own.write_text("own")
    elsewhere.write_text("canary")
    args = (str(own), str(elsewhere), str(out), str(listener.getsockname()[1]), str(os.getpid()))
    ended, written = await run_python(TRIES, *args, files=Files((own,), (out,)))
    assert ended.status == 0, ended
    found = json.loads(written)
    assert found["secret"] == "'own'"
    assert (out / "new").exists()
    assert set(found["environment"]) <= {"LANG", "PATH", "LC_CTYPE", "PWD", "LD_LIBRARY_PATH"}
    if syscalls.FILTER:
        assert [found[name] for name in ("connect", "fork", "kill")] == [None] * 3
    with pytest.raises(BlockingIOError):
        listener.accept()
    if walls == "bubblewrap":
        for name in ("neighbour", "write beside", "passwd", "processes"):
            assert found[name] is None, name


@is_linux
@pytest.mark.parametrize(
    ("code", "limits", "killer"),
    [
        ("while True: pass", Limits(0.2, 0), signal.SIGXCPU),
        ("import sys; open(sys.argv[1] + '/big', 'wb').write(bytes(300000))", Limits(9, 100_000), None),
        ("bytes(1 << 31)", Limits(9, 0, 1 << 30), None),
        ("import ctypes; ctypes.string_at(0)", Limits(9, 0), signal.SIGSEGV),
    ],
    ids=["processor", "output", "memory", "crash"],
)
async def test_child_over_a_limit_ends_with_a_sign(
    walls: str, tmp_path: Path, code: str, limits: Limits, killer: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "cpu_count", lambda: 1)
    roomy = Limits(30, limits.file_bytes, limits.memory_bytes)
    if killer == signal.SIGXCPU:  # one second of the processor, and long enough on the clock to use it up
        monkeypatch.setattr(sandbox, "_cpu_s", lambda _limits: 1)
    ended, _ = await run_python(code, str(tmp_path), files=Files(writes=(tmp_path,)), limits=roomy)
    assert ended.status != 0
    assert killer is None or ended.signal == killer
    assert ended.has_crashed == (killer == signal.SIGSEGV)
    assert all(path.stat().st_size <= 100_000 for path in tmp_path.iterdir())
    assert not list(tmp_path.glob("core*"))


async def test_child_over_its_time_is_gone_at_once(walls: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await run_python(SLEEPER, limits=Limits(0.5, 0))
    assert time.monotonic() - began < 2.5
    assert sleepers() == []


async def test_cancel_kills_the_decoder_within_two_seconds(walls: str) -> None:
    work = asyncio.create_task(run_python(SLEEPER))
    while not sleepers():
        await asyncio.sleep(0.02)
    began = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - began < 2
    assert sleepers() == []


@pytest.mark.parametrize("wait_s", [n / 500 for n in range(12)])
async def test_cancel_at_any_moment_of_the_start_leaves_nothing(walls: str, wait_s: float) -> None:
    await asyncio.to_thread(sandbox.walls)
    work = asyncio.create_task(run_python(SLEEPER))
    await asyncio.sleep(wait_s)
    began = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - began < 2
    assert sleepers() == []


@is_linux
def test_decoder_dies_with_a_killed_parent(walls: str) -> None:
    script = (
        "import asyncio, sys\nfrom media import sandbox, bubblewrap\nfrom media.sandbox import Files, Limits\n"
        "if sys.argv[1] == 'limits alone': sandbox.walls = lambda: None\n"
        "import os; program = os.path.realpath(sys.executable)\n"
        "command = [program, '-I', '-S', '-c', \"import time; 'sanshen-guard-test'; time.sleep(60)\"]\n"
        "asyncio.run(sandbox.run(command, Files(bubblewrap.python_files()), Limits(60, 0), print))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, walls])
    try:
        found = _wait_for(lambda: psutil.Process(parent.pid).children(recursive=True))
        time.sleep(0.2)
        found = psutil.Process(parent.pid).children(recursive=True)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert found
    assert _wait_for(
        lambda: all(not each.is_running() or each.status() == psutil.STATUS_ZOMBIE for each in found)
    )


def _wait_for(condition: Callable[[], Any]) -> Any:
    for _ in range(200):
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def answering(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program of the test in the decoder's place."""
    monkeypatch.setattr(guard, "_python", lambda: (os.path.realpath(sys.executable), "-I", "-S", "-c", code))


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "nonsense\\n",
        "{}\\n",
        '{"answer": null}\\n',
        '{"answer": {"width": "40", "height": 30}}\\n',
        '{"answer": {"width": 40.0, "height": 30}}\\n',
        '{"answer": {"width": true, "height": 30}}\\n',
        '{"answer": {"width": NaN, "height": 30}}\\n',
        '{"answer": {"width": 40}}\\n',
        '{"answer": {"width": 40, "height": 30}}\\n{"answer": {"width": 40, "height": 30}}\\n',
        '{"refused": {"error": "SystemExit", "text": {"zh": "", "en": ""}, "detail": ""}}\\n',
        '{"refused": {"error": "Text", "text": {"zh": "", "en": ""}, "detail": ""}}\\n',
        '{"refused": {"error": "NotMedia", "text": {"zh": 1, "en": ""}, "detail": ""}}\\n',
        "[" * 100_000,
    ],
)
async def test_decoder_that_exits_well_without_a_typed_answer_counts_as_failed(
    still: Path, reply: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{reply[:1]!r} * {len(reply)}" if len(reply) > 1000 else f"'{reply}'"
    answering(f"import sys; sys.stdout.write({text})", monkeypatch)
    with pytest.raises(Malformed) as refusal:
        await decode(SIZE, still, image_format="png")
    assert refusal.value.text.zh
    assert str(still.parent) not in str(refusal.value)


async def test_decoder_that_answers_and_then_fails_counts_as_failed(
    still: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering('print(\'{"answer": {"width": 40, "height": 30}}\'); raise SystemExit(3)', monkeypatch)
    with pytest.raises(Malformed):
        await decode(SIZE, still)


@is_linux
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import ctypes; ctypes.string_at(0)", Malformed),
        ("import signal; signal.raise_signal(9)", EncoderKilled),
        ("import time; time.sleep(60)", TimedOut),
    ],
    ids=["crash", "killed", "hang"],
)
async def test_decoder_that_falls_over_is_a_typed_refusal(
    walls: str, still: Path, code: str, error: type[MediaError], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(code, monkeypatch)
    with pytest.raises(error) as refusal:
        await decode(SIZE, still, wall_s=2)
    assert refusal.value.text.zh


async def test_probe_behind_either_wall_gives_the_same_facts(walls: str, clip: Path, still: Path) -> None:
    for path in (clip, still):
        facts = await look(path, sniff(path))
        assert facts == probe(path, sniff(path))
        assert Probe.from_json(json.loads(json.dumps(facts.to_json()))) == facts


async def made_of(path: Path, image_format: str, side: int, out: Path) -> tuple[int, int]:
    """A JPEG of a still inside side x side; its size."""
    make = Operation("make_still", MadeStill, file_bytes=1 << 20)
    order = Order(side, side)
    made = await decode(make, path, writes=(out.parent,), image_format=image_format, order=order, out=out)
    return made.width, made.height


async def test_still_is_written_behind_either_wall(walls: str, still: Path, tmp_path: Path) -> None:
    assert await made_of(still, "png", 20, tmp_path / "small.jpg") == (20, 14)
    with Image.open(tmp_path / "small.jpg") as small:
        assert small.size == (20, 14)


async def test_library_that_prints_spoils_no_answer(still: Path, capfd: pytest.CaptureFixture[str]) -> None:
    request = {"operation": "still", "path": str(still), "arguments": {"image_format": "png"}}
    code = f"import os; os.write(1, b'noise'); import sys; sys.path[:0] = {sys.path!r}\n"
    code += "from media import decoder; old = decoder._reply\n"
    code += "def noisy(request):\n    os.write(1, b'more noise\\n'); return old(request)\n"
    code += f"decoder._reply = noisy; decoder.main({json.dumps(request)!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    answer = json.loads(ran.stdout.removeprefix(b"noise"))["answer"]
    assert plain.from_plain(StillFacts, answer) == StillFacts("png", 40, 30, "RGB", False, 1)


def test_no_decoder_is_loaded_by_those_who_ask() -> None:
    asking = "import sys, media.inspect, media.render, media.documents\n"
    asking += "print({'av', 'PIL', 'pi_heif'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", asking], capture_output=True, check=True, timeout=60)
    assert ran.stdout.strip() == b"set()"


def test_every_operation_of_the_decoder_is_there() -> None:
    for module, name in decoder._OPERATIONS.values():
        assert callable(getattr(__import__(module, fromlist=[name]), name))


async def test_blocking_call_inside_a_running_loop_gives_the_answer_and_the_error(still: Path) -> None:
    assert probe(still, sniff(still)).width == 40
    with pytest.raises(FileNotFoundError):
        blocking(look(still.with_name("missing"), sniff(still)))


# --- ODD-INPUTS, by their numbers ---


async def test_odd_22_empty_file_and_wrong_extension_are_refused(tmp_path: Path, still: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(NotMedia) as refusal:
        await inspect(empty)
    assert "空" in refusal.value.text.zh
    with pytest.raises(NotMedia) as refusal:
        await inspect(still, filename="clip.mp4")
    assert "png" in refusal.value.text.en


@pytest.mark.parametrize(("turns", "orientation"), [(3, 6), (3, 1)])
async def test_odd_26_heic_with_irot_and_exif_orientation_is_turned_once(
    walls: str, make_heic: Callable[..., Path], tmp_path: Path, turns: int, orientation: int
) -> None:
    photo = make_heic(f"photo{turns}{orientation}.heic", turns=turns, orientation=orientation)
    found = await inspect(photo)
    assert (found.sniffed.media_type, found.probe.width, found.probe.height) == ("image/heic", 48, 64)
    out = tmp_path / "upright.jpg"
    assert await made_of(photo, "heif", 99, out) == (48, 64)
    with Image.open(out) as picture:
        top, bottom = picture.getpixel((24, 8)), picture.getpixel((24, 56))
    # Its left half is red: turned once to the right, red is on top.
    assert top == pytest.approx((254, 0, 0), abs=30)
    assert bottom == pytest.approx((0, 0, 254), abs=30)


def png_of(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    squeeze = zlib.compressobj(9)
    body = b"".join(squeeze.compress(bytes(side // 8 + 1)) for _ in range(side)) + squeeze.flush()
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


async def test_odd_27_still_of_200_megapixels_is_refused_by_its_header(walls: str, tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    path.write_bytes(png_of(14_200))
    began = time.monotonic()
    with pytest.raises(TooLarge) as refusal:
        await inspect(path)
    assert time.monotonic() - began < 3
    assert "120" in refusal.value.text.zh
    assert refusal.value.code == "media.too_large"


async def test_odd_33_png_of_30000_square_under_2_mb_is_refused_by_its_header(
    walls: str, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of(30_000))
    assert path.stat().st_size < 2_000_000
    with pytest.raises(TooLarge):
        await inspect(path)


async def test_picture_that_needs_more_memory_than_it_may_is_too_large(
    walls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_of(10_000))
    assert (await inspect(path)).probe.width == 10_000
    monkeypatch.setattr(guard, "_MEMORY_BYTES", 110 << 20)
    with pytest.raises(TooLarge) as refusal:
        await inspect(path)
    assert "内存" in refusal.value.text.zh
