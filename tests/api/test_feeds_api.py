"""What readers get: feeds with validators, pages without script, tombstones after a retraction."""

import json
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest

from states.delivery import DeliveryState
from states.events import Event
from states.item import State
from states.roles import SYSTEM
from storage.deliveries import deliveries_of, move_delivery

pytestmark = pytest.mark.slow

FEEDS = ("/feeds/rss.xml", "/feeds/atom.xml", "/feeds/feed.json")


async def _publish(newsroom: Any, **content: Any) -> UUID:
    item: UUID = await newsroom.in_state(State.APPROVED, **content)
    async with newsroom.db.transaction() as session:
        ((delivery, _),) = await deliveries_of(session, item)
        await move_delivery(session, delivery.id, DeliveryState.SENDING)
        await move_delivery(session, delivery.id, DeliveryState.CONFIRMED)
    await newsroom.send(item, Event.DELIVERY_CONFIRMED, SYSTEM)
    return item


async def test_published_story_is_in_every_feed_and_a_retracted_one_is_not(api: Any, newsroom: Any) -> None:
    title = f"新桥通车 {uuid4().hex}"
    await newsroom.in_state(State.APPROVED, title=f"未发布 {title}")
    item = await _publish(newsroom, title=title)
    for path in FEEDS:
        answer = await api("GET", path)
        assert answer.status_code == 200
        assert title in answer.text
        assert f"未发布 {title}" not in answer.text
        assert f"https://news.example.org/stories/{item}" in answer.text
    await newsroom.send(item, Event.RETRACT, "chief", "事实有误，予以撤回")
    for path in FEEDS:
        assert title not in (await api("GET", path)).text
    tombstone = ElementTree.fromstring((await api("GET", "/feeds/atom.xml")).content).findall(
        f"{{http://purl.org/atompub/tombstones/1.0}}deleted-entry[@ref='urn:uuid:{item}']"
    )
    assert len(tombstone) == 1


@pytest.mark.parametrize("path", FEEDS)
async def test_feed_that_the_reader_has_is_304_until_something_changes(
    api: Any, newsroom: Any, path: str
) -> None:
    await _publish(newsroom)
    first = await api("GET", path)
    known = {"If-None-Match": first.headers["etag"]}
    same = await api("GET", path, headers=known)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["cache-control"] == "public, max-age=5"
    dated = await api("GET", path, headers={"If-Modified-Since": first.headers["last-modified"]})
    assert dated.status_code == 304
    for old in ("Mon, 01 Jan 2024 00:00:00 GMT", "no date"):
        assert (await api("GET", path, headers={"If-Modified-Since": old})).status_code == 200
    head = await api("HEAD", path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", first.headers["etag"])
    await _publish(newsroom)
    assert (await api("GET", path, headers=known)).status_code == 200


async def test_story_page_runs_no_script_and_loads_media_and_h5_pages_from_their_own_places_only(
    api: Any, newsroom: Any
) -> None:
    item = await _publish(newsroom, title="桥 <script>alert(1)</script>")
    page = await api("GET", f"/stories/{item}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<script>alert" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    settings = api.app.state.resources.settings
    assert f"media-src 'self' {settings.reader_url};" in policy  # where the API serves them
    assert f"frame-src {settings.reader_packages_url};" in policy
    assert settings.reader_packages_url != settings.reader_url
    assert (
        await api("GET", f"/stories/{item}", headers={"If-None-Match": page.headers["etag"]})
    ).status_code == 304


@pytest.mark.parametrize("feed", ["rss.xml", "atom.xml", "feed.json"])
async def test_retraction_makes_every_kept_copy_of_a_feed_stale(api: Any, newsroom: Any, feed: str) -> None:
    item = await _publish(newsroom, title=f"将被撤回 {uuid4().hex}")
    before = await api("GET", f"/feeds/{feed}")
    kept = {"If-None-Match": before.headers["etag"]}
    assert (await api("GET", f"/feeds/{feed}", headers=kept)).status_code == 304
    await newsroom.send(item, Event.RETRACT, "chief", "事实有误，予以撤回")
    after = await api("GET", f"/feeds/{feed}", headers=kept)
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    assert after.headers["cache-control"] == "public, max-age=5"


async def test_retracted_story_page_is_410_with_the_public_note(api: Any, newsroom: Any) -> None:
    title = f"将被撤回 {uuid4().hex}"
    item = await _publish(newsroom, title=title)
    await newsroom.send(item, Event.RETRACT, "chief", "事实有误，予以撤回")
    page = await api("GET", f"/stories/{item}")
    assert page.status_code == 410
    assert "事实有误，予以撤回" in page.text
    assert title not in page.text
    news = (await api("GET", f"/feeds/ninjs/{item}.json")).json()
    assert (news["pubStatus"], news["edNote"]) == ("canceled", "事实有误，予以撤回")
    assert title not in json.dumps(news, ensure_ascii=False)


async def test_story_that_is_not_out_is_404_in_plain_words(api: Any, newsroom: Any, is_problem: Any) -> None:
    approved = await newsroom.in_state(State.APPROVED)
    for name in (approved, uuid4(), "nonsense", "%00"):
        page = await api("GET", f"/stories/{name}")
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "没有找到这篇稿件" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        is_problem(await api("GET", f"/feeds/ninjs/{name}.json"), 404, "not-found")


async def test_ninjs_of_a_published_story_is_usable(api: Any, newsroom: Any) -> None:
    item = await _publish(newsroom, title="新桥通车")
    answer = await api("GET", f"/feeds/ninjs/{item}.json")
    news = answer.json()
    assert (news["uri"], news["pubStatus"], news["title"]) == (f"urn:uuid:{item}", "usable", "新桥通车")
    assert answer.headers["content-type"] == "application/json"


async def test_correction_under_way_leaves_the_old_story_up(api: Any, newsroom: Any) -> None:
    title = f"原标题 {uuid4().hex}"
    item = await _publish(newsroom, title=title)
    await newsroom.send(item, Event.CORRECT, "duty", "更正人名")
    await newsroom.edit(item, "duty", title="更正后的标题", correction_note="更正了人名。")
    page = await api("GET", f"/stories/{item}")
    assert title in page.text
    assert "更正后的标题" not in page.text
