"""My queue and the newsroom's calendar over HTTP."""

import asyncio
from typing import Any

import pytest

from states.events import Event
from states.item import State


async def _mine(api: Any, who: str, **query: Any) -> Any:
    answer = await api("GET", "/v1/queue", who, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_queue_shows_what_waits_for_me_with_the_time_left(api: Any, newsroom: Any) -> None:
    item = await newsroom.received(title="等初审", column="要闻")
    (line,) = [each for each in (await _mine(api, "duty"))["items"] if each["id"] == str(item)]
    assert (line["why"], line["stage"], line["state"]) == ("review", "first_review", "received")
    assert line["due_at"] is not None
    assert line["is_overdue"] is (line["time_left_s"] < 0)
    assert line["author"]["display_name"] == "名 writer"
    assert str(item) not in {each["id"] for each in (await _mine(api, "chief"))["items"]}
    held = await newsroom.in_state(State.SECOND_REVIEW)
    assert {each["id"]: each["why"] for each in (await _mine(api, "head"))["items"]}[str(held)] == "held"
    await newsroom.send(held, Event.RETURN_FOR_REVISION, "head", reason="补图")
    assert {each["id"]: each["why"] for each in (await _mine(api, "writer"))["items"]} == {
        str(held): "returned"
    }


async def test_queue_is_paged_without_gap_or_repeat(api: Any, newsroom: Any, is_problem: Any) -> None:
    for number in range(5):
        await newsroom.received(title=f"{number}")
    whole = [each["id"] for each in (await _mine(api, "duty", limit=100))["items"]]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await _mine(api, "duty", limit=2, **cursor)
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == whole
    assert len(seen) >= 5
    for bad in ({"cursor": "x"}, {"limit": 0}, {"limit": 101}):
        is_problem(await api("GET", "/v1/queue", "duty", params=bad), 422, "invalid-request")
    is_problem(await api("GET", "/v1/queue"), 401, "unauthenticated")


async def test_queue_of_who_only_operates_is_empty(api: Any, newsroom: Any) -> None:
    await newsroom.received()
    assert await _mine(api, "operator") == {"items": [], "next": None}


# The calendar


async def test_days_of_a_year_say_where_they_come_from(api: Any) -> None:
    shown = (await api("GET", "/v1/working-days", "writer", params={"year": 2026})).json()
    assert shown["warning"] is None
    days = {each["day"]: each for each in shown["days"]}
    assert len(days) == 365
    assert days["2026-10-01"]["is_workday"] is False
    assert days["2026-10-01"]["name"]
    assert days["2026-10-10"] == {
        "day": "2026-10-10",
        "is_workday": True,
        "name": days["2026-10-10"]["name"],
        "source": "chinese_calendar",
    }
    unknown = (await api("GET", "/v1/working-days", "writer", params={"year": 2032})).json()
    assert "2032" in unknown["warning"]["zh"]
    assert {each["source"] for each in unknown["days"]} == {"weekday"}


async def test_day_is_set_and_unset_by_administrators_only(api: Any, is_problem: Any) -> None:
    path, order = "/v1/working-days/2026-12-24", {"is_workday": False, "name": "台庆"}
    for who in ("writer", "chief", "operator"):
        is_problem(await api("PUT", path, who, json=order), 403, "role-missing")
        is_problem(await api("DELETE", path, who), 403, "role-missing")
    is_problem(await api("DELETE", path, "admin"), 404, "not-found")
    (day,) = (await api("PUT", path, "admin", json=order, headers=await api.seen(path))).json()["days"]
    assert day == {"day": "2026-12-24", "is_workday": False, "name": "台庆", "source": "newsroom"}
    assert (await api("GET", path, "writer")).json()["days"] == [day]
    gone = await api("DELETE", path, "admin", headers=await api.seen(path))
    assert gone.status_code == 204
    (day,) = (await api("GET", path, "writer")).json()["days"]
    assert (day["is_workday"], day["source"]) == (True, "chinese_calendar")


@pytest.mark.parametrize("day", ["2026-02-30", "tomorrow", "20261224x", "0000-01-01"])
async def test_day_that_does_not_exist_is_404(api: Any, is_problem: Any, day: str) -> None:
    is_problem(await api("GET", f"/v1/working-days/{day}", "admin"), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "is_workday"),
        ({"is_workday": True, "name": "a\nb"}, "name"),
        ({"is_workday": True, "name": "长" * 101}, "name"),
        ({"is_workday": True, "colour": "red"}, "colour"),
    ],
)
async def test_day_with_a_bad_order_names_the_field(
    api: Any, is_problem: Any, body: dict[str, Any], field: str
) -> None:
    answer = await api("PUT", "/v1/working-days/2026-12-24", "admin", json=body)
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field


async def test_hours_are_changed_by_administrators_only(api: Any, is_problem: Any) -> None:
    seeded = {"opens_at": "08:30", "closes_at": "17:30", "zone": "Asia/Shanghai"}
    nights = {"opens_at": "22:00", "closes_at": "06:00", "zone": "Europe/Berlin"}
    assert (await api("GET", "/v1/working-hours", "writer")).json() == seeded
    is_problem(await api("PUT", "/v1/working-hours", "chief", json=nights), 403, "role-missing")
    path = "/v1/working-hours"
    assert (await api("PUT", path, "admin", json=nights, headers=await api.seen(path))).json() == nights
    assert (await api("GET", "/v1/working-hours", "writer")).json() == nights
    await api("PUT", path, "admin", json=seeded, headers=await api.seen(path))


HOURS = ("18:00", "18:30", "17:30")


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        (
            "/v1/working-hours",
            [{"opens_at": "08:30", "closes_at": hour, "zone": "Asia/Shanghai"} for hour in HOURS],
        ),
        (
            "/v1/working-days/2026-12-23",
            [{"is_workday": False, "name": name} for name in ("台庆", "盘点", "")],
        ),
        ("/v1/preset-reasons/facts-to-verify", [{"position": number} for number in (7, 8, 9)]),
    ],
)
async def test_change_over_somebody_elses_is_refused(
    api: Any, is_problem: Any, path: str, bodies: list[dict[str, Any]]
) -> None:
    method = "PATCH" if "reasons" in path else "PUT"
    seen = await api.seen(path)
    before = (await api("GET", path, "admin")).json()
    is_problem(await api(method, path, "admin", json=bodies[0]), 428, "precondition-required")
    is_problem(
        await api(method, path, "admin", json=bodies[0], headers={"If-Match": "*"}),
        428,
        "precondition-required",
    )
    assert (await api("GET", path, "admin")).json() == before
    first, second = await asyncio.gather(
        *(api(method, path, "admin", json=body, headers=seen) for body in bodies[:2])
    )
    won, lost = (first, second) if first.status_code == 200 else (second, first)
    assert won.status_code == 200, won.text
    assert lost.headers["ETag"] == won.headers["ETag"]
    is_problem(lost, 412, "stale-version")
    assert (await api("GET", path, "admin")).json() == won.json()
    again = {"If-Match": won.headers["ETag"]}
    assert (await api(method, path, "admin", json=bodies[2], headers=again)).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"opens_at": "8:30"}, "opens_at"),
        ({"closes_at": "24:00"}, "closes_at"),
        ({"closes_at": "17:30:00"}, "closes_at"),
        ({"zone": "Asia/Peking"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"zone": "Asia"}, "zone"),
        ({"zone": ""}, "zone"),
    ],
)
async def test_hours_that_make_no_sense_are_refused(
    api: Any, is_problem: Any, change: dict[str, str], field: str
) -> None:
    body = {"opens_at": "08:30", "closes_at": "17:30", "zone": "Asia/Shanghai"} | change
    answer = await api("PUT", "/v1/working-hours", "admin", json=body)
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field
