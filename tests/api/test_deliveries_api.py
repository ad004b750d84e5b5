"""A person's part in deliveries: confirm, send again, cancel."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from states.delivery import DeliveryState
from states.events import Event
from states.item import State
from storage.deliveries import deliveries_of, move_delivery
from storage.keys import RENDITIONS
from storage.outbox import work_of

pytestmark = pytest.mark.slow

LINK = {"url": "https://video.example.org/works/7301"}
_S = DeliveryState


async def _delivery(newsroom: Any, *path: DeliveryState, item: UUID | None = None, **values: Any) -> Any:
    """A delivery of an approved item that has gone along a path of states; the item with it."""
    item = item or await newsroom.in_state(State.APPROVED, destinations=("short",))
    async with newsroom.db.transaction() as session:
        ((delivery, _),) = await deliveries_of(session, item)
        for state in path:
            await move_delivery(session, delivery.id, state, **values)
    return item, delivery.id


async def test_handed_off_package_can_be_fetched_and_confirmed_with_its_link(
    api: Any, newsroom: Any, objects: Any
) -> None:
    key = f"handoffs/{uuid4()}/texts.txt"
    await objects.put_bytes(RENDITIONS, key, "标题".encode(), "text/plain")
    item, delivery = await _delivery(newsroom, _S.SENDING, _S.HANDED_OFF, files={"texts.txt": key})
    shown = (await api("GET", f"/v1/deliveries/{delivery}", "duty")).json()
    assert (shown["state"], shown["destination"], shown["platform"]) == ("handed_off", "short", "vertical")
    async with httpx.AsyncClient() as client:
        assert (await client.get(shown["files"]["texts.txt"])).text == "标题"
    answer = await api("POST", f"/v1/deliveries/{delivery}/confirm", "duty", json=LINK)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["external_url"]) == ("confirmed", LINK["url"])
    assert answer.json()["confirmed_at"]
    published = (await api("GET", f"/v1/submissions/{item}", "duty")).json()
    assert (published["state"], published["links"]["story"]) == (
        "published",
        f"https://news.example.org/stories/{item}",
    )
    last = (await api("GET", f"/v1/submissions/{item}/history", "writer")).json()["events"][-1]
    assert (last["event"], last["facts"]["url"]) == ("delivery_confirmed", LINK["url"])
    assert last["actor"]["display_name"] == "名 duty"


@pytest.mark.parametrize("path", [(), (_S.SENDING,), (_S.SENDING, _S.CONFIRMED), (_S.SENDING, _S.REFUSED)])
async def test_confirmation_of_what_is_not_out_changes_nothing(
    api: Any, newsroom: Any, is_problem: Any, path: tuple[DeliveryState, ...]
) -> None:
    item, delivery = await _delivery(newsroom, *path)
    answer = await api("POST", f"/v1/deliveries/{delivery}/confirm", "duty", json=LINK)
    assert is_problem(answer, 409, "delivery-move-refused")["wanted"] == "confirmed"
    assert (await api("GET", f"/v1/submissions/{item}", "duty")).json()["state"] == "approved"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://a.example/x",
        "https://",
        "https://u:p@a.example/",
        "/works/1",
        "http://[::1",
    ],
)
async def test_link_that_is_no_web_address_is_422(api: Any, newsroom: Any, is_problem: Any, url: str) -> None:
    _, delivery = await _delivery(newsroom, _S.SENDING, _S.HANDED_OFF)
    answer = await api("POST", f"/v1/deliveries/{delivery}/confirm", "duty", json={"url": url})
    assert is_problem(answer, 422, "invalid-request")["errors"][0]["field"] == "url"


@pytest.mark.parametrize("state", [_S.REFUSED, _S.UNKNOWN])
async def test_refused_or_unknown_delivery_is_sent_again_by_new_work(
    api: Any, newsroom: Any, state: DeliveryState
) -> None:
    item, delivery = await _delivery(newsroom, _S.SENDING, state, message={"zh": "拒", "en": "no"})
    answer = await api("POST", f"/v1/deliveries/{delivery}/retry", "operator")
    assert (answer.status_code, answer.json()["state"], answer.json()["message"]) == (200, "pending", None)
    async with newsroom.db.transaction() as session:
        newest = max(await work_of(session, item), key=lambda row: row.id or 0)
    assert (newest.effect, newest.payload["revision_number"], newest.attempt) == ("distribute", 1, 0)


async def test_delivery_of_a_retracted_story_is_not_sent_again(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item, delivery = await _delivery(newsroom, _S.SENDING, _S.REFUSED)
    await newsroom.send(item, Event.RETRACT, "chief", "事实有误")
    answer = await api("POST", f"/v1/deliveries/{delivery}/retry", "duty")
    document = is_problem(answer, 409, "delivery-move-refused")
    assert "撤回" in document["detail"]
    assert (await api("GET", f"/v1/deliveries/{delivery}", "duty")).json()["state"] == "refused"


async def test_pending_delivery_is_cancelled_once(api: Any, newsroom: Any, is_problem: Any) -> None:
    _, delivery = await _delivery(newsroom)
    answer = await api("POST", f"/v1/deliveries/{delivery}/cancel", "duty")
    assert (answer.json()["state"], answer.json()["message"]["zh"]) == ("cancelled", "已由编辑取消。")
    for action in ("cancel", "retry"):
        again = await api("POST", f"/v1/deliveries/{delivery}/{action}", "duty")
        is_problem(again, 409, "delivery-move-refused")


async def test_deliveries_are_seen_by_the_author_and_acted_on_by_editors(
    api: Any, newsroom: Any, is_problem: Any
) -> None:
    item, delivery = await _delivery(newsroom, _S.SENDING, _S.HANDED_OFF)
    assert (await api("GET", f"/v1/deliveries/{delivery}", "writer")).status_code == 200
    for action in ("confirm", "retry", "cancel"):
        path = f"/v1/deliveries/{delivery}/{action}"
        body = {"json": LINK} if action == "confirm" else {}
        is_problem(await api("POST", path, "writer", **body), 403, "role-missing")
        is_problem(await api("POST", path, "other_writer", **body), 404, "not-found")
        is_problem(
            await api("POST", path.replace(str(delivery), str(uuid4())), "duty", **body), 404, "not-found"
        )
    is_problem(
        await api("POST", f"/v1/deliveries/{delivery}/confirm", "operator", json=LINK), 403, "role-missing"
    )
    listed = (await api("GET", f"/v1/submissions/{item}/deliveries", "writer")).json()["deliveries"]
    assert [each["id"] for each in listed] == [str(delivery)]
