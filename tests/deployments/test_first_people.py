"""People from the terminal, and what a new installation begins with."""

import stat
from pathlib import Path

import pytest

from deployments import people
from deployments.people import admin_password_file, ensure_first_people, everybody
from deployments.preparations import PREPARATIONS
from states.roles import Role
from storage.database import Database
from storage.destinations import list_destinations
from storage.errors import AlreadyExists
from storage.people import verify_password
from storage.settings import Settings


@pytest.fixture
def settings(fresh_database: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=fresh_database)


async def test_first_start_makes_an_administrator_and_our_app_and_the_second_nothing(
    settings: Settings,
) -> None:
    await ensure_first_people(settings)
    file = admin_password_file(settings.home)
    password = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (admin,) = await everybody(settings)
    assert (admin.username, admin.roles) == ("admin", [Role.ADMINISTRATOR])
    assert verify_password(admin.password_hash, password)
    await ensure_first_people(settings)
    assert len(await everybody(settings)) == 1
    assert file.read_text() == password
    db = Database(settings.require_database_url(), pool_size=1)
    async with db.transaction() as session:
        assert [each.id for each in await list_destinations(session)] == ["app"]
    await db.close()


async def test_start_that_died_before_the_administrator_was_stored_is_made_good(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(people, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            await ensure_first_people(settings)
    await ensure_first_people(settings)
    (admin,) = await everybody(settings)
    assert verify_password(admin.password_hash, admin_password_file(settings.home).read_text())


async def test_name_that_is_taken_is_refused(settings: Settings) -> None:
    await people.add(settings, "li", "李敏", "long enough password", [Role.DUTY_EDITOR, Role.DESK_HEAD])
    with pytest.raises(AlreadyExists):
        await people.add(settings, "li", "李明", "long enough password", [Role.DUTY_EDITOR])
    (person,) = await everybody(settings)
    assert (person.display_name, person.roles) == ("李敏", ["desk_head", "duty_editor"])


def test_preparations_come_after_what_they_need() -> None:
    known = {"postgres", "s3", "prefect"} | {each.name for each in PREPARATIONS}
    seen = {"postgres", "s3", "prefect"}
    for each in PREPARATIONS:
        assert set(each.after) <= seen
        seen.add(each.name)
    assert {"worker", "dispatch"} <= {name for each in PREPARATIONS for name in each.needed_by}
    assert seen == known
