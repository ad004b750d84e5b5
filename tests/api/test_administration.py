"""People and destinations, as administrators keep them."""

from typing import Any
from uuid import uuid4

import pytest

from storage.tables import Destination


def _person(**given: Any) -> dict[str, Any]:
    name = f"p-{uuid4().hex[:8]}"
    return {
        "username": name,
        "display_name": "李娜",
        "password": "correct horse",
        "roles": ["duty_editor"],
    } | given


async def test_added_person_can_sign_in_until_the_account_is_closed(api: Any, is_problem: Any) -> None:
    new = _person(columns=["要闻", "要闻"], roles=["duty_editor", "duty_editor"])
    answer = await api("POST", "/v1/people", "admin", json=new)
    assert answer.status_code == 201
    added = answer.json()
    assert (added["roles"], added["columns"], added["is_active"]) == (["duty_editor"], ["要闻"], True)
    credentials = {"username": new["username"], "password": new["password"]}
    token = (await api("POST", "/v1/sessions", json=credentials)).json()["token"]
    assert (await api("DELETE", f"/v1/people/{added['id']}", "admin")).status_code == 204
    headers = {"Authorization": f"Bearer {token}"}
    is_problem(await api("GET", "/v1/me", headers=headers), 401, "unauthenticated")
    is_problem(await api("POST", "/v1/sessions", json=credentials), 401, "wrong-credentials")
    listed = {each["id"]: each for each in (await api("GET", "/v1/people", "admin")).json()}
    assert listed[added["id"]]["is_active"] is False


async def test_taken_name_is_409_and_own_account_cannot_be_closed(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    taken = await api("POST", "/v1/people", "admin", json=_person(username="writer"))
    is_problem(taken, 409, "already-exists")
    own = newsroom.people["admin"].id
    is_problem(await api("DELETE", f"/v1/people/{own}", "admin"), 409, "own-account")
    is_problem(await api("DELETE", f"/v1/people/{uuid4()}", "admin"), 404, "not-found")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"roles": ["system"]}, "roles.0"),
        ({"roles": []}, "roles"),
        ({"username": "with space"}, "username"),
        ({"username": "a\x00b"}, "username"),
        ({"display_name": " "}, "display_name"),
        ({"columns": [""]}, "columns.0"),
        ({"is_active": False}, "is_active"),
    ],
)
async def test_bad_person_is_422(api: Any, is_problem: Any, given: Any, field: str) -> None:
    answer = await api("POST", "/v1/people", "admin", json=_person(**given))
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field


def _webhook(**given: Any) -> dict[str, Any]:
    return {
        "id": f"w-{uuid4().hex[:8]}",
        "platform": "webhook",
        "name": "门户",
        "settings": {"url": "http://127.0.0.1:9000/hook?key=k"},
        "secret": "0123456789abcdef",
    } | given


async def test_destination_keeps_its_secret_and_shows_settings_to_administrators_only(api: Any) -> None:
    new = _webhook()
    answer = await api("POST", "/v1/destinations", "admin", json=new)
    assert answer.status_code == 201
    assert new["secret"] not in answer.text
    for who, settings in (("admin", new["settings"]), ("writer", None), ("chief", None)):
        everything = await api("GET", "/v1/destinations", who)
        assert new["secret"] not in everything.text
        (shown,) = (each for each in everything.json() if each["id"] == new["id"])
        assert (shown["settings"], shown["has_secret"], shown["is_enabled"]) == (settings, True, True)
        assert shown["platform_label"]["zh"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"platform": "telex"}, "platform"),
        ({"id": "Ö"}, "id"),
        ({"id": "-a"}, "id"),
        ({"settings": {}}, "settings.url"),
        ({"settings": {"url": "http://127.0.0.1:9001/"}}, "settings.url"),
        ({"settings": {"url": "http://169.254.169.254/latest"}}, "settings.url"),
        ({"settings": {"url": "http://[::1]/"}}, "settings.url"),
        ({"settings": {"url": "file:///etc/passwd"}}, "settings.url"),
        ({"settings": {"url": "http://user:pw@127.0.0.1:9000/"}}, "settings.url"),
        ({"settings": {"url": "a\nb"}}, "settings.url"),
        ({"secret": None}, "secret"),
        ({"secret": "short"}, "secret"),
        ({"is_enabled": False}, "is_enabled"),
    ],
)
async def test_bad_destination_is_422(api: Any, is_problem: Any, given: Any, field: str) -> None:
    answer = await api("POST", "/v1/destinations", "admin", json=_webhook(**given))
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field


HOST_KEY = "mail ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH6DpofkpjDTCG+w6ZeccsPP+n27vS1ySYSGWpuaBzrP"
DROP = {"host": "127.0.0.1", "port": "9000", "user": "tv", "folder": "/in", "host_key": HOST_KEY}
MAIL = {"host": "127.0.0.1", "port": "9000", "from": "desk@example.org", "to": "a@example.org, b@example.org"}


@pytest.mark.parametrize(("platform", "settings"), [("tv_drop", DROP), ("outlet_mail", MAIL)])
async def test_drop_and_mail_keep_their_password_encrypted(
    api: Any, newsroom: Any, platform: str, settings: dict[str, str]
) -> None:
    new = _webhook(platform=platform, settings=settings, secret="pw")
    answer = await api("POST", "/v1/destinations", "admin", json=new)
    assert answer.status_code == 201, answer.text
    async with newsroom.db.transaction() as session:
        row = await session.get(Destination, new["id"])
    assert row.secret.startswith("sealed:1:")
    assert "pw" not in answer.text


@pytest.mark.parametrize(
    ("platform", "settings", "field"),
    [
        ("tv_drop", DROP | {"host_key": ""}, "settings"),
        ("tv_drop", DROP | {"folder": "/in/../etc"}, "settings"),
        ("tv_drop", DROP | {"host": "10.0.0.1"}, "settings.host"),
        ("outlet_mail", MAIL | {"to": "nobody"}, "settings"),
        ("outlet_mail", MAIL | {"security": "none"}, "settings"),
        ("outlet_mail", MAIL | {"host": "169.254.169.254"}, "settings.host"),
    ],
)
async def test_drop_or_mail_that_could_not_work_is_422(
    api: Any, is_problem: Any, platform: str, settings: dict[str, str], field: str
) -> None:
    new = _webhook(platform=platform, settings=settings)
    (error,) = is_problem(await api("POST", "/v1/destinations", "admin", json=new), 422, "invalid-request")[
        "errors"
    ]
    assert error["field"] == field


async def test_taken_destination_is_409(api: Any, is_problem: Any) -> None:
    new = {"id": "app", "platform": "app", "name": "又一个"}
    is_problem(await api("POST", "/v1/destinations", "admin", json=new), 409, "already-exists")
