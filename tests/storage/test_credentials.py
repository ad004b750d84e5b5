"""Credentials at rest: the table holds none in the clear, keys can be changed, and a wrong key is told in words."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlmodel import col, select

from deployments.preparations import PREPARATIONS
from storage.credentials import CredentialsUnreadable, open_credential, seal_all, seal_credential
from storage.destinations import add_destination
from storage.settings import Settings
from storage.tables import Destination

PREPARE = {each.name: each for each in PREPARATIONS}
PLAIN = "密码 p4ssw0rd\n第二行"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_credential_comes_back_and_is_not_to_be_read_without_the_key(settings: Settings) -> None:
    sealed = seal_credential(settings, PLAIN)
    assert "p4ssw0rd" not in sealed
    assert sealed != seal_credential(settings, PLAIN)  # equal passwords cannot be told
    assert open_credential(settings, sealed) == PLAIN
    key = settings.credentials_key_file
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in sealed


def test_key_is_changed_by_a_new_one_above_it_and_the_old_one_goes_after_sealing_anew(
    settings: Settings,
) -> None:
    old = seal_credential(settings, PLAIN)
    file = settings.credentials_key_file
    first = file.read_text()
    file.write_text(f"{Fernet.generate_key().decode()}\n{first}")
    assert open_credential(settings, old) == PLAIN
    new = seal_credential(settings, PLAIN)
    file.write_text(file.read_text().splitlines()[0] + "\n")
    assert open_credential(settings, new) == PLAIN
    with pytest.raises(CredentialsUnreadable, match="backup"):
        open_credential(settings, old)


@pytest.mark.parametrize("content", [None, "", "not a key\n"])
def test_missing_or_damaged_key_is_told_with_its_file_and_none_is_made(
    settings: Settings, content: str | None
) -> None:
    sealed = seal_credential(settings, PLAIN)
    file = settings.credentials_key_file
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(CredentialsUnreadable) as refused:
        open_credential(settings, sealed)
    assert str(file) in refused.value.text.zh
    assert file.exists() is (content is not None)


async def test_what_an_older_version_stored_is_encrypted_at_the_next_start(
    newsroom: Any, settings: Settings
) -> None:
    async with newsroom.db.transaction() as session:
        for name, secret in (("old", PLAIN), ("new", seal_credential(settings, "x")), ("none", None)):
            await add_destination(session, Destination(id=name, platform="webhook", name=name, secret=secret))
    assert await seal_all(newsroom.db, settings) == []
    async with newsroom.db.transaction() as session:
        asked = select(Destination).where(col(Destination.id).in_(["old", "new", "none"]))
        found = {row.id: row.secret for row in await session.exec(asked)}
    assert found["none"] is None
    assert "p4ssw0rd" not in str(found["old"])
    assert [open_credential(settings, str(found[name])) for name in ("old", "new")] == [PLAIN, "x"]


async def test_lost_key_stops_no_start_and_spoils_nothing(
    newsroom: Any, settings: Settings, tmp_path: Path
) -> None:
    other = Settings(home=tmp_path / "another")
    sealed = seal_credential(other, PLAIN)
    async with newsroom.db.transaction() as session:
        await add_destination(session, Destination(id="lost", platform="webhook", name="lost", secret=sealed))
    await PREPARE["credentials"].run(settings.model_copy(update={"database_url": newsroom.db.url}))
    async with newsroom.db.transaction() as session:
        row = await session.get(Destination, "lost")
    assert open_credential(other, str(row and row.secret)) == PLAIN
