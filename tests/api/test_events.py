"""Events over HTTP: three reviews by three people, claims, and batches."""

from typing import Any
from uuid import uuid4

from states.item import State


async def test_three_reviews_by_three_people_lead_to_approved(api: Any, newsroom: Any) -> None:
    item = await newsroom.received()
    sha256 = await newsroom.revision(item)
    for who, after in (("duty", "second_review"), ("head", "final_review"), ("chief", "approved")):
        claimed = await api.event(item, "claim", who)
        assert claimed.status_code == 200, claimed.text
        if who == "chief":
            await newsroom.media_ready(item)
        shown = (await api("GET", f"/v1/submissions/{item}", who)).json()
        assert "approve" in shown["allowed_events"]
        assert shown["claimed_by"]["display_name"] == f"名 {who}"
        answer = await api.event(item, "approve", who, revision_sha256=sha256, comment="已核对")
        assert (answer.status_code, answer.json()["state"]) == (200, after)
        assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    deliveries = (await api("GET", f"/v1/submissions/{item}/deliveries", "writer")).json()["deliveries"]
    assert [(each["destination"], each["state"]) for each in deliveries] == [("app", "pending")]


async def test_one_person_with_all_roles_cannot_review_twice(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item = await newsroom.received()
    sha256 = await newsroom.revision(item)
    await api.event(item, "claim", "all_reviews")
    first = await api.event(item, "approve", "all_reviews", revision_sha256=sha256)
    assert first.json()["state"] == "second_review"
    refused = is_problem(await api.event(item, "claim", "all_reviews"), 409, "guard-refused")
    assert refused["guard"] == "not_earlier_reviewer"


async def test_event_with_the_version_that_was_seen_is_made(api: Any, newsroom: Any) -> None:
    item = await newsroom.received()
    version = (await api("GET", f"/v1/submissions/{item}", "duty")).headers["etag"]
    assert (await api.event(item, "claim", "duty", headers={"If-Match": version})).status_code == 200


async def test_events_that_the_page_allows_leave_out_what_only_a_delivery_can_do(
    api: Any, newsroom: Any
) -> None:
    item = await newsroom.in_state(State.APPROVED)
    shown = (await api("GET", f"/v1/submissions/{item}", "chief")).json()
    assert shown["allowed_events"] == ["correct", "retract"]


async def test_batch_does_each_item_on_its_own(api: Any, newsroom: Any) -> None:
    first, second = await newsroom.received(), await newsroom.received()
    draft = (await newsroom.draft()).id
    items = [
        {"submission_id": str(first), "event": "claim"},
        {"submission_id": str(uuid4()), "event": "claim"},
        {"submission_id": str(draft), "event": "claim"},
        {"submission_id": str(first), "event": "approve", "revision_sha256": "0" * 64},
        {"submission_id": str(second), "event": "claim", "version": 1},
        {"submission_id": str(second), "event": "edit"},
        {"submission_id": str(second), "event": "claim"},
    ]
    answer = await api("POST", "/v1/events:batch", "duty", json={"items": items})
    results = answer.json()["results"]
    assert [each["status"] for each in results] == [200, 404, 404, 409, 412, 422, 200]
    assert [each["submission_id"] for each in results] == [each["submission_id"] for each in items]
    assert results[0]["standing"]["state"] == "first_review"
    assert results[3]["problem"]["guard"] == "sees_current_revision"
    assert results[3]["problem"]["request_id"] == answer.headers["x-request-id"]


async def test_failure_nobody_foresaw_stays_with_its_item(api: Any, newsroom: Any, monkeypatch: Any) -> None:
    from api import events, moves

    item = await newsroom.received()

    async def fail_once(*given: Any) -> Any:
        monkeypatch.setattr(events, "order_event", moves.order_event)
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(events, "order_event", fail_once)
    items = [{"submission_id": str(item), "event": "claim"}] * 2
    answer = await api("POST", "/v1/events:batch", "duty", json={"items": items})
    assert [each["status"] for each in answer.json()["results"]] == [500, 200]
    assert "hunter2" not in answer.text


async def test_malformed_batch_does_nothing(api: Any, newsroom: Any, is_problem: Any) -> None:
    item = await newsroom.received()
    good = {"submission_id": str(item), "event": "claim"}
    for items, field in (
        ([], "items"),
        ([good] * 101, "items"),
        ([good, {"submission_id": "x", "event": "claim"}], "items.1.submission_id"),
        ([good, {**good, "version": 0}], "items.1.version"),
    ):
        answer = await api("POST", "/v1/events:batch", "duty", json={"items": items})
        assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == field
    assert (await api("GET", f"/v1/submissions/{item}", "duty")).json()["state"] == "received"
