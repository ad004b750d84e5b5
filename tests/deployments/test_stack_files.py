"""Home, keys, `stack.env`, ports: what is on disk before anything runs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.stack import s3
from deployments.stack.addresses import as_environment, embedded_parts, with_addresses, write_stack_file
from deployments.stack.errors import AlreadyRunning, PortTaken, SecretsUnreadable, SocketInTheWay
from deployments.stack.home import hold_home, open_home, supervisor_of
from deployments.stack.ports import WantedPort, check_ports
from deployments.stack.postgres import Cluster
from deployments.stack.secrets import load_secrets
from storage.settings import Settings

CLUSTER = Cluster(data=Path("/d"), sockets=Path("/s"), user=None)
OUTSIDE = ("SANSHEN_DATABASE_URL", "SANSHEN_S3_ENDPOINT", "PREFECT_API_URL", "SANSHEN_S3_ACCESS_KEY")


@pytest.fixture(autouse=True)
def _only_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return open_home(tmp_path / "home")


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_load_secrets_twice_gives_the_same_private_keys(home: Path) -> None:
    first = load_secrets(home)
    assert load_secrets(home) == first
    assert _mode(home / "secrets.json") == 0o600
    assert first.postgres_password not in repr(first)


def test_load_secrets_from_an_older_file_keeps_its_keys_and_adds_the_rest(home: Path) -> None:
    (home / "secrets.json").write_text(json.dumps({"s3_access_key": "old", "gone": "x"}))
    keys = load_secrets(home)
    assert keys.s3_access_key == "old"
    assert len(keys.postgres_password) == 40
    assert load_secrets(home) == keys


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_load_secrets_from_a_damaged_file_refuses(home: Path, content: str) -> None:
    (home / "secrets.json").write_text(content)
    with pytest.raises(SecretsUnreadable):
        load_secrets(home)
    assert (home / "secrets.json").read_text() == content


HOLD = "import sys, time; from pathlib import Path; from deployments.stack.home import hold_home\n"
HOLD += "with hold_home(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(home: Path) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_hold_home_while_another_holds_it_names_its_process(home: Path, holder: int) -> None:
    assert supervisor_of(home) == holder
    with pytest.raises(AlreadyRunning) as refused, hold_home(home):
        pass
    assert str(holder) in refused.value.text.zh
    assert str(holder) in refused.value.text.en


def test_hold_home_after_it_was_let_go_works_again(home: Path) -> None:
    for _ in range(2):
        with hold_home(home):
            pass
    assert supervisor_of(home) is None


def test_check_ports_in_use_names_the_setting_and_the_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {number} is taken.*SANSHEN_S3_PORT"):
            check_ports([WantedPort(number, "SANSHEN_S3_PORT")])


@pytest.mark.parametrize(
    ("ports", "problem"),
    [
        ([WantedPort(70000, "SANSHEN_S3_PORT")], "out of range"),
        ([WantedPort(1, "SANSHEN_PORT"), WantedPort(1, "SANSHEN_PREFECT_PORT")], "SANSHEN_PORT and by"),
    ],
)
def test_check_ports_that_cannot_work_refuses(
    ports: list[WantedPort], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.stack.ports.is_free", lambda port: True)
    with pytest.raises(PortTaken, match=problem):
        check_ports(ports)


def test_stack_file_is_read_by_settings_and_counts_as_our_own(home: Path) -> None:
    settings = Settings(home=home)
    embedded = embedded_parts(settings)
    filled = with_addresses(settings, embedded, load_secrets(home), CLUSTER)
    write_stack_file(filled, embedded)
    again = Settings(home=home)
    assert again.database_url == filled.database_url == again.database_url
    assert again.s3_secret_key == filled.s3_secret_key
    assert again.prefect_api_url == "http://127.0.0.1:4200/api"
    assert embedded_parts(again) == embedded
    assert _mode(home / "stack.env") == 0o600


def test_stack_file_never_holds_what_was_given_from_outside(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHEN_DATABASE_URL", "postgresql://a:b@db:5432/news")
    for _ in range(2):
        settings = Settings(home=home)
        embedded = embedded_parts(settings)
        assert (embedded.postgres, embedded.s3, embedded.prefect) == (False, True, True)
        filled = with_addresses(settings, embedded, load_secrets(home), CLUSTER)
        write_stack_file(filled, embedded)
    assert filled.database_url == "postgresql://a:b@db:5432/news"
    assert "DATABASE_URL" not in (home / "stack.env").read_text()


def test_as_environment_gives_a_child_the_same_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        home=home, port=8123, allowed_private_hosts=("a", "b"), PREFECT_API_URL="http://p/api"
    )
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_socket_of_another_user_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    port = 48_000 + os.getpid() % 1_000
    file = Path(f"/tmp/seaweedfs-filer-grpc-{port + 10_003}.sock")
    file.touch()
    try:
        s3.check_sockets(port)  # our own is no hindrance: the gateway replaces it
        monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
        with pytest.raises(SocketInTheWay) as refused:
            s3.check_sockets(port)
        assert str(file) in refused.value.text.zh
        assert "SANSHEN_S3_PORT" in refused.value.text.en
    finally:
        file.unlink()
