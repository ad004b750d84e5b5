"""The owner of the tables and the application's login: who gets which address, on our own server and on others."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from deployments import doctor
from deployments.doctor import Check, examine
from deployments.preparations import PREPARATIONS
from deployments.stack import postgres
from deployments.stack.addresses import (
    as_environment,
    embedded_parts,
    with_addresses,
    with_owner_address,
    write_stack_file,
)
from deployments.stack.background import free_ports
from deployments.stack.home import open_home
from deployments.stack.process import child_environment
from deployments.stack.secrets import load_secrets
from deployments.stack.temporary_postgres import app_url, temporary_postgres
from states.text import Text
from storage.grants import LoginTooStrong, is_held_by_grant
from storage.settings import SettingMissing, Settings

pytestmark = pytest.mark.slow

PREPARE = {step.name: step for step in PREPARATIONS}


@pytest.fixture(autouse=True)
def _only_own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SANSHEN_DATABASE_URL",
        "SANSHEN_DATABASE_OWNER_URL",
        "SANSHEN_S3_ENDPOINT",
        "PREFECT_API_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "_prefect_importable", lambda: Check("Prefect server", True, Text("", "")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return open_home(tmp_path / "home")


def _embedded(home: Path) -> Settings:
    settings = Settings(home=home)
    embedded = embedded_parts(settings)
    filled = with_addresses(settings, embedded, load_secrets(home), postgres.cluster_in(home / "postgres"))
    write_stack_file(filled, embedded)
    return filled


def test_embedded_stack_has_two_logins_and_its_file_names_the_application_alone(home: Path) -> None:
    filled = _embedded(home)
    keys = load_secrets(home)
    assert urlsplit(str(filled.database_url)).username == postgres.APP_LOGIN
    assert urlsplit(filled.require_owner_url()).username == "sanshen"
    written = (home / "stack.env").read_text()
    assert keys.sanshen_app_password in written
    assert keys.sanshen_password not in written
    assert Settings(home=home).database_owner_url is None


def test_home_of_an_older_version_changes_to_the_applications_login(home: Path) -> None:
    cluster, keys = postgres.cluster_in(home / "postgres"), load_secrets(home)
    older = cluster.url("sanshen", keys.sanshen_password, "sanshen")
    (home / "stack.env").write_text(f"SANSHEN_DATABASE_URL='{older}'\n")
    assert Settings(home=home).database_url == older
    filled = _embedded(home)
    assert filled.require_owner_url() == older
    assert urlsplit(str(Settings(home=home).database_url)).username == postgres.APP_LOGIN


def test_embedded_owner_is_found_by_the_commands_that_need_it(home: Path) -> None:
    filled = _embedded(home)
    assert with_owner_address(Settings(home=home)).database_owner_url == filled.database_owner_url
    outside = Settings(home=home, database_url="postgresql://a:b@db/news")
    assert with_owner_address(outside) == outside


def test_children_of_the_stack_never_get_the_owners_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANSHEN_DATABASE_OWNER_URL", "postgresql://owner:secret@db/news")
    monkeypatch.setenv("SANSHEN_DATABASE_URL", "postgresql://app:b@db/news")
    settings = Settings(home=home)
    assert settings.require_owner_url() == "postgresql://owner:secret@db/news"
    given = {**child_environment(as_environment(settings), home)}
    assert given["SANSHEN_DATABASE_URL"] == "postgresql://app:b@db/news"
    assert "secret" not in str(given)


def test_one_login_does_both_where_no_owner_is_named(home: Path) -> None:
    assert Settings(home=home, database_url="postgresql://a/b").require_owner_url() == "postgresql://a/b"
    with pytest.raises(SettingMissing):
        Settings(home=home).require_owner_url()


@pytest.fixture
def empty_database(postgres_url: str, run_apart: Callable[[Callable[[], None]], None]) -> Iterator[str]:
    """A database without tables, as its owner."""
    name = f"empty_{uuid4().hex[:12]}"
    run_apart(lambda: asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name}")))
    yield postgres_url.replace("/sanshen?", f"/{name}?")
    run_apart(lambda: asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_prepare_with_two_logins_migrates_as_the_owner_and_restricts_the_application(
    empty_database: str, home: Path
) -> None:
    settings = Settings(home=home, database_url=app_url(empty_database), database_owner_url=empty_database)
    for _ in range(2):  # every start does it again
        await PREPARE["schema"].run(settings)
    await PREPARE["first-people"].run(settings)
    assert await is_held_by_grant(app_url(empty_database))


async def test_prepare_with_one_login_works_and_the_doctor_warns(empty_database: str, home: Path) -> None:
    first = free_ports(8)
    settings = Settings(
        home=home,
        database_url=empty_database,
        port=first,
        prefect_port=first + 1,
        packages_port=first + 2,
        s3_port=first + 3,  # and the four behind it
    )
    await PREPARE["schema"].run(settings)
    await PREPARE["first-people"].run(settings)

    async def probe(_settings: Settings) -> None:
        return None

    found = {check.name: check for check in await examine(settings, probe)}["append-only"]
    assert found.ok
    assert "SANSHEN_DATABASE_OWNER_URL" in found.text.zh
    assert "SANSHEN_DATABASE_OWNER_URL" in found.text.en
    await PREPARE["schema"].run(
        settings.model_copy(
            update={"database_url": app_url(empty_database), "database_owner_url": empty_database}
        )
    )
    restricted = settings.model_copy(update={"database_url": app_url(empty_database)})
    found = {check.name: check for check in await examine(restricted, probe)}["append-only"]
    assert found.ok
    assert "SANSHEN" not in found.text.en


async def test_prepare_with_a_login_that_owns_the_tables_is_refused(empty_database: str, home: Path) -> None:
    settings = Settings(
        home=home,
        database_url=empty_database.replace("//sanshen:", "//postgres:"),
        database_owner_url=empty_database,
    )
    with pytest.raises(LoginTooStrong):
        await PREPARE["schema"].run(settings)


@pytest.mark.slow
async def test_data_folder_of_an_older_version_gets_the_applications_login(tmp_path: Path) -> None:
    with temporary_postgres(tmp_path / "pg"):
        password = (tmp_path / "pg" / "superuser.password").read_text()
        cluster = postgres.cluster_in(tmp_path / "pg")
        await _execute(cluster.url("postgres", password, "postgres"), f"DROP ROLE {postgres.APP_LOGIN}")
    with temporary_postgres(tmp_path / "pg") as url:
        await _execute(app_url(url), "SELECT 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _execute(app_url(url), "CREATE DATABASE mine")
