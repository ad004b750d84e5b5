"""Submissions over HTTP: begin, list, read, change."""

import asyncio
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx

from states.item import State
from storage.keys import ASSETS, RENDITIONS
from storage.renditions import Wanted, put_ready


async def _read(api: Any, item: Any, who: str = "writer") -> Any:
    answer = await api("GET", f"/v1/submissions/{item}", who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _patch(api: Any, item: Any, version: int, who: str = "writer", **body: Any) -> Any:
    headers = {"If-Match": f'"{version}"'}
    return await api("PATCH", f"/v1/submissions/{item}", who, json=body, headers=headers)


async def test_new_submission_is_a_draft_with_location_and_etag(api: Any) -> None:
    body = {"title": "新桥通车 🎉", "tags": ["民生"], "column": "要闻", "is_fast_track": True}
    answer = await api("POST", "/v1/submissions", "writer", json=body)
    created = answer.json()
    assert answer.headers["location"] == f"/api/v1/submissions/{created['id']}"
    assert answer.headers["etag"] == '"1"'
    shown = await _read(api, created["id"])
    assert (shown["state"], shown["title"], shown["column"]) == ("draft", "新桥通车 🎉", "要闻")
    assert shown["is_fast_track"] is True
    assert shown["author"]["display_name"] == "名 writer"
    assert shown["allowed_events"] == ["edit", "withdraw"]  # submit needs a declaration and a destination
    assert shown["content"]["ai_label"] == "undeclared"


async def test_repeat_with_the_same_key_gets_the_first_answer(api: Any, is_problem: Any) -> None:
    headers = {"Idempotency-Key": uuid4().hex}

    async def send(title: str) -> Any:
        return await api("POST", "/v1/submissions", "writer", json={"title": title}, headers=headers)

    answers = await asyncio.gather(*(send("一次") for _ in range(5)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.text for each in answers}) == 1
    assert sorted(each.headers.get("idempotent-replayed", "") for each in answers) == ["", *["true"] * 4]
    is_problem(await send("另一次"), 422, "idempotency-key-reused")
    other = await api("POST", "/v1/submissions", "other_writer", json={"title": "一次"}, headers=headers)
    assert other.json()["id"] != answers[0].json()["id"]


async def test_refused_creation_does_not_use_up_its_key(api: Any, is_problem: Any) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    bad = await api("POST", "/v1/submissions", "writer", json={"destinations": ["nowhere"]}, headers=headers)
    is_problem(bad, 422, "invalid-request")
    good = await api("POST", "/v1/submissions", "writer", json={"destinations": ["app"]}, headers=headers)
    assert (good.status_code, "idempotent-replayed" in good.headers) == (201, False)


async def test_change_merges_the_given_fields_only(api: Any) -> None:
    draft = await api.draft(tags=["民生"], column="要闻")
    answer = await _patch(api, draft["id"], 1, title="改过的标题", column=None)
    assert answer.json()["revision_number"] == 2
    assert answer.headers["etag"] == '"2"'
    content = (await _read(api, draft["id"]))["content"]
    assert (content["title"], content["column"], content["tags"], content["body"]) == (
        "改过的标题",
        None,
        ["民生"],
        "正文。",
    )
    same = await _patch(api, draft["id"], 2, title="改过的标题")
    assert (same.json()["version"], same.json()["revision_number"]) == (3, 2)


async def test_changes_on_one_read_version_have_one_winner(api: Any) -> None:
    draft = await api.draft()
    answers = await asyncio.gather(*(_patch(api, draft["id"], 1, title=f"标题 {n}") for n in range(6)))
    statuses = sorted(each.status_code for each in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}
    assert (await _read(api, draft["id"]))["revision_number"] == 2


async def test_files_are_reordered_captioned_and_removed_by_patch(
    api: Any, add_asset: Any, is_problem: Any
) -> None:
    item = (await api.draft())["id"]
    names = [(await add_asset(item, name)).sha256 for name in ("一.jpg", "二.jpg", "三.jpg")]
    wanted = [{"sha256": names[2], "caption": "第三"}, {"sha256": names[0]}]
    assert (await _patch(api, item, 4, assets=wanted)).status_code == 200
    shown = (await _read(api, item))["assets"]
    assert [(each["filename"], each["caption"]) for each in shown] == [("三.jpg", "第三"), ("一.jpg", "")]
    assert (await _patch(api, item, 5, assets=[{"sha256": names[2]}])).status_code == 200
    assert (await _read(api, item))["assets"][0]["caption"] == "第三"
    for assets in ([{"sha256": "0" * 64}], [{"sha256": names[2]}] * 2):
        refused = is_problem(await _patch(api, item, 6, assets=assets), 422, "invalid-request")
        assert refused["errors"][0]["field"] == "assets"
    assert (await _patch(api, item, 6, assets=[])).status_code == 200
    assert (await _read(api, item))["assets"] == []


async def test_change_by_a_reviewer_is_refused(api: Any, newsroom: Any, is_problem: Any) -> None:
    item = await newsroom.received()
    version = (await _read(api, item, "duty"))["version"]
    is_problem(await _patch(api, item, version, "duty", title="改"), 409, "illegal-event")


async def test_page_that_the_client_has_is_304(api: Any) -> None:
    draft = await api.draft()
    path = f"/v1/submissions/{draft['id']}"
    for tag, status in (('"1"', 304), ('W/"1"', 304), ("*", 304), ('"0", "1"', 304), ('"2"', 200)):
        answer = await api("GET", path, "writer", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.headers["etag"]) == (status, '"1"')
    assert answer.headers["cache-control"] == "private, no-cache"
    unseen = await api("GET", path, "chief", headers={"If-None-Match": '"1"'})
    assert unseen.status_code == 404
    head = await api("HEAD", path, "writer")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", '"1"')


async def test_page_shows_problems_of_the_chosen_destinations(api: Any, newsroom: Any) -> None:
    item = await newsroom.received(destinations=("app", "short"))
    shown = await _read(api, item)
    assert {each["destination"] for each in shown["problems"]} == {"short"}
    assert shown["problems"][0]["code"] == "vertical.video_missing"
    assert shown["problems"][0]["text"]["zh"]


async def test_links_to_runs_are_for_staff(api: Any, newsroom: Any) -> None:
    item = await newsroom.received()
    assert (await _read(api, item, "writer"))["links"] == {}
    url = (await _read(api, item, "duty"))["links"]["prefect_runs"]
    assert url == f"http://prefect.example.org:4200/v2/runs?tags=item%3A{item}&range=past-7-days"


async def test_links_of_a_file_can_be_read(api: Any, newsroom: Any, add_asset: Any, objects: Any) -> None:
    item = (await newsroom.draft()).id
    asset = await add_asset(item, "现场.mp4", kind="video", intake="passed", media_type="video/mp4")
    key = f"tests/{uuid4()}"
    await objects.put_bytes(ASSETS, asset.object_key, b"original", "application/octet-stream")
    await objects.put_bytes(RENDITIONS, key, b"poster", "image/jpeg")
    file = {"role": "poster", "name": "poster.jpg", "object_key": key, "media_type": "image/jpeg"}
    wanted = Wanted(f"key-{uuid4()}", asset.sha256, "poster")
    async with newsroom.db.transaction() as session:
        await put_ready(session, wanted, [file | {"size_bytes": 6, "sha256": "0" * 64}], {})
    links = (await _read(api, item))["assets"][0]["links"]
    assert links["preview"] is None
    async with httpx.AsyncClient() as client:
        assert (await client.get(links["original"])).content == b"original"
        assert (await client.get(links["poster"])).content == b"poster"


async def test_list_is_paged_and_filtered(api: Any, newsroom: Any) -> None:
    mark = uuid4().hex
    for number in range(5):
        await newsroom.received(title=f"{mark} {number}", column="体育" if number % 2 else "要闻")

    async def page(**query: Any) -> Any:
        answer = await api("GET", "/v1/submissions", "chief", params={"text": mark} | query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    seen, cursor = [], {}
    while True:
        one = await page(limit=2, **cursor)
        seen += [each["title"] for each in one["items"]]
        if one["next"] is None:
            break
        cursor = {"cursor": one["next"]}
    assert seen == [f"{mark} {number}" for number in (4, 3, 2, 1, 0)]
    assert len((await page(column="体育"))["items"]) == 2
    assert len((await page(state=["received", "draft"]))["items"]) == 5
    assert (await page(state="published"))["items"] == []
    assert (await page(mine=True))["items"] == []


async def test_history_and_revisions_tell_who_did_what(api: Any, newsroom: Any) -> None:
    item = await newsroom.in_state(State.SECOND_REVIEW)
    events = (await api("GET", f"/v1/submissions/{item}/history", "writer")).json()["events"]
    assert [each["event"] for each in events] == [
        "create",
        "submit",
        "intake_passed",
        "claim",
        "approve",
        "claim",
    ]
    assert [(each["actor"] or {}).get("display_name") for each in events] == [
        "名 writer",
        "名 writer",
        None,
        "名 duty",
        "名 duty",
        "名 head",
    ]
    assert all(two["prev_hash"] == one["hash"] for one, two in pairwise(events))
    revisions = (await api("GET", f"/v1/submissions/{item}/revisions", "duty")).json()["revisions"]
    assert [(each["number"], each["editor"]["display_name"]) for each in revisions] == [(1, "名 writer")]
    assert revisions[0]["sha256"] == await newsroom.revision(item)


async def test_runs_are_for_staff_and_link_to_prefect(api: Any, newsroom: Any, is_problem: Any) -> None:
    from storage import outbox

    item = await newsroom.received()
    run = uuid4()
    async with newsroom.db.transaction() as session:
        rows = await outbox.claim_due(session, 1000, 60)
        (row,) = (each for each in rows if each.submission_id == item)
        await outbox.attach_run(session, outbox.Fence(row.id, row.attempt), run)
    is_problem(await api("GET", f"/v1/submissions/{item}/runs", "writer"), 403, "role-missing")
    (shown,) = (await api("GET", f"/v1/submissions/{item}/runs", "operator")).json()["runs"]
    assert (shown["effect"], shown["state"], shown["attempt"]) == ("intake", "leased", 1)
    assert shown["flow_run_url"] == f"http://prefect.example.org:4200/runs/flow-run/{run}"


async def test_failed_work_is_restarted_by_an_operator_and_only_failed_work(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    from storage import outbox

    item = await newsroom.received()
    async with newsroom.db.transaction() as session:
        rows = await outbox.claim_due(session, 1000, 60)
        (row,) = (each for each in rows if each.submission_id == item)
    path = f"/v1/submissions/{item}/runs/{row.id}/restart"
    is_problem(await api("POST", path, "operator"), 404, "not-found")
    async with newsroom.db.transaction() as session:
        await outbox.give_up(session, outbox.Fence(row.id, row.attempt), "no luck")
    is_problem(await api("POST", path, "writer"), 403, "role-missing")
    assert (await api("POST", path, "operator")).status_code == 204
    (shown,) = (await api("GET", f"/v1/submissions/{item}/runs", "operator")).json()["runs"]
    assert shown["state"] == "waiting"
    async with newsroom.db.transaction() as session:
        again = [each for each in await outbox.claim_due(session, 1000, 60) if each.id == row.id]
    assert [each.attempt for each in again] == [row.attempt + 1]


async def test_renditions_of_the_current_revision_have_addresses_but_for_segments(
    api: Any, newsroom: Any, add_asset: Any
) -> None:
    from storage.renditions import want

    item = (await newsroom.draft()).id
    asset = await add_asset(item, "片.mp4")
    wanted = Wanted(f"key-{uuid4()}", asset.sha256, "app_hls")
    files = [
        {
            "role": role,
            "name": name,
            "object_key": f"made/{name}",
            "media_type": "x/y",
            "size_bytes": 1,
            "sha256": "0" * 64,
        }
        for role, name in (("master", "master.m3u8"), ("segment", "1.m4s"))
    ]
    async with newsroom.db.transaction() as session:
        await want(session, item, await newsroom.revision(item), [wanted])
        await put_ready(session, wanted, files, {"duration_s": 2.5})
    shown = (await api("GET", f"/v1/submissions/{item}/renditions", "writer")).json()
    (rendition,) = shown["renditions"]
    assert (rendition["state"], rendition["measured"]) == ("ready", {"duration_s": 2.5})
    assert [each["url"] is not None for each in rendition["files"]] == [True, False]
