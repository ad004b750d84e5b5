"""What the doctor finds on a machine without a running stack, and in outside servers that do not answer."""

import socket
from pathlib import Path

import pytest

from deployments import doctor, preparations
from deployments.doctor import Check, examine
from deployments.doctor_store import store_checks
from deployments.stack.background import free_ports
from states.text import Text
from storage.settings import Settings
from storage.store_probe import StoreFacts


@pytest.fixture(autouse=True)
def _without_slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SANSHEN_DATABASE_URL", "SANSHEN_S3_ENDPOINT", "PREFECT_API_URL", "SANSHEN_CLAMD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        doctor, "_prefect_importable", lambda: Check("Prefect server", True, Text(zh="", en=""))
    )


async def refuse(settings: Settings) -> None:
    raise PermissionError("InvalidAccessKeyId")


def _by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def _settings(home: Path, **more: object) -> Settings:
    # Ports that nobody has: what the tests look at is not whether 8000 is free here. Five of them are the store's.
    first = free_ports(8)
    ports = {"port": first, "prefect_port": first + 1, "packages_port": first + 2, "s3_port": first + 3}
    return Settings(home=home, **{**ports, **more})  # type: ignore[arg-type]


async def test_examine_before_the_first_start_is_well_and_changes_nothing(tmp_path: Path) -> None:
    checks = await examine(_settings(tmp_path / "new"), refuse)
    assert [check for check in checks if not check.ok] == []
    assert {"postgres", "weed", "ffmpeg", "PyAV", "PostgreSQL", "S3", "Prefect"} <= set(_by_name(checks))
    assert not (tmp_path / "new").exists()


async def test_examine_with_a_taken_port_names_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        check = _by_name(await examine(_settings(tmp_path, prefect_port=taken), refuse))[
            "SANSHEN_PREFECT_PORT"
        ]
    assert not check.ok
    assert str(taken) in check.text.en
    assert check.mend is not None


async def test_examine_with_outside_servers_that_do_not_answer_says_how_to_mend(tmp_path: Path) -> None:
    settings = _settings(
        tmp_path,
        database_url="postgresql://a:b@127.0.0.1:9/x",
        s3_endpoint="http://127.0.0.1:9",
        prefect_api_url="http://127.0.0.1:9/api",
    )
    found = _by_name(await examine(settings, refuse))
    for name, setting in {
        "PostgreSQL": "SANSHEN_DATABASE_URL",
        "S3": "SANSHEN_S3_ENDPOINT",
        "Prefect": "PREFECT_API_URL",
    }.items():
        check = found[name]
        assert not check.ok
        assert check.mend is not None
        assert setting in check.mend.zh
        assert setting in check.mend.en
    assert "InvalidAccessKeyId" in found["S3"].text.en


async def test_examine_says_that_files_are_not_scanned_when_no_scanner_is_set(tmp_path: Path) -> None:
    check = _by_name(await examine(_settings(tmp_path), refuse))["clamd"]
    assert check.ok
    assert "SANSHEN_CLAMD" in check.text.zh
    assert "not scanned" in check.text.en


async def test_examine_with_a_scanner_that_does_not_answer_is_not_well(tmp_path: Path) -> None:
    settings = _settings(tmp_path, clamd=f"unix://{tmp_path}/nobody")
    check = _by_name(await examine(settings, refuse))["clamd"]
    assert not check.ok
    assert check.mend is not None
    assert "SANSHEN_CLAMD" in check.mend.zh


@pytest.mark.parametrize("missing", list(StoreFacts.__slots__))
def test_what_the_store_cannot_do_is_said_with_what_stands_in_for_it(missing: str) -> None:
    facts = dict.fromkeys(StoreFacts.__slots__, True) | {missing: False}
    checks = list(store_checks(StoreFacts(**facts)))
    assert len(checks) == len(StoreFacts.__slots__)
    (told,) = [check for check in checks if not check.ok or "Warning" in check.text.en]
    if missing in ("multipart", "is_closed"):  # nothing can stand in for these
        assert not told.ok
        assert told.mend is not None
    else:
        assert told.text.zh.startswith("警告：")
        assert told.ok


async def test_examine_lists_what_the_store_can_do(tmp_path: Path) -> None:
    async def poor(settings: Settings) -> StoreFacts:
        return StoreFacts(True, True, False, True, True, True, True)

    found = _by_name(await examine(_settings(tmp_path, s3_endpoint="http://127.0.0.1:9"), poor))
    assert found["S3"].ok
    assert "one won" in found["S3 conditional put"].text.en
    assert "不支持" in found["S3 object lock"].text.zh
    assert len([name for name in found if name.startswith("S3 ")]) == 7


async def test_start_says_what_the_store_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def poor(settings: Settings) -> StoreFacts:
        return StoreFacts(True, True, True, False, True, True, False)

    monkeypatch.setattr(preparations, "probe_store", poor)
    (step,) = [each for each in preparations.PREPARATIONS if each.name == "store"]
    await step.run(_settings(tmp_path))
    assert [record.message.split("：")[0] for record in caplog.records] == ["S3 lifecycle", "S3 access"]
