"""Every line of the issue's "Bad input", each with what the client sees, and that nothing half-happened."""

from typing import Any
from uuid import uuid4

import pytest

from states.events import Event
from states.item import State
from states.roles import SYSTEM

PERSON = {"username": "ab", "display_name": "x", "password": "12345678", "roles": ["operator"]}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def _version(api: Any, item: Any, who: str = "chief") -> int:
    return int((await api("GET", f"/v1/submissions/{item}", who)).json()["version"])


# Wrong credentials 401


@pytest.mark.parametrize(("username", "password"), [("nobody", "correct horse battery"), ("writer", "wrong")])
async def test_sign_in_with_wrong_credentials_is_401_with_one_message(
    api: Any, is_problem: Any, username: str, password: str
) -> None:
    answer = await api("POST", "/v1/sessions", json={"username": username, "password": password})
    document = is_problem(answer, 401, "wrong-credentials")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert document["detail"] == "登录名或密码不正确，请重新输入。"


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer x", "Basic d3JpdGVyOng=", "Bearer \xff\x00"]
)
async def test_request_without_a_good_token_is_401(
    api: Any, is_problem: Any, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    for method, path in (
        ("GET", "/v1/me"),
        ("POST", "/v1/submissions"),
        ("GET", f"/v1/submissions/{UNKNOWN}"),
        ("POST", f"/v1/submissions/{UNKNOWN}/events"),
        ("POST", f"/v1/submissions/{UNKNOWN}/uploads"),
    ):
        body = {"json": {"event": "submit"} if "events" in path else {"filename": "a", "size_bytes": 1}}
        if path == "/v1/submissions":
            body = {"json": {}}
        answer = await api(method, path, headers=headers, **body)
        is_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


# Missing role 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/people", None),
        (
            "POST",
            "/v1/people",
            {"username": "ab", "display_name": "x", "password": "12345678", "roles": ["operator"]},
        ),
        ("DELETE", f"/v1/people/{UNKNOWN}", None),
        ("POST", "/v1/destinations", {"id": "x", "platform": "app", "name": "x"}),
    ],
)
async def test_what_is_for_administrators_is_403_for_others(
    api: Any, is_problem: Any, method: str, path: str, body: Any
) -> None:
    for who in ("writer", "chief", "operator"):
        document = is_problem(await api(method, path, who, json=body), 403, "role-missing")
        assert document["roles"] == ["administrator"]


async def test_event_of_another_role_is_403(api: Any, newsroom: Any, is_problem: Any) -> None:
    item = await newsroom.received()
    document = is_problem(await api.event(item, "claim", "head"), 403, "role-missing")
    assert document["roles"] == ["duty_editor"]
    assert "当班编辑" in document["detail"]


@pytest.mark.parametrize("event", ["intake_passed", "intake_refused", "media_ready", "delivery_refused"])
@pytest.mark.parametrize("state", ["draft", "received"])
async def test_event_of_the_machine_is_403_for_people_in_every_state(
    api: Any, newsroom: Any, is_problem: Any, event: str, state: str
) -> None:
    item = (await newsroom.draft()).id if state == "draft" else await newsroom.received()
    who = "writer" if state == "draft" else "all_reviews"
    is_problem(await api.event(item, event, who), 403, "role-missing")


async def test_person_who_only_operates_cannot_begin_a_submission(api: Any, is_problem: Any) -> None:
    is_problem(await api("POST", "/v1/submissions", "operator", json={}), 403, "role-missing")


# Unknown id 404, and another correspondent's draft is 404 too


def _reads(item: Any) -> list[tuple[str, str, Any]]:
    one = f"/v1/submissions/{item}"
    return [
        ("GET", one, None),
        *(
            ("GET", f"{one}/{each}", None)
            for each in ("history", "revisions", "renditions", "deliveries", "runs")
        ),
        ("PATCH", one, {"title": "他人"}),
        ("POST", f"{one}/events", {"event": "submit"}),
        ("POST", f"{one}/events", {"event": "withdraw"}),
        ("POST", f"{one}/events", {"event": "approve", "revision_sha256": "0" * 64}),
        ("POST", f"{one}/uploads", {"filename": "a.mp4", "size_bytes": 10}),
        ("GET", f"{one}/uploads/{UNKNOWN}", None),
        ("POST", f"{one}/uploads/{UNKNOWN}/complete", None),
        ("DELETE", f"{one}/uploads/{UNKNOWN}", None),
    ]


async def test_unknown_submission_and_anothers_draft_are_the_same_404(api: Any, is_problem: Any) -> None:
    draft = (await api.draft())["id"]
    for who in ("other_writer", "chief", "operator"):
        for (method, path, body), (_, unknown_path, _) in zip(_reads(draft), _reads(UNKNOWN), strict=True):
            given = {"json": body, "headers": {"If-Match": '"1"'}} if body else {}
            unseen = is_problem(await api(method, path, who, **given), 404, "not-found")
            unknown = is_problem(await api(method, unknown_path, who, **given), 404, "not-found")
            for document in (unseen, unknown):
                del document["instance"], document["request_id"]
            assert str(unseen).replace(draft, UNKNOWN) == str(unknown)
    assert await _version(api, draft, "writer") == 1


@pytest.mark.parametrize("name", ["not-a-uuid", "1", "%00", "..%2f", "é" * 300])
async def test_what_is_no_identifier_is_404(api: Any, is_problem: Any, name: str) -> None:
    is_problem(await api("GET", f"/v1/submissions/{name}", "chief"), 404, "not-found")
    is_problem(await api("GET", f"/v1/deliveries/{name}", "chief"), 404, "not-found")


async def test_unknown_address_and_wrong_method_are_problems_too(api: Any, is_problem: Any) -> None:
    is_problem(await api("GET", "/v1/nothing"), 404, "not-found")
    answer = await api("PUT", "/v1/submissions")
    is_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"]


# An illegal event 409, with the allowed ones


async def test_illegal_event_is_409_and_names_the_allowed_ones(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.received()
    sha256 = await newsroom.revision(item)
    document = is_problem(
        await api.event(item, "approve", "duty", revision_sha256=sha256), 409, "illegal-event"
    )
    assert document["allowed_events"] == ["claim", "ask_override"]
    assert document["state"] == "received"


async def test_allowed_events_of_a_409_are_those_of_the_page(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state(State.FINAL_REVIEW)  # renditions are not made: approve is not open
    document = is_problem(await api.event(item, "resume", "chief"), 409, "illegal-event")
    shown = (await api("GET", f"/v1/submissions/{item}", "chief")).json()
    assert document["allowed_events"] == shown["allowed_events"]
    assert "approve" not in document["allowed_events"]


@pytest.mark.parametrize(
    ("who", "given", "guard"),
    [
        ("duty", {"revision_sha256": "0" * 64}, "sees_current_revision"),
        ("duty", {}, "sees_current_revision"),
        ("all_reviews", {}, "not_claimed_by_another"),
    ],
)
async def test_refused_guard_is_409_with_its_name(
    api: Any, newsroom: Any, is_problem: Any, who: str, given: Any, guard: str
) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    document = is_problem(await api.event(item, "approve", who, **given), 409, "guard-refused")
    assert document["guard"] == guard


async def test_rejection_without_a_reason_is_409(api: Any, newsroom: Any, is_problem: Any) -> None:
    item = await newsroom.in_state(State.FIRST_REVIEW)
    sha256 = await newsroom.revision(item)
    for reason in (None, "", " \n"):
        answer = await api.event(item, "reject", "duty", revision_sha256=sha256, reason=reason)
        assert is_problem(answer, 409, "guard-refused")["guard"] == "gives_reason"


# No If-Match 428; a stale one 412


@pytest.mark.parametrize("if_match", [None, "*", " * "])
async def test_change_without_a_version_is_428(api: Any, is_problem: Any, if_match: str | None) -> None:
    draft = await api.draft()
    headers = {} if if_match is None else {"If-Match": if_match}
    answer = await api(
        "PATCH", f"/v1/submissions/{draft['id']}", "writer", json={"title": "x"}, headers=headers
    )
    is_problem(answer, 428, "precondition-required")
    assert await _version(api, draft["id"], "writer") == 1


@pytest.mark.parametrize("if_match", ['"0"', '"2"', 'W/"1"', '"01"', '"abc"', '""', '"99999999999999999999"'])
async def test_change_on_a_stale_version_is_412_with_the_current_etag(
    api: Any, is_problem: Any, if_match: str
) -> None:
    draft = await api.draft()
    for method, path, body in (
        ("PATCH", f"/v1/submissions/{draft['id']}", {"title": "x"}),
        ("POST", f"/v1/submissions/{draft['id']}/events", {"event": "submit"}),
    ):
        answer = await api(method, path, "writer", json=body, headers={"If-Match": if_match})
        assert is_problem(answer, 412, "stale-version")["current_version"] == 1
        assert answer.headers["etag"] == '"1"'
    assert await _version(api, draft["id"], "writer") == 1


@pytest.mark.parametrize("if_match", ["1", '"1", "2"', '"1'])
async def test_if_match_that_is_not_one_etag_is_422(api: Any, is_problem: Any, if_match: str) -> None:
    draft = await api.draft()
    answer = await api(
        "PATCH",
        f"/v1/submissions/{draft['id']}",
        "writer",
        json={"title": "x"},
        headers={"If-Match": if_match},
    )
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == "If-Match"


# Bad payload 422, naming the field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"titel": "x"}, "titel"),
        ({"title": 7}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"body": "a\x00b"}, "body"),
        ({"body": "字" * 200_001}, "body"),
        ({"title": None}, "title"),
        ({"column": ""}, "column"),
        ({"column": " "}, "column"),
        ({"language": "<script>"}, "language"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": ["x" * 41]}, "tags.0"),
        ({"tags": [str(number) for number in range(21)]}, "tags"),
        ({"tags": "民生"}, "tags"),
        ({"ai_label": "maybe"}, "ai_label"),
        ({"destinations": ["nowhere"]}, "destinations"),
        ({"destinations": ["app", "app"]}, "destinations"),
        ({"destinations": ["../app"]}, "destinations.0"),
        ({"is_fast_track": "perhaps"}, "is_fast_track"),
        ({"assets": []}, "assets"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
    ],
)
async def test_bad_submission_is_422_and_names_the_field(
    api: Any, is_problem: Any, body: Any, field: str
) -> None:
    before = len((await api("GET", "/v1/submissions", "writer", params={"limit": 100})).json()["items"])
    answer = await api("POST", "/v1/submissions", "writer", json=body)
    errors = is_problem(answer, 422, "invalid-request")["errors"]
    assert errors[0]["field"] == field
    assert errors[0]["zh"]
    assert errors[0]["en"]
    after = len((await api("GET", "/v1/submissions", "writer", params={"limit": 100})).json()["items"])
    assert after == before


@pytest.mark.parametrize(
    ("raw", "status", "slug"),
    [
        (b'{"title": "\\ud800"}', 422, "invalid-request"),
        (b'{"\\ud800": 1}', 422, "invalid-request"),
        (b'{"title": "x"', 422, "invalid-request"),
        (b"", 422, "invalid-request"),
        (b"\xff\xff", 400, "bad-request"),
        (b"[" * 100_000, 400, "bad-request"),
        (b'{"title": NaN}', 422, "invalid-request"),
        (b'{"is_fast_track": ' + b"9" * 5000 + b"}", 400, "bad-request"),
    ],
)
async def test_broken_body_is_refused_without_harm(
    api: Any, is_problem: Any, raw: bytes, status: int, slug: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api("POST", "/v1/submissions", "writer", content=raw, headers=headers)
    is_problem(answer, status, slug)


async def test_json_of_another_content_type_is_422_and_says_so(api: Any, is_problem: Any) -> None:
    for headers in ({"Content-Type": "text/plain"}, {}):
        answer = await api("POST", "/v1/submissions", "writer", content=b'{"title": "x"}', headers=headers)
        assert "application/json" in is_problem(answer, 422, "invalid-request")["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "event"),
        ({"event": "fly"}, "event"),
        ({"event": "edit"}, "event"),
        ({"event": "approve", "revision_sha256": "x"}, "revision_sha256"),
        ({"event": "approve", "revision_sha256": "A" * 64}, "revision_sha256"),
        ({"event": "reject", "reason": "x" * 2001}, "reason"),
        ({"event": "reject", "reason": "a\x00"}, "reason"),
        ({"event": "reject", "why": "x"}, "why"),
    ],
)
async def test_bad_event_is_422_and_names_the_field(api: Any, is_problem: Any, body: Any, field: str) -> None:
    draft = await api.draft()
    answer = await api("POST", f"/v1/submissions/{draft['id']}/events", "writer", json=body)
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field


async def test_confirming_a_delivery_by_an_event_is_422_and_says_where(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.in_state(State.APPROVED)
    document = is_problem(await api.event(item, "delivery_confirmed", "chief"), 422, "invalid-request")
    assert "/confirm" in document["detail"]
    assert (await api("GET", f"/v1/submissions/{item}", "chief")).json()["state"] == "approved"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"state": "somewhere"}, "state.0"),
        ({"text": "a\x00b"}, "text"),
        ({"column": "a\x00b"}, "column"),
        ({"mine": "perhaps"}, "mine"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"cursor": "_" * 32}, "cursor"),
    ],
)
async def test_bad_list_query_is_422_and_names_the_field(
    api: Any, is_problem: Any, query: Any, field: str
) -> None:
    answer = await api("GET", "/v1/submissions", "chief", params=query)
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field


async def test_body_over_the_limit_is_413_announced_or_not(api: Any, is_problem: Any) -> None:
    headers = {"Content-Type": "application/json"}
    big = b'{"title": "' + b"x" * 1_000_001 + b'"}'
    is_problem(
        await api("POST", "/v1/submissions", "writer", content=big, headers=headers), 413, "body-too-large"
    )

    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    answer = await api("POST", "/v1/submissions", "writer", content=chunks(), headers=headers)
    is_problem(answer, 413, "body-too-large")


async def test_problem_speaks_the_readers_language(api: Any, is_problem: Any) -> None:
    for accept, language in (("en-GB,zh;q=0.3", "en"), ("zh-CN,en;q=0.9", "zh"), ("fr, *;q=nonsense", "zh")):
        answer = await api("GET", "/v1/me", headers={"Accept-Language": accept})
        document = is_problem(answer, 401, "unauthenticated")
        assert document["detail"] == document[f"detail_{language}"]
        assert answer.headers["content-language"].startswith(language)


# A file that is no media is refused at intake with a reason that the author sees; the rest stays intact


async def test_refused_file_is_shown_to_its_author_with_the_reason(
    api: Any, newsroom: Any, add_asset: Any
) -> None:
    item = (await newsroom.draft()).id
    bad, good = await add_asset(item, "假.mp4"), await add_asset(item, "真.mp4")
    await newsroom.send(item, Event.SUBMIT, "writer")
    async with newsroom.db.transaction() as session:
        from storage import assets

        refusal = {"code": "media.unsupported", "zh": "这不是视频。", "en": "This is no video."}
        await assets.put_intake_refused(session, bad.id, refusal)
        found = assets.Examined("video", "video/mp4", probe={}, findings=[], by="test")
        await assets.put_examined(session, good.id, found)
        await assets.put_intake_passed(session, good.id)
    await newsroom.send(item, Event.INTAKE_REFUSED, SYSTEM, facts={})
    shown = (await api("GET", f"/v1/submissions/{item}", "writer")).json()
    assert shown["state"] == "returned"
    first, second = shown["assets"]
    assert (first["intake"], first["refusal"]["zh"]) == ("refused", "这不是视频。")
    assert (second["intake"], second["refusal"]) == ("passed", None)
    assert shown["content"]["title"] == "新桥通车"
    patch = {"assets": [{"sha256": second["sha256"]}]}
    headers = {"If-Match": f'"{shown["version"]}"'}
    answer = await api("PATCH", f"/v1/submissions/{item}", "writer", json=patch, headers=headers)
    assert answer.status_code == 200
    assert (await api.event(item, "submit", "writer")).json()["state"] == "received"


# Nothing internal in a 500, and the log has it with the request's id


async def test_unforeseen_failure_is_a_500_that_tells_nothing_and_is_logged(
    api: Any, is_problem: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("api.submissions.list_submissions", fail)
    request_id = f"proxy-{uuid4().hex}"
    answer = await api("GET", "/v1/submissions", "chief", headers={"X-Request-Id": request_id})
    document = is_problem(answer, 500, "internal-error")
    assert document["request_id"] == request_id
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text
    assert request_id in caplog.text


async def test_away_database_is_503_with_retry_after(
    api: Any, is_problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from storage.database import Database

    away = Database("postgresql://a:b@127.0.0.1:1/x")
    resources = replace(api.app.state.resources, db=away)
    monkeypatch.setattr(api.app.state, "resources", resources, raising=False)
    try:
        for path in ("/v1/me", "/feeds/rss.xml"):
            answer = await api("GET", path, "chief")
            is_problem(answer, 503, "database-unavailable")
            assert int(answer.headers["retry-after"]) > 0
        ready = await api("GET", "/readyz")
        assert (ready.status_code, ready.json()["parts"]["postgresql"]["is_ok"]) == (503, False)
        assert ready.json()["parts"]["object_store"]["is_ok"] is True
        assert (await api("GET", "/healthz")).status_code == 200
    finally:
        await away.close()
