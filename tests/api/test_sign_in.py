"""Signing in and out, and the brake on guessing."""

import asyncio
from typing import Any

import pytest

from api.throttle import MOST_FAILURES, WINDOW_S, Throttle

PASSWORD = "correct horse battery"


async def _sign_in(api: Any, username: str, password: str = PASSWORD) -> Any:
    return await api("POST", "/v1/sessions", json={"username": username, "password": password})


async def test_sign_in_gives_a_token_that_counts_until_sign_out(api: Any, is_problem: Any) -> None:
    answer = await _sign_in(api, "duty")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["person"]["roles"] == ["duty_editor"]
    assert "password" not in answer.text
    headers = {"Authorization": f"Bearer {body['token']}"}
    me = await api("GET", "/v1/me", headers=headers)
    assert me.json() == body["person"]
    for _ in range(2):
        assert (await api("DELETE", "/v1/sessions/current", headers=headers)).status_code == 204
    is_problem(await api("GET", "/v1/me", headers=headers), 401, "unauthenticated")


async def test_tenth_failure_closes_the_name_to_that_address_for_a_while(api: Any, is_problem: Any) -> None:
    for _ in range(MOST_FAILURES - 2):  # each costs 50 ms over HTTP, on purpose
        assert api.app.state.resources.sign_ins.begin("head", "192.0.2.7") is None
    answers = await asyncio.gather(*(_sign_in(api, "head", f"wrong {n}") for n in range(3)))
    assert sorted(each.status_code for each in answers) == [401, 401, 429]
    refused = await _sign_in(api, "head")
    is_problem(refused, 429, "too-many-attempts")
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW_S
    assert (await _sign_in(api, "chief")).status_code == 201


def test_success_forgets_failures_and_the_window_moves_on() -> None:
    now = 0.0
    throttle = Throttle(clock=lambda: now)
    for _ in range(MOST_FAILURES - 1):
        assert throttle.begin("li", "a") is None
    throttle.succeed("li", "a")
    for _ in range(MOST_FAILURES):
        assert throttle.begin("li", "a") is None
    assert throttle.begin("li", "a") == WINDOW_S
    assert throttle.begin("li", "b") is None
    now = WINDOW_S + 1
    assert throttle.begin("li", "a") is None


def test_memory_of_the_brake_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.throttle._MOST_KEYS", 10)
    throttle = Throttle()
    for number in range(100):
        throttle.begin(str(number), "a")
    assert len(throttle._failed) == 10


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "x"}, "password"),
        ({"username": "x\x00", "password": "y"}, "username"),
        ({"username": "x" * 65, "password": "y"}, "username"),
        ({"username": "x", "password": "y" * 257}, "password"),
        ({"username": "x", "password": "y", "otp": "1"}, "otp"),
    ],
)
async def test_malformed_credentials_are_422(api: Any, is_problem: Any, body: Any, field: str) -> None:
    document = is_problem(await api("POST", "/v1/sessions", json=body), 422, "invalid-request")
    assert document["errors"][0]["field"] == field
