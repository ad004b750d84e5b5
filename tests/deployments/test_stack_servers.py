"""The real servers of the stack: PostgreSQL, the S3 gateway, and all of it with small processes of ours."""

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from minio import Minio
from minio.error import S3Error

from deployments.stack import postgres, s3
from deployments.stack.secrets import load_secrets
from deployments.stack.temporary_postgres import temporary_postgres

pytestmark = pytest.mark.slow


def _free_run_of_ports(count: int) -> int:
    for first in range(21000, 45000, 50):
        numbers = [first + step + more for step in range(count) for more in (0, 10000)]
        if all(_is_free(number) for number in numbers):
            return first
    raise AssertionError("no free ports")


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) != 0


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_temporary_postgres_has_what_we_and_prefect_need_and_keeps_it(tmp_path: Path) -> None:
    with temporary_postgres(tmp_path / "pg") as url:
        await _value(url, "CREATE EXTENSION pg_trgm")
        await _value(url, "CREATE TABLE kept AS SELECT '三审' AS words")
        assert await _value(url, "SHOW fsync") == "on"
        assert await _value(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _value(url.replace("sanshen:", "sanshen:x"), "SELECT 1")
    with temporary_postgres(tmp_path / "pg") as url:
        assert await _value(url, "SELECT words FROM kept") == "三审"


async def test_temporary_postgres_in_a_deep_folder_still_has_a_socket(tmp_path: Path) -> None:
    with temporary_postgres(tmp_path / ("d" * 100)) as url:
        assert await _value(url, "SELECT 1") == 1
        assert len(url.split("host=")[1]) < 100


LEAVER = "import sys, time; from pathlib import Path\n"
LEAVER += "from deployments.stack.temporary_postgres import temporary_postgres\n"
LEAVER += "with temporary_postgres(Path(sys.argv[1])): print('up', flush=True); time.sleep(600)"


def _leave_over(folder: Path, how: signal.Signals) -> int:
    """A postmaster that got `how`, and then lost its supervisor."""
    command = [sys.executable, "-c", LEAVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as supervisor:
        assert supervisor.stdout
        supervisor.stdout.readline()
        postmaster = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, how)
        supervisor.kill()
    return postmaster


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_postgres_left_over_on_the_same_data_is_ended_before_the_next_start(
    tmp_path: Path, how: signal.Signals
) -> None:
    postmaster = _leave_over(tmp_path, how)
    cluster = postgres.cluster_in(tmp_path)
    await asyncio.to_thread(postgres.stop_left_over, cluster, 0.5)
    assert not _is_running(postmaster)
    # A stranger by now has the number that stands in the lock file.
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    with temporary_postgres(tmp_path) as url:
        assert await _value(url, "SELECT 1") == 1


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while (
        _is_free(port)
        or _is_free(port + 2)
        or httpx.get(f"http://127.0.0.1:{port}/healthz").status_code != 200
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Minio]]:
    folder = tmp_path_factory.mktemp("s3")
    keys = load_secrets(folder)
    port = _free_run_of_ports(s3.PORT_COUNT)
    s3.prepare(folder, keys)
    env = {**os.environ, **s3.environment(keys)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(s3.command(folder, port), env=env, stdout=log, stderr=log)
    try:
        _wait_for(port)
        client = Minio(
            f"127.0.0.1:{port}", keys.s3_access_key, keys.s3_secret_key, secure=False, region="us-east-1"
        )
        for bucket in ("public", "public2", "assets"):
            client.make_bucket(bucket)
            client.put_object(bucket, "a/x.txt", io.BytesIO(b"hello"), 5, content_type="text/plain")
        yield port, client
    finally:
        server.send_signal(s3.STOP_SIGNAL)
        server.wait(15)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/public/a/x.txt", 206),
        ("HEAD", "/public/a/x.txt", 200),
        ("GET", "/public/missing", 404),
        ("GET", "/", 403),
        ("GET", "/public", 403),
        ("GET", "/public?list-type=2", 403),
        ("PUT", "/public/y", 403),
        ("DELETE", "/public/a/x.txt", 403),
        ("POST", "/public/y?uploads", 403),
        ("GET", "/assets/a/x.txt", 403),
        ("GET", "/public2/a/x.txt", 403),
    ],
)
async def test_s3_without_keys_reads_public_objects_and_nothing_else(
    gateway: tuple[int, Minio], method: str, path: str, status: int
) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway[0]}") as client:
        answer = await client.request(method, path, headers={"Range": "bytes=0-1"})
        assert answer.status_code == status


async def test_s3_public_object_can_be_read_by_a_page_from_elsewhere(gateway: tuple[int, Minio]) -> None:
    url = f"http://127.0.0.1:{gateway[0]}/public/a/x.txt"
    async with httpx.AsyncClient(headers={"Origin": "http://reader.example"}) as client:
        read = await client.get(url)
        asked = await client.options(
            url, headers={"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
        )
    for answer in (read, asked):
        assert answer.headers["access-control-allow-origin"] in ("*", "http://reader.example")


async def test_s3_inner_doors_are_closed_without_a_token(gateway: tuple[int, Minio]) -> None:
    master, volume, filer = (gateway[0] + step for step in (1, 2, 3))
    closed = [
        f"{master}/dir/assign",
        f"{master}/dir/lookup?volumeId=1&read=yes&fileId=1,01abcdef",
        f"{volume}/1,01abcdef",
        f"{filer}/buckets/assets/a/x.txt",
        f"{filer}/buckets/",
    ]
    async with httpx.AsyncClient() as client:
        for door in closed:
            answer = await client.get(f"http://127.0.0.1:{door}")
            assert answer.status_code in (401, 404), door
            assert "authorization" not in answer.headers, door


async def test_s3_takes_large_objects_in_parts_and_gives_them_back(gateway: tuple[int, Minio]) -> None:
    content = os.urandom(1 << 20) * 12
    client = gateway[1]
    await asyncio.to_thread(client.put_object, "assets", "large", io.BytesIO(content), -1, part_size=5 << 20)
    with client.get_object("assets", "large", offset=6_000_000, length=1000) as answer:
        assert answer.read() == content[6_000_000:6_001_000]


def test_s3_with_wrong_keys_is_refused(gateway: tuple[int, Minio]) -> None:
    stranger = Minio(f"127.0.0.1:{gateway[0]}", "who", "knows12345", secure=False, region="us-east-1")
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        stranger.list_buckets()


STACK = """
import asyncio, sys
from pathlib import Path
from deployments.stack.assemble import Preparation, run_stack
from states.text import Text
from storage.settings import Settings
api = '''
import http.server, os
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["SANSHEN_PORT"])), Ok).serve_forever()
'''
commands = {"api": (sys.executable, "-c", api), "worker": ("sleep", "600")}
async def step(settings):
    print("step", settings.database_url is not None, flush=True)
async def ready(settings):
    print("READY", flush=True)
settings = Settings(home=Path(sys.argv[1]), port=int(sys.argv[2]), prefect_port=int(sys.argv[2]) + 1,
                    s3_port=int(sys.argv[2]) + 2, packages_port=int(sys.argv[2]) + 7)
steps = [Preparation("schema", Text("schema", "schema"), step, after=("postgres", "s3", "prefect"))]
sys.exit(asyncio.run(run_stack(settings, steps, ready, commands=commands)))
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def _up(home: Path, port: int, started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SANSHEN_", "PREFECT_"))}
    env |= {"LANG": "en_US.UTF-8", "LC_ALL": ""}
    command = [sys.executable, "-c", STACK, str(home), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    started.append(process)
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("READY"):
            return process
    raise AssertionError("".join(lines))


def _parts_of(home: Path) -> set[int]:
    found = set()
    for process in psutil.process_iter():
        try:
            marked = process.environ().get("SANSHEN_STACK_OF") == str(home)
            if marked or process.cwd() == str(home / "postgres" / "data"):
                found.add(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def test_stack_comes_up_survives_kills_and_stops_cleanly(
    tmp_path: Path, stack: list[subprocess.Popen[str]]
) -> None:
    home, port = tmp_path / "home", _free_run_of_ports(s3.PORT_COUNT + 3)
    first = _up(home, port, stack)
    assert len(_parts_of(home)) >= 5
    first.kill()
    first.wait()

    second = _up(home, port, stack)
    refused = subprocess.run(
        [sys.executable, "-c", STACK, str(home), str(port)], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    # The language is that of whoever runs the tests; the number is in both.
    assert str(second.pid) in refused.stdout

    began = time.monotonic()
    second.send_signal(signal.SIGINT)
    assert second.wait(20) == 0
    assert time.monotonic() - began < 15
    assert _parts_of(home) == set()
